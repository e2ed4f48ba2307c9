"""Standard input as a file that is read once."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import threading
from pathlib import Path
from typing import TextIO

from actionunits.errors import UserError

NAMES = ("-", "/dev/stdin")
_POLL_S = 0.2
_PIECE_BYTES = 2**16
_ended = threading.Event()
_IN_MEMORY_BYTES = 2**26  # formats that need to go back are read whole up to this size


def end_standard_input() -> None:
    """Give whoever reads standard input its end, even while nothing comes."""
    _ended.set()


class StandardInput(io.RawIOBase):
    """What comes by a pipe: all of it where it is short, else a stream that cannot go back.

    Raises UserError if nothing comes.
    """

    def __init__(self) -> None:
        if sys.stdin is None:
            raise UserError("cannot read standard input: it is closed")
        _ended.clear()
        head = _read(_IN_MEMORY_BYTES)
        if not head:
            raise UserError("cannot read standard input: nothing comes, or it was read before")
        self.is_whole = len(head) < _IN_MEMORY_BYTES
        self._head = io.BytesIO(head)

    def __str__(self) -> str:
        return NAMES[0]

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Whether all is in memory."""
        return self.is_whole

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        return self._head.read(size) or (b"" if self.is_whole else _read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in what is in memory."""
        return self._head.seek(offset, whence)

    def tell(self) -> int:
        """The place in what is in memory."""
        return self._head.tell()


def open_standard_input() -> StandardInput | Path:
    """What standard input holds: a file, which is read as such, or a pipe."""
    if sys.stdin is not None and Path(NAMES[1]).exists() and _is_file(sys.stdin):
        return Path(NAMES[1])
    return StandardInput()


def _read(size: int) -> bytes:
    """The next bytes, `size` of them (all for -1) or as many as come before the end."""
    try:
        pipe = sys.stdin.fileno()
    except (OSError, ValueError):  # no stream of the system, so reading does not wait
        return sys.stdin.buffer.read(size)
    parts: list[bytes] = []
    missing = size if size >= 0 else sys.maxsize
    while missing > 0 and not _ended.is_set():
        if select.select([pipe], [], [], _POLL_S)[0]:
            part = os.read(pipe, min(missing, _PIECE_BYTES))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
    return b"".join(parts)


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
