"""The private folder of a service: nobody else can read it, and it goes with the service, even after a crash."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX, LOCK = "actionunits-serve-", ".lock"


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder, 0700, in `parent` or the system's folder for temporary files, removed at the end.

    Folders that services left behind when they were killed are removed first: theirs have no holder of their lock.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    for old in parent.glob(f"{PREFIX}*"):
        if old.is_dir() and not old.is_symlink() and _is_own(old) and not _is_held(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with (folder / LOCK).open("w") as lock:
            _hold(lock)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether it belongs to the user; on Windows each has temporary files of his or her own."""
    return sys.platform == "win32" or folder.stat().st_uid == os.getuid()


def _is_held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            _hold(lock)
    except OSError:
        return True  # it is in use, or was made this moment
    return False


def _hold(lock: IO[str]) -> None:
    """Hold a file until it is closed. Raises OSError where another process does."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
