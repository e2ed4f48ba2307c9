"""Progress as one line of text on standard error, in terminals and notebooks alike."""

from __future__ import annotations

import sys
import time

SILENT_S, EVERY_S = 1.0, 0.5


class TextProgress:
    """A line that is written over: frames done, of how many, and how fast; none for work of less than a second."""

    def __init__(self, name: str) -> None:
        self._name, self._begin_s, self._told_s, self._width = name, time.monotonic(), 0.0, 0
        self._seen = 0

    def __call__(self, done: int, total: int | None) -> None:
        """So many frames are passed, of `total` where that is known; one more was analysed."""
        self._seen += 1
        now_s = time.monotonic()
        passed_s = now_s - self._begin_s
        if passed_s < SILENT_S or now_s - self._told_s < EVERY_S:
            return
        self._told_s = now_s
        of = f" of {total}" if total else ""
        self._write(f"{self._name}: {done}{of} frames, {self._seen / passed_s:.0f} per second")

    def close(self) -> None:
        """Take the line away."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()

    def _write(self, line: str) -> None:
        sys.stderr.write(f"\r{line:<{self._width}}")
        sys.stderr.flush()
        self._width = len(line)
