"""Files that are either complete or absent, their digests, and the folder of those kept between runs."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from actionunits.errors import UserError

CACHE_VARIABLE = "ACTIONUNITS_CACHE"
# What follows the name of an input in those of its results.
RUN_CARD, ANNOTATED, TIMELINE = ".run.json", ".annotated", ".timeline"
_TOKEN_BYTES = 4
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than allowed here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
}
# These can only come from writing; the others may as well stem from a file that is read meanwhile.
_ALWAYS_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends well and is removed otherwise.

    The temporary file exists and is empty on entry, so a folder that cannot be written to is found before
    any work is done; missing folders are made. It keeps the suffix, from which many writers tell the format.
    A device or pipe, such as /dev/null, is handed out itself.

    Raises UserError if the file cannot be written: no permission, disk full, a folder of that name.
    """
    path = Path(path)
    check_name(path)
    target = Path(os.path.realpath(path))  # a link stays a link; what it points to is replaced
    if target.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(_unfinished_name(target, secrets.token_hex(_TOKEN_BYTES)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "write-protected", str(target))
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _explained(error, path) from error
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if _is_about_writing(error, temporary):
            raise _explained(error, path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what a process that was killed while it wrote a file has left beside it."""
    target = Path(os.path.realpath(path))
    names = _unfinished_name(target, "?" * 2 * _TOKEN_BYTES, glob.escape)
    with suppress(OSError):  # there is no such folder, or it cannot be written to: then nothing is left
        for left in target.parent.glob(names):
            left.unlink()


def write_json(path: str | Path, value: object, indent: int = 1) -> None:
    """Write a value as JSON, whole or not at all. Raises UserError if the file cannot be written."""
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def valid_text(name: str) -> str:
    r"""A file's name as text that every table can hold: bytes that are no UTF-8 become escapes.

    >>> print(valid_text("caf\udce9.jpg"))
    caf\xe9.jpg
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_result(path: Path) -> bool:
    """Whether a picture, video or folder was made from an input by an earlier run: its run card lies beside it."""
    stems = [path.name.rpartition(mark)[0] for mark in (ANNOTATED, TIMELINE)]
    return any(stem and os.path.lexists(path.with_name(stem + RUN_CARD)) for stem in stems)


def check_name(path: Path) -> None:
    """Raises UserError for a path that this system cannot hold, before anything is computed for it."""
    try:
        path.lstat()
    except ValueError:
        raise UserError(f"cannot write {path}: the name holds a zero byte") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _explained(error, path) from error


@contextmanager
def write_errors_told(path: str | Path) -> Iterator[None]:
    """For files that are written piece by piece: a system error in the block becomes a UserError about `path`."""
    try:
        yield
    except OSError as error:
        raise _explained(error, Path(path)) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises UserError where it cannot be read or is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged: it is not JSON") from None


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def cache_folder() -> Path:
    """Folder kept between runs: $ACTIONUNITS_CACHE, else actionunits/ in the user's cache folder.

    It is a folder for temporary files where the user has no home folder, as in some containers.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(caches) if caches else Path.home() / ".cache") / "actionunits"
    except RuntimeError:
        own = "" if sys.platform == "win32" else f"-{os.getuid()}"  # where users share the folder
        return Path(tempfile.gettempdir()) / f"actionunits{own}"


def _unfinished_name(target: Path, token: str, spelled: Callable[[str], str] = str) -> str:
    stem = os.fsdecode(os.fsencode(target.stem)[:100])  # systems limit a name's bytes, of which a letter may have 4
    return f".{spelled(stem)}-{token}{spelled(target.suffix)}"


def _is_about_writing(error: OSError, temporary: Path) -> bool:
    if error.errno in _ALWAYS_WRITING or "No space left on device" in str(error):
        return True
    return str(temporary) in (str(error.filename), str(error.filename2))


def _explained(error: OSError, path: Path) -> UserError:
    known = errno.ENOSPC if "No space left on device" in str(error) else error.errno
    reason = _REASONS.get(known or 0) or error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}")
