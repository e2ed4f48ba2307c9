"""The token of services that tests start, how tests use them, and what only Linux has."""

import json
import sys
import time

import pytest

TOKEN = "a-token-of-the-tests"
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux bounds memory and lists processes in /proc"
)

STREAM = {"Accept": "application/x-ndjson"}


def upload(client, content, name="face.jpg", **fields):
    return client.post("/v1/analyses", files={"file": (name, content)}, data=fields)


def waited(client, answer, seconds=60):
    """The job of an upload once it is over."""
    assert answer.status_code == 202, answer.text
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = client.get(answer.headers["location"]).json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"still {job}")


def lines_of(answer):
    return [json.loads(line) for line in answer.text.splitlines()]
