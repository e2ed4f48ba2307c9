"""Registered crops and found points of renders, decoded once and kept as arrays beside the data set.

The name of an array tells what it was made from (`cache_key`), so that a changed data set never meets an old array.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actionunits.datasets.crops.crop_data import Rows
from actionunits.datasets.crops.found_mesh import found_mesh, in_own_crop
from actionunits.errors import UserError
from actionunits.faces.align import register
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks
from actionunits.files import write_atomically
from actionunits.runtime.processes import be_a_worker
from actionunits.types import MESH_POINTS

# Raise one when what is stored would come out differently for another reason than its key names.
CACHE_VERSION = 1
MESH_VERSION = 2


@dataclass(frozen=True)
class Clip:
    """One clip's share of the work: which frames to keep and where they go."""

    path: Path
    frames: int  # labelled frames
    every: int
    first_row: int  # of the kept frames in the output
    landmarks_px: np.ndarray  # (kept, 68, 2)


def cache_key(folder: Path, frames: pd.DataFrame, crop_size: int, margin: float, every: int) -> str:
    """Name of the cached arrays: it changes with the data set, the registration and the options."""
    digest = hashlib.blake2b(digest_size=10)
    digest.update((folder / "frames.parquet").read_bytes())
    sizes = [(clip, (folder / clip).stat().st_size) for clip in frames["clip"].cat.categories]
    digest.update(json.dumps([CACHE_VERSION, sizes, crop_size, margin, every, REGISTRATION_POINTS]).encode())
    digest.update(template_landmarks().tobytes())
    return digest.hexdigest()


@contextmanager
def _progress_bar(shown: bool, what: str, total: int) -> Iterator[Any]:
    """A function that counts finished clips on a bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _clip_frames(clip: Clip) -> Iterator[np.ndarray]:
    """The kept frames of a clip, (H, W, 3) uint8 each. Raises UserError when their number is not the labels'."""
    from actionunits.media import open_media

    decoded = 0
    with open_media(clip.path) as reader:
        for decoded, frame in enumerate(reader, start=1):
            if (decoded - 1) % clip.every == 0 and decoded <= clip.frames:
                yield frame.image_rgb
    if decoded != clip.frames:
        raise UserError(
            f"{clip.path} has {decoded} frames, frames.parquet has labels for {clip.frames}; "
            "the clip is damaged or belongs to another data set"
        )


def store_images(
    path: Path, clips: list[Clip], rows: int, crop_size: int, margin: float, workers: int, progress: bool
) -> None:
    """Decode and register all clips into one .npy file."""
    with write_atomically(path) as temporary:
        shape = (rows, crop_size, crop_size, 3)
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)

        def fill(clip: Clip) -> None:
            for k, image in enumerate(_clip_frames(clip)):
                out[clip.first_row + k] = register(image, clip.landmarks_px[k], crop_size, margin)

        with (
            _progress_bar(progress, f"Registering {clips[0].path.parents[1].name}", len(clips)) as advance,
            ThreadPoolExecutor(workers) as pool,  # decoding and warping run outside the interpreter's lock
        ):
            for _ in pool.map(fill, clips):
                advance()
        out.flush()


def store_meshes(
    path: Path, clips: list[Clip], rows: int, crop_size: int, margin: float, every: int, workers: int, progress: bool
) -> None:
    """Find the 478 points in every `every`-th kept frame and store them: points, their rows, which are valid."""
    points, row, valid = [], [], []
    find = partial(_find_meshes, crop_size=crop_size, margin=margin, every=every)
    with (
        write_atomically(path) as temporary,
        _progress_bar(progress, f"Finding landmarks {clips[0].path.parents[1].name}", len(clips)) as advance,
        _processes(min(workers, len(clips))) as pool,
    ):
        results = pool.map(find, clips) if pool else map(find, clips)
        for clip, (mesh, found) in zip(clips, results, strict=True):
            points.append(mesh)
            valid.append(found)
            row.append(clip.first_row + every * np.arange(len(mesh)))
            advance()
        with open(temporary, "wb") as file:
            np.savez(
                file, mesh=np.concatenate(points), valid=np.concatenate(valid), row=np.concatenate(row), rows=rows
            )


@contextmanager
def _processes(workers: int) -> Iterator[Executor | None]:
    """A pool of fresh processes, or None where one process is enough."""
    if workers <= 1:
        yield None
        return
    import multiprocessing

    # ONNX Runtime and torch hold threads, which a forked child would inherit in an unknown state.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        yield pool


def _find_meshes(clip: Clip, crop_size: int, margin: float, every: int) -> tuple[np.ndarray, np.ndarray]:
    """MediaPipe's points of the labelled face, (n, 478, 3) float16 in the stored crop 0-1, and which were found."""
    from actionunits.faces.mesh import MeshReader

    count = len(range(0, len(clip.landmarks_px), every))
    mesh, valid = np.zeros((count, MESH_POINTS, 3), np.float16), np.zeros(count, bool)
    reader = MeshReader()
    for k, image in enumerate(_clip_frames(clip)):
        if k % every:
            continue
        found = found_mesh(reader, image, clip.landmarks_px[k])
        if found is not None:
            mesh[k // every] = in_own_crop(found, landmarks_from_mesh(found), crop_size, margin)
            valid[k // every] = True
    return mesh, valid


def read_meshes(path: Path, rows: int) -> tuple[Rows, np.ndarray]:
    """Stored points for all rows; a row without any points to some stored one and is not valid."""
    with np.load(path) as stored:
        mesh, found, row = stored["mesh"], stored["valid"], stored["row"]
    position, valid = np.zeros(rows, np.int64), np.zeros(rows, bool)
    position[row] = np.arange(len(row))
    valid[row] = found
    return Rows((mesh,), np.zeros(rows, np.int16), position), valid
