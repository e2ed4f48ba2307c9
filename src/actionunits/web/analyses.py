"""Uploads and what becomes of them: a queue, a process for each, their results, and their removal."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from actionunits.errors import UserError, one_line
from actionunits.web.limits import Limits
from actionunits.web.process import KILLED, Worker
from actionunits.web.worker import FRAMES, REPORT, ROWS, SUMMARY, UPLOAD

WAITING, RUNNING, DONE, FAILED = STATES = ("waiting", "running", "done", "failed")
LINES = {"frames": FRAMES, "rows": ROWS}
# What can be downloaded: its name on disk, the ending of the name that it is given, and its type.
FILES = {
    "table": (f"{UPLOAD}.csv", ".csv", "text/csv; charset=utf-8"),
    "summary": (SUMMARY, ".summary.txt", "text/plain; charset=utf-8"),
    "episodes": (f"{UPLOAD}.episodes.csv", ".episodes.csv", "text/csv; charset=utf-8"),
    "report": (REPORT, ".report.html", "text/html; charset=utf-8"),
    "card": (f"{UPLOAD}.run.json", ".run.json", "application/json"),
    "timeline": (f"{UPLOAD}.timeline.png", ".timeline.png", "image/png"),
    "annotated-picture": (f"{UPLOAD}.annotated.png", ".annotated.png", "image/png"),
    "annotated-video": (f"{UPLOAD}.annotated.mp4", ".annotated.mp4", "video/mp4"),
}
READ_BYTES, LOOK_AGAIN_S = 1 << 16, 0.1


class Full(UserError):
    """There is no room for another upload."""


@dataclass
class Job:
    """One upload and its state."""

    id: str
    folder: Path
    name: str  # as the client calls the file: for people to read, and never a path
    size: int  # bytes
    options: dict[str, Any]
    state: str = WAITING
    frames: int = 0
    of: int | None = None
    error: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    ended_s: float = 0.0  # of a monotonic clock
    task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.state in (DONE, FAILED)

    def told(self) -> dict[str, Any]:
        """The job as JSON values."""
        there = [name for name, (file, *_) in FILES.items() if self.is_over and (self.folder / file).is_file()]
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "frames": self.frames,
            "of": self.of,
            "error": self.error,
            "result": self.result or None,
            "files": there,
        }

    async def lines(self, what: str) -> AsyncIterator[bytes]:
        """Lines of frames or rows as they are made, whole ones, until the job is over or removed."""
        file, at = self.folder / LINES[what], 0
        while True:
            was_over = self.is_over
            if file.is_file():
                with file.open("rb") as source:
                    source.seek(at)
                    whole = b"".join(line for line in source.readlines(READ_BYTES) if line.endswith(b"\n"))
                if whole:
                    at += len(whole)
                    yield whole
                    continue
            if was_over or not self.folder.is_dir():
                return
            await asyncio.sleep(LOOK_AGAIN_S)


class Analyses:
    """All jobs of a service, in its private folder."""

    def __init__(self, folder: Path, detector: dict[str, Any], limits: Limits) -> None:
        self._folder, self._detector, self.limits = folder, detector, limits
        self._jobs: dict[str, Job] = {}
        self._arriving: list[int] = []  # bytes of the uploads that are under way
        self._tasks: set[asyncio.Task[None]] = set()  # of removed jobs too, until their processes have ended
        self._slots = asyncio.Semaphore(limits.running)
        self.ended: Counter[str] = Counter()
        self.frames = 0

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Keep a place for an upload of so many bytes while it arrives; the oldest results make room for it.

        Raises Full where there is none.
        """
        for job in list(self._jobs.values()):
            if job.is_over and time.monotonic() - job.ended_s > self.limits.kept_s:
                self.remove(job)
        if self.count(WAITING) + len(self._arriving) >= self.limits.waiting:
            raise Full("too many files wait already; try again when some of them are done")
        over = [job for job in self._jobs.values() if job.is_over]
        for job in over[: max(0, len(over) - self.limits.kept + 1)]:
            self.remove(job)
        for job in over:
            if self._used() + size > self.limits.disk_bytes:
                self.remove(job)
        if self._used() + size > self.limits.disk_bytes:
            raise Full("there is no room for another file; try again when some of them are done")
        self._arriving.append(size)
        try:
            yield
        finally:
            self._arriving.remove(size)

    def new_folder(self) -> Path:
        """An empty folder for an upload, under a name that nobody can guess."""
        folder = self._folder / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        return folder

    def add(self, folder: Path, name: str, options: dict[str, Any]) -> Job:
        """Take an upload that lies in its folder, and begin with it as soon as there is a place."""
        size = sum(file.stat().st_size for file in folder.iterdir())
        job = Job(folder.name, folder, one_line(name)[:200] or UPLOAD, size, options)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job))
        self._tasks.add(job.task)
        job.task.add_done_callback(partial(self._let_go, job))
        return job

    def get(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def count(self, state: str) -> int:
        return sum(job.state == state for job in self._jobs.values())

    def remove(self, job: Job) -> None:
        """End the job where it runs, and delete all of it."""
        self._jobs.pop(job.id, None)
        if job.task is not None:
            job.task.cancel()
        shutil.rmtree(job.folder, ignore_errors=True)

    def _let_go(self, job: Job, task: asyncio.Task[None]) -> None:
        """Forget a task that has ended; the process of a removed job may have written until then."""
        self._tasks.discard(task)
        if job.id not in self._jobs:
            shutil.rmtree(job.folder, ignore_errors=True)

    async def close(self) -> None:
        """End and remove everything."""
        for job in self.all():
            self.remove(job)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _used(self) -> int:
        return sum(job.size for job in self._jobs.values()) + sum(self._arriving)

    async def _run(self, job: Job) -> None:
        async with self._slots:
            job.state = RUNNING
            try:
                async with asyncio.timeout(self.limits.run_s):
                    await self._work(job)
            except UserError as error:
                job.error = str(error)
            except TimeoutError:
                job.error = f"it took longer than {self.limits.run_s / 60:g} minutes"
            except OSError as error:  # no process could be started
                job.error = f"it could not be worked on: {error.strerror}"
            except (ValueError, KeyError, TypeError):  # an answer that no sound process gives
                job.error = KILLED
            self._finish(job)

    async def _work(self, job: Job) -> None:
        task = {
            "do": "analyse",
            "detector": self._detector,
            "folder": str(job.folder),
            "name": job.name,
            **job.options,
        }
        worker = await Worker.start(task, self.limits, cpu_s=self.limits.cpu_s)
        try:
            async for answer in worker.answers():
                if "done" in answer:
                    job.result = answer["done"]
                    job.frames = job.of = job.result["frames_written"]
                else:
                    job.frames, job.of = answer["frames"], answer["of"]
        finally:
            await worker.end()
        if not job.result:
            raise UserError(KILLED)

    def _finish(self, job: Job) -> None:
        job.state, job.ended_s = (FAILED if job.error else DONE), time.monotonic()
        self.ended[job.state] += 1
        self.frames += job.frames
        (job.folder / UPLOAD).unlink(missing_ok=True)
        if job.folder.is_dir():
            job.size = sum(file.stat().st_size for file in job.folder.iterdir())
