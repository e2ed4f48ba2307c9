"""Flow of two frames, from every registered crop to its anchor, computed once and kept beside the data set.

A slow method (TV-L1) so costs each frame once, rather than once an epoch. Training gives the stored flow the same
changes of geometry that it gives pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from actionunits.datasets.crops.crop_data import CropData, Rows
from actionunits.datasets.crops.crop_files import StoredRows
from actionunits.files import write_atomically
from actionunits.models.ofnet.two_frame import two_frame_flow

CACHE_FOLDER = ".crops"  # inside the data set, unless told otherwise
VERSION = 1  # to be raised when what is stored would come out differently from the same crops
FRAMES_AT_ONCE = 64


def with_flow(
    data: CropData,
    folder: Path,
    method: str,
    *,
    cache: Path | str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CropData:
    """The crops of one folder with their flow, made where it is not there yet: one file per clip.

    method: of `two_frame_flow`. cache: where the files are kept, by default `.crops` inside the folder;
    progress(done, total) counts the clips that are made. Raises UserError for files that cannot be written or read.
    """
    target = (Path(cache) if cache is not None else folder / CACHE_FOLDER) / f"flow-{method}-{_key(data, folder)}"
    order = np.argsort(data.clip, kind="stable")
    clips = np.split(order, np.flatnonzero(np.diff(data.clip[order])) + 1)
    paths = [target / f"{number}.npy" for number in range(len(clips))]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:  # OpenCV runs outside the interpreter's lock
        made = pool.map(lambda number: _store(paths[number], data, clips[number], method), missing)
        for done, _ in enumerate(made, start=1):
            progress(done, len(missing))
    shape = (2, data.size, data.size)
    files = [StoredRows(path, (len(rows), *shape), np.float16) for path, rows in zip(paths, clips, strict=True)]
    part, row = np.empty(len(data), np.int32), np.empty(len(data), np.int64)
    for number, rows in enumerate(clips):
        part[rows], row[rows] = number, np.arange(len(rows))
    return replace(data, flow=Rows(cast(Any, files), part, row))


def _store(path: Path, data: CropData, rows: np.ndarray, method: str) -> None:
    """Write the flows of a clip."""
    with write_atomically(path) as temporary:
        shape = (len(rows), 2, data.size, data.size)
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        for start in range(0, len(rows), FRAMES_AT_ONCE):
            here = data.batch(rows[start : start + FRAMES_AT_ONCE], inputs=("image", "anchor"))
            assert here.anchor is not None  # every reader of folders gives them
            with torch.inference_mode():
                out[start : start + len(here.image)] = two_frame_flow(method, here.image, here.anchor).numpy()
        out.flush()


def _key(data: CropData, folder: Path) -> str:
    """Name of the files: it changes with the data set, the crops' size, and the rows."""
    digest = hashlib.blake2b(f"{VERSION} {data.size} {data.margin}".encode(), digest_size=10)
    for name in ("dataset.json", "frames.parquet"):
        digest.update((folder / name).read_bytes())
    digest.update(np.stack([data.clip, data.frame]).tobytes())
    return digest.hexdigest()
