"""Damaged uploads: none ends the service, each is refused in one clear line or read as far as it goes."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from damaged_files import WAYS, damaged_files
from small_service import upload, waited

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.web.folder import PREFIX

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "count", [2 * len(WAYS), pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_damaged_uploads_leave_the_service_as_it_was(serve, tmp_path, count):
    client = serve(running=2, starts_per_minute=10**6)

    def outcome(file):
        way, content = file
        job = waited(client, upload(client, content, f"{way}.jpg"), seconds=600)
        client.delete(f"/v1/analyses/{job['id']}")
        return way, job

    files = list(damaged_files(count))
    with ThreadPoolExecutor(3) as pool:  # one waits while two are read; more would only ask how far they are
        outcomes = list(pool.map(outcome, files[: len(WAYS)]))
        before = resident()
        outcomes += pool.map(outcome, files[len(WAYS) :])
    for way, job in outcomes:
        words = job["error"] or ""
        assert (job["state"] == "failed") == bool(words), (way, job)
        assert words.isprintable() and not {"unexpected", "upload"} & set(words.split()) and "/" not in words, (
            way,
            words,
        )
    assert resident() - before < 50 * MEGABYTE
    assert client.get("/healthz").text == "ok\n" and client.get("/v1/analyses").json() == []
    (folder,) = tmp_path.glob(f"{PREFIX}*")
    assert [path.name for path in folder.iterdir()] == [".lock"]


def resident():
    """Bytes of this process in memory; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
