"""The private folder of a service: nobody else can read it, and it goes with the service, even after a crash."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX, LOCK = "actionunits-serve-", ".lock"


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder, 0700, in `parent` or the system's folder for temporary files, removed at the end.

    Folders that services left behind when they were killed are removed first: theirs have no holder of their lock.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    for old in parent.glob(f"{PREFIX}*"):
        if old.is_dir() and not old.is_symlink() and old.stat().st_uid == os.getuid():
            _remove_unheld(old)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_unheld(folder: Path) -> None:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # it is in use, or was made this moment
