"""Worker processes as the service sees them: how they start, their tasks, bytes in, answers out, and their end."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol

import anyio

from actionunits.errors import UserError
from actionunits.web.limits import Limits
from actionunits.web.template import WORD

LONGEST_ANSWER = 1 << 20  # bytes of a line
# Ctrl-C is for the service, which ends its workers.
APART: dict[str, Any]
if sys.platform == "win32":
    APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    APART = {"start_new_session": True}
KILLED = "the process that read it was ended: it ran out of memory or time, or a decoder failed on it"


COPY_S = 10.0  # for the template to copy itself


class Process(Protocol):
    """What a worker's process has in common, however it was started."""

    def kill(self) -> None: ...

    async def wait(self) -> Any: ...


class Workers:
    """Starts the processes of a service: copies of a template where the system can do that, else from nothing."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._template: Template | None = None

    async def start(self, task: dict[str, Any], cpu_s: float) -> Worker:
        """Start a process on a task, within the limits. Raises OSError where none can be started."""
        worker = (await self._copy() if _has_handles() else None) or await _from_nothing()
        worker.begin(task, self._limits, cpu_s)
        return worker

    def warm_up(self) -> None:
        """Let the template begin to import before the first upload arrives."""
        if _has_handles():
            self._template = Template()

    def close(self) -> None:
        """End the template; its copies end with their own sockets."""
        if self._template is not None:
            self._template.close()

    async def _copy(self) -> Worker | None:
        """A copy of the template; None where it does not answer, and another one is then made for the next worker."""
        if self._template is None or self._template.has_ended():
            self._template = Template()
        template = self._template
        # Answers have a pipe: a socket that is closed before all of it was read may lose what goes the other way.
        ours, theirs = socket.socketpair()
        from_copy, answers = os.pipe()
        process = None
        try:
            process = await template.copy(theirs.fileno(), answers)
        except OSError:
            template.end()
        finally:
            theirs.close()
            os.close(answers)
            if process is None:
                ours.close()
                os.close(from_copy)
        if process is None:
            return None
        _, input = await asyncio.open_connection(sock=ours)
        output, loop = asyncio.StreamReader(LONGEST_ANSWER), asyncio.get_running_loop()
        pipe = open(from_copy, "rb", buffering=0)  # noqa: SIM115 - the loop closes it
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), pipe)
        return Worker(process, input, output)


class Template:
    """The process of template.py."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._starting, self._ready = asyncio.Lock(), False
        with theirs:
            # One thread of BLAS, which is all that detection uses: a copy has no others.
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            command = (sys.executable, "-m", "actionunits.web.template")
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment, **APART)

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    async def copy(self, input: int, output: int) -> Process:
        """A copy with this standard input and output. Raises OSError where there is none."""
        assert sys.platform == "linux"
        async with self._starting:
            if not self._ready:
                self._ready = bool(await asyncio.get_running_loop().sock_recv(self._line, len(WORD)))
                self._line.settimeout(COPY_S)
        # From here to the answer nothing else may run: whoever is ended in between would leave it to the next one.
        socket.send_fds(self._line, [WORD], [input, output])
        word, handles, _, _ = socket.recv_fds(self._line, len(WORD), 1)
        if not word:
            raise OSError(errno.ECHILD, os.strerror(errno.ECHILD))
        return _Copy(handles[0])

    def end(self) -> None:
        """End the process; whoever waits for it hears of that."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process where nobody waits for it."""
        self.end()
        self._line.close()


class _Copy:
    """A process by its handle, which never comes to stand for another one."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def kill(self) -> None:
        assert sys.platform == "linux"
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def wait(self) -> None:
        """Wait for its end, once."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._handle)
            os.close(self._handle)


def _has_handles() -> bool:
    """Whether the system, and a container that it may run in, gives handles of processes."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


async def _from_nothing() -> Worker:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "actionunits.web.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_ANSWER,
        **APART,
    )
    assert process.stdin is not None and process.stdout is not None
    return Worker(process, process.stdin, process.stdout)


class Worker:
    """One process of worker.py."""

    def __init__(self, process: Process, input: asyncio.StreamWriter, output: asyncio.StreamReader) -> None:
        self._process, self.input, self._output = process, input, output

    def begin(self, task: dict[str, Any], limits: Limits, cpu_s: float) -> None:
        """Give it its task, which it does within the limits."""
        bounds = {
            "memory_bytes": limits.memory_bytes,
            "cpu_s": cpu_s,
            "file_bytes": limits.disk_bytes,
            "pixels": limits.pixels,
            "duration_s": limits.duration_s,
        }
        self.input.write(json.dumps(bounds | task).encode() + b"\n")

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
    worker = await _from_nothing()
    worker.begin({"do": "describe", "detector": detector}, limits, cpu_s=600)
    try:
        async for answer in worker.answers():
            return answer
    finally:
        await worker.end()
    raise UserError("the model cannot be loaded within the memory that a process may use")
