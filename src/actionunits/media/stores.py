"""Inputs in object stores, named as fsspec names them: s3://bucket/clip.mp4, gs://..., az://...

A file of a store is fetched whole before it is read: decoders go back and forth, which a store does slowly.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from actionunits.errors import UserError
from actionunits.media.container import VIDEO_SUFFIXES
from actionunits.media.images import IMAGE_SUFFIXES

# FFmpeg reads addresses of other schemes as they are; `memory` and `local` are fsspec's for trying things out.
_STORE = re.compile(r"(s3|s3a|gs|gcs|az|abfs|abfss|adl|oci|oss|hf|hdfs|webhdfs|memory|local)://.")


def is_stored(text: str) -> bool:
    """Whether a text names something in an object store."""
    return _STORE.match(text) is not None


def expand_stored(address: str, recursive: bool = False) -> list[str]:
    """The pictures and videos that a folder or pattern in a store stands for, each an input of its own.

    recursive: those of folders in it too. Anything else stands for itself. Raises UserError where the store cannot
    be reached or there is none.
    """
    from actionunits.media.sources import natural_key

    with _told(address):
        store, path = _opened(address)
        if re.search(r"[*?\[]", path):
            paths = store.glob(path)
        elif store.isdir(path):
            paths = store.find(path, maxdepth=None if recursive else 1)
        else:
            return [address]
        media = [found for found in paths if PurePosixPath(found).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES]
        if not media:
            raise UserError(f"no picture or video at {address}")
        scheme = address.partition("://")[0]
        return [f"{scheme}://{found}" for found in sorted(media, key=natural_key)]


def stored_state(address: str) -> tuple[int, float]:
    """Bytes of a file in a store, and when it was changed, seconds since 1970; 0 where the store does not tell.

    Raises UserError where it is not there.
    """
    with _told(address):
        store, path = _opened(address)
        try:
            changed = store.modified(path)
        except NotImplementedError:
            changed = None
        return int(store.size(path) or 0), changed.timestamp() if isinstance(changed, datetime) else 0.0


@contextmanager
def fetched(source: str, allow_network: bool) -> Iterator[str]:
    """Of an input in a store, a file on this machine for as long as the block lasts; any other source as it is.

    allow_network: else nothing is fetched. Raises UserError where it cannot be; one that is raised in the block tells
    of the source.
    """
    if not (allow_network and is_stored(source)):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="actionunits-") as folder:
        with _told(source):
            store, path = _opened(source)
            local = str(Path(folder, PurePosixPath(path).name))
            store.get_file(path, local)
        try:
            yield local
        except UserError as error:
            raise type(error)(str(error).replace(local, source)) from error


def _opened(address: str) -> tuple[Any, str]:
    import fsspec

    return fsspec.core.url_to_fs(address)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """What goes wrong with a store, in words; its libraries raise errors of their own."""
    try:
        yield
    except (UserError, ModuleNotFoundError):
        raise
    except FileNotFoundError:
        raise UserError(f"cannot read {address}: no such file") from None
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot read {address}: {first}") from error
