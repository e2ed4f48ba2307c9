"""Damaged uploads: none ends the service, each is refused in one clear line or read as far as it goes."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from damaged_files import WAYS, damaged_files
from small_service import upload, waited

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.web.folder import PREFIX
from actionunits.web.limits import Limits
from actionunits.web.worker import UPLOAD

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


def test_a_file_that_cannot_be_read_costs_its_process_no_more_than_the_decoders(tmp_path):
    (tmp_path / UPLOAD).write_bytes(b"\xff\xd8\xff" + bytes(99))
    bounds = asdict(Limits()) | {"cpu_s": 60, "file_bytes": 1 << 20}
    task = bounds | {"do": "analyse", "folder": str(tmp_path), "detector": {}, "name": "face.jpg"}
    words = [sys.executable, "-X", "importtime", "-m", "actionunits.web.worker"]
    with (tmp_path / "imports").open("w+") as imports:
        # Its input stays open: where it ends, the process does too.
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=imports) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
            assert b"cannot read" in process.stdout.read()
        imports.seek(0)
        lines = [line for line in imports if line.startswith("import time:")]
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
    assert {"numpy", "PIL"} <= loaded
    assert not loaded & {"onnxruntime", "threadpoolctl", "rich", "pandas", "matplotlib", "torch", "safetensors"}
