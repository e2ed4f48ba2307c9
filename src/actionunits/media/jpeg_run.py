"""JPEG pictures one after another in a file, as many network cameras record."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARK = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in coded data: neither a stuffed byte nor a restart


def is_jpeg_run(path: Path) -> bool:
    """Whether a second JPEG of the same size follows right behind the first one; a preview there is smaller."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _walk(data, 0)
        second = None if first is None else _walk(data, first[0])
        return first is not None and second is not None and first[1] == second[1]


def _walk(data: mmap.mmap, start: int) -> tuple[int, bytes] | None:
    """Where the JPEG that begins at `start` ends, and its height and width as written; None where there is none."""
    if data[start : start + 2] != _START:
        return None
    at, size = start + 2, b""
    while (mark := data[at : at + 2]) != _END:
        if len(mark) < 2 or mark[0] != 0xFF:
            return None
        if mark[1] in _FRAME_HEADERS:
            size = data[at + 5 : at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if mark[1] == _SCAN:
            found = _MARK.search(data, at)
            if found is None:
                return None
            at = found.start()
    return at + 2, size
