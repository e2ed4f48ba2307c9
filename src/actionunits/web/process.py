"""A worker process as the service sees it: a task, bytes in, answers out, and its end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio

from actionunits.errors import UserError
from actionunits.web.limits import Limits

LONGEST_ANSWER = 1 << 20  # bytes of a line
# Ctrl-C is for the service, which ends its workers.
APART: dict[str, Any]
if sys.platform == "win32":
    APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    APART = {"start_new_session": True}
KILLED = "the process that read it was ended: it ran out of memory or time, or a decoder failed on it"


class Worker:
    """One process of worker.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        self.input, self._output = process.stdin, process.stdout

    @classmethod
    async def start(cls, task: dict[str, Any], limits: Limits, cpu_s: float) -> Worker:
        """Start a process on a task, within the limits."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "actionunits.web.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_ANSWER,
            **APART,
        )
        worker = cls(process)
        bounds = {
            "memory_bytes": limits.memory_bytes,
            "cpu_s": cpu_s,
            "file_bytes": limits.disk_bytes,
            "pixels": limits.pixels,
            "duration_s": limits.duration_s,
        }
        worker.input.write(json.dumps(bounds | task).encode() + b"\n")
        return worker

    async def answers(self) -> AsyncIterator[dict[str, Any]]:
        """What the process tells, until it ends. Raises UserError for a failure that it tells."""
        while True:
            try:
                line = await self._output.readline()
            except ValueError:  # longer than any answer is
                return
            if not line.endswith(b"\n"):
                return
            answer = json.loads(line)
            if "failed" in answer:
                raise UserError(answer["failed"])
            yield answer

    async def end(self) -> None:
        """Kill the process where it still runs, and wait for its end, even where the caller itself is being ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with anyio.CancelScope(shield=True):
            self.input.close()
            with suppress(OSError):  # what it did not read any more
                await self.input.wait_closed()
            await self._output.read()
            await self._process.wait()


async def describe(detector: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """What the model of these options of `Detector` reports. Raises UserError for options it does not take."""
    worker = await Worker.start({"do": "describe", "detector": detector}, limits, cpu_s=600)
    try:
        async for answer in worker.answers():
            return answer
    finally:
        await worker.end()
    raise UserError("the model cannot be loaded within the memory that a process may use")
