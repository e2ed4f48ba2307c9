"""The command `serve`: its address, its refusals, and its end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from small_service import TOKEN, linux_only

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.web.serve import _address


@contextmanager
def started(weights, folder, *options):
    words = [sys.executable, "-m", "actionunits", "serve", "--no-browser", "--weights", str(weights), *options]
    environment = {**os.environ, "ACTIONUNITS_TOKEN": TOKEN, "TMPDIR": str(folder)}
    service = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield service
    finally:
        service.kill()
        service.wait()


def test_nothing_is_imported_that_windows_lacks():
    block = "import asyncio, subprocess, sys; sys.modules.update(dict.fromkeys(('fcntl', 'resource', 'pwd', 'grp')))"
    modules = "actionunits.web.app, actionunits.web.serve, actionunits.web.worker, actionunits.cli.serve"
    subprocess.run([sys.executable, "-c", f"{block}; import {modules}"], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_here_alone_and_leaves_nothing(small_weights, tmp_path, number):
    with started(small_weights, tmp_path, "--port", "0") as service:
        address, words = service.stdout.readline().strip(), service.stdout.readline()
        assert address.startswith("http://127.0.0.1:") and address.endswith(f"/?token={TOKEN}")
        assert "No picture leaves this computer" in words
        health = address.replace(f"/?token={TOKEN}", "/healthz")
        assert urllib.request.urlopen(health, timeout=30).read() == b"ok\n"
        assert [path.name[:18] for path in tmp_path.iterdir()] == ["actionunits-serve-"]
        service.send_signal(number)
        assert service.wait(30) == 0 and service.stderr.read() == ""
        assert list(tmp_path.iterdir()) == []


@linux_only
def test_its_processes_end_with_it_even_where_it_is_killed(small_weights, clip, tmp_path):
    with started(small_weights, tmp_path, "--port", "0") as service:
        address = service.stdout.readline().strip().partition("/?")[0]
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + clip + b"\r\n--x--\r\n"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=x"}
        urllib.request.urlopen(urllib.request.Request(f"{address}/v1/analyses", body, headers), timeout=30)
        workers = _wait_for(lambda: _children(service.pid))
        service.kill()
        service.wait()
        assert workers and _wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


@pytest.mark.parametrize(
    ("options", "token", "words"),
    [
        (("--weights", "no-such-file"), TOKEN, "no-such-file"),
        (("--port", "{taken}"), TOKEN, "choose another --port"),
        (("--host", "203.0.113.7"), TOKEN, "cannot serve at 203.0.113.7"),
        ((), "short", "16 characters or more"),
    ],
)
def test_what_cannot_be_served_is_one_line(small_weights, tmp_path, monkeypatch, capsys, options, token, words):
    from actionunits.cli import main

    monkeypatch.setenv("ACTIONUNITS_TOKEN", token)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = [option.format(taken=taken.getsockname()[1]) for option in options]
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--no-browser", "--weights", str(small_weights), *options])
    said = capsys.readouterr()
    assert ended.value.code == 2 and words in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1:1"), ("0.0.0.0", "127.0.0.1:1"), ("::", "[::1]:1"), ("192.168.1.7", "192.168.1.7:1")],
)
def test_the_address_can_be_opened_here(host, shown):
    assert _address(host, 1, "t") == f"http://{shown}/?token=t"


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def _wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
