"""Damaged uploads: none ends the service, each is refused in one clear line or read as far as it goes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from damaged_files import WAYS, damaged_files
from small_service import upload, waited

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.web.folder import PREFIX

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    "count", [2 * len(WAYS), pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_damaged_uploads_leave_the_service_as_it_was(serve, tmp_path, monkeypatch, count):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from processes import memory_mb

    client = serve(running=2, starts_per_minute=10**6)

    def outcome(file):
        way, content = file
        job = waited(client, upload(client, content, f"{way}.jpg"), seconds=600)
        client.delete(f"/v1/analyses/{job['id']}")
        return way, job

    files = list(damaged_files(count))
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(outcome, files[: len(WAYS)]))
        before_mb = memory_mb("VmRSS")
        outcomes += pool.map(outcome, files[len(WAYS) :])
    for way, job in outcomes:
        words = job["error"] or ""
        assert (job["state"] == "failed") == bool(words), (way, job)
        assert words.isprintable() and "unexpected" not in words.split() and "/" not in words, (
            way,
            words,
        )
    assert memory_mb("VmRSS") - before_mb < 50
    assert client.get("/healthz").text == "ok\n" and client.get("/v1/analyses").json() == []
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    assert [path.name for path in folder.iterdir()] == [".lock"]
