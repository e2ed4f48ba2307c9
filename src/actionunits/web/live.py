"""A webcam over one WebSocket: the newest picture wins, nothing queues up, and each session has its own process.

The browser sends binary messages, eight bytes of time in seconds (float64, big-endian) and a JPEG or WebP, and gets
one JSON text for each picture that was looked at. The text "neutral" makes resting faces of the present ones,
"calibrate" takes those that people show up to each picture, and "forget" drops them.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from actionunits.errors import UserError
from actionunits.web.limits import Limits
from actionunits.web.process import KILLED, Worker
from actionunits.web.worker import CALIBRATE, FORGET_NEUTRAL, LIVE_HEADER, PICTURE, SET_NEUTRAL

TRY_LATER, WENT_WRONG, TOO_QUIET = 1013, 1011, 1000  # codes of a closed WebSocket
ORDERS = {"neutral": SET_NEUTRAL, "forget": FORGET_NEUTRAL, "calibrate": CALIBRATE}
IN_WORK = 1  # pictures: a second one gives more frames in a second, each of them later
TIME = struct.Struct(">d")
DAY_S = 86_400.0
End = tuple[int, str]  # code of a closed WebSocket, and why it was closed


class LiveSessions:
    """The webcams of a service."""

    def __init__(self, detector: dict[str, Any], limits: Limits) -> None:
        self._detector, self._limits = detector, limits
        self.running = 0
        self.frames = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one webcam until either side ends it."""
        await socket.accept()
        if self.running >= self._limits.live:
            await socket.close(TRY_LATER, "as many webcams as this service takes are running")
            return
        self.running += 1
        try:
            worker = await Worker.start({"do": "live", "detector": self._detector}, self._limits, cpu_s=DAY_S)
            try:
                await self._served(socket, worker)
            finally:
                await worker.end()
        finally:
            self.running -= 1

    async def _served(self, socket: WebSocket, worker: Worker) -> None:
        newest, ends = _Newest(), []
        async with anyio.create_task_group() as group:

            async def until_end(task: Coroutine[None, None, End]) -> None:
                try:
                    ends.append(await task)
                except (WebSocketDisconnect, RuntimeError, OSError):  # the browser, or the process, has left
                    ends.append((WENT_WRONG, KILLED))
                group.cancel_scope.cancel()

            group.start_soon(until_end, _receive(socket, newest, self._limits))
            group.start_soon(until_end, _feed(worker, newest))
            group.start_soon(until_end, self._answer(socket, worker, newest))
        code, words = ends[0]
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(code, words[:120])

    async def _answer(self, socket: WebSocket, worker: Worker, newest: _Newest) -> End:
        try:
            async for answer in worker.answers():
                if "ready" in answer:
                    await socket.send_json(answer)
                    newest.wanted = True
                    continue
                self.frames += 1
                newest.answered()
                await socket.send_text(json.dumps(answer))
        except UserError as error:
            return WENT_WRONG, str(error)
        return WENT_WRONG, KILLED


class _Newest:
    """The picture that is worked on next: a newer one takes its place."""

    def __init__(self) -> None:
        self._message: bytes | None = None
        self._orders: list[bytes] = []
        self._in_work = 0
        self._changed = asyncio.Event()
        self.wanted = False  # until the process that looks at pictures has started

    def put(self, message: bytes) -> None:
        self._message = message
        self._changed.set()

    def order(self, message: bytes) -> None:
        """An order goes before the next picture; the last one counts."""
        self._orders = [message]
        self._changed.set()

    def answered(self) -> None:
        self._in_work -= 1
        self._changed.set()

    async def take(self) -> bytes:
        """What to send to the process next, once it has room for it."""
        while True:
            self._changed.clear()
            if self._message is not None and self._in_work < IN_WORK:
                content, self._message = b"".join([*self._orders, self._message]), None
                self._orders = []
                self._in_work += 1
                return content
            await self._changed.wait()


async def _receive(socket: WebSocket, newest: _Newest, limits: Limits) -> End:
    last_s = 0.0
    while True:
        try:
            with anyio.fail_after(limits.live_idle_s):
                message = await socket.receive()
        except TimeoutError:
            if newest.wanted:
                return TOO_QUIET, "no picture came for a while"
            continue
        if message["type"] == "websocket.disconnect":
            return TOO_QUIET, "closed"
        content = message.get("bytes") or b""
        order = ORDERS.get(message.get("text") or "")
        if order is not None:
            newest.order(LIVE_HEADER.pack(order, last_s, 0))
        elif TIME.size < len(content) <= limits.live_frame_bytes:
            (time_s,) = TIME.unpack_from(content)
            # Times go forward, whatever a client says.
            last_s = max(last_s, time_s) if math.isfinite(time_s) and time_s < last_s + DAY_S else last_s
            picture = content[TIME.size :]
            newest.put(LIVE_HEADER.pack(PICTURE, last_s, len(picture)) + picture)
        else:
            return WENT_WRONG, "a message is a time and a picture, or an order"


async def _feed(worker: Worker, newest: _Newest) -> End:
    while True:
        worker.input.write(await newest.take())
        await worker.input.drain()
