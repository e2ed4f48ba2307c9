"""A process that has imported what an upload needs, and copies itself for each one, which then need not import it.

It is started as `python -m actionunits.web.template` and reads no upload itself. Its standard input is a socket, on
which it says when it is ready. Each message then brings the standard input and output of a worker, which a copy
becomes, and the answer brings a handle of that copy. It ends with the service. Only Linux has such handles.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from importlib import import_module

from actionunits.web import worker

# Modules that start no thread: a copy would lack it.
NEEDED = (
    "onnxruntime",
    "matplotlib.pyplot",
    "actionunits.media",
    "actionunits.detection.analysis",
    "actionunits.detection.detector",
    "actionunits.detection.options",
    "actionunits.reports.html_report",
    "actionunits.web.told",
)
WORD = b"."


def main() -> None:
    """Copy this process for each message until the service has ended."""
    assert sys.platform == "linux"
    service = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the service waits for copies, by their handles
    for name in NEEDED:
        import_module(name)
    gc.freeze()  # what all copies share is not looked through, which would copy its memory
    service.sendall(WORD)
    while True:
        word, streams, _, _ = socket.recv_fds(service, len(WORD), 2)
        if not word:
            return
        process = os.fork()
        if process == 0:
            _work(streams)  # the line to the service, which is stream 0 until here, is none of its business
        handle = os.pidfd_open(process)
        socket.send_fds(service, [WORD], [handle])
        for number in (handle, *streams):
            os.close(number)


def _work(streams: list[int]) -> None:
    """Be the worker with these standard streams; does not return."""
    assert sys.platform == "linux"
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for stream, number in enumerate(streams):
        os.dup2(number, stream)
        os.close(number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process
    try:
        worker.main()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
