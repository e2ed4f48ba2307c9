"""The running service: an address, a server, and the browser that opens it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import uvicorn

from actionunits.errors import UserError
from actionunits.web.app import Service, new_token
from actionunits.web.limits import Limits
from actionunits.web.process import describe

TOKEN_VARIABLE = "ACTIONUNITS_TOKEN"  # of a service that others start; a word of the command could be read by anybody
SHORTEST_TOKEN = 16
CONNECTIONS = 256
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
ENDING_S = 3  # for answers that are under way


def serve(
    detector: dict[str, Any],
    limits: Limits,
    host: str = "127.0.0.1",
    port: int = 8321,
    hosts: Collection[str] = (),
    open_browser: bool = True,
) -> None:
    """Serve until Ctrl-C; prints the address, with its token, once it answers.

    detector: options of `Detector`, as JSON values. port: 0 takes one that is free. hosts: further names of this
    machine. Raises UserError for options that Detector does not take, and an address that is not free.
    """
    token = os.environ.get(TOKEN_VARIABLE) or new_token()
    if len(token) < SHORTEST_TOKEN:
        raise UserError(f"{TOKEN_VARIABLE} must have {SHORTEST_TOKEN} characters or more")
    model = asyncio.run(describe(detector, limits))
    service = Service(model, detector, limits, token, hosts)
    with _listening(host, port) as listener:
        address = _address(host, listener.getsockname()[1], token)
        settings = uvicorn.Config(
            service.app,
            log_level="warning",
            access_log=False,  # addresses of results are nobody else's business
            server_header=False,
            limit_concurrency=CONNECTIONS,
            ws="websockets-sansio",
            ws_max_size=limits.live_frame_bytes,
            timeout_graceful_shutdown=ENDING_S,
        )
        server = uvicorn.Server(settings)
        _say(address, host)
        if open_browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        with suppress(KeyboardInterrupt):  # its normal end
            server.run(sockets=[listener])


def _address(host: str, port: int, token: str) -> str:
    """What a browser on this machine opens."""
    here = EVERYWHERE.get(host, host)
    return f"http://{f'[{here}]' if ':' in here else here}:{port}/?token={token}"


def _say(address: str, host: str) -> None:
    where = "No picture leaves this computer."
    if host not in LOOPBACK:
        where = "Whoever has the token can use it, by a number of this machine too; the connection is not encrypted."
    print(f"{address}\n{where} Ctrl-C ends the service and deletes what it holds.", flush=True)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        # Windows would share the port with whoever asks; others would not give it to the next service for a while.
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise UserError(f"cannot serve at {host}, port {port}: {error.strerror}; choose another --port") from None
    return listener
