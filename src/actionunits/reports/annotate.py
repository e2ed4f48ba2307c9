"""Results → pictures, one after the other: annotated photographs or video, and the timeline at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from actionunits.media import VideoWriter
from actionunits.reports.image_file import save_image
from actionunits.reports.overlay import draw_faces
from actionunits.reports.schemas import make_schema
from actionunits.reports.tables import open_table, read_table
from actionunits.reports.timeline import draw_timeline
from actionunits.types import FrameResult

Consumer = Callable[[FrameResult], None]


@contextmanager
def annotate_to(path: Path, media_kind: str) -> Iterator[Consumer]:
    """Something to call with each result; `path` is a PNG ("image"), a folder ("images") or an MP4 (others).

    Raises UserError where the file cannot be written.
    """
    if media_kind == "image":
        yield lambda result: save_image(_drawn(result), path)
    elif media_kind == "images":
        yield _FolderAnnotator(path)
    else:
        with VideoWriter(path) as writer:
            yield _VideoAnnotator(writer)


@contextmanager
def timeline_to(path: Path, aus: Sequence[int], title: str) -> Iterator[Consumer]:
    """Something to call with each result; the timeline is drawn when the block ends well.

    Raises UserError where the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        lanes = Path(folder) / "lanes.parquet"
        with open_table(lanes, make_schema("openface", aus, "video", pose=False, landmarks=False)) as table:
            yield table.write
        draw_timeline(read_table(lanes), path, title=title)


class _FolderAnnotator:
    """PNGs named after their pictures; a name that was used already gets the frame number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def __call__(self, result: FrameResult) -> None:
        stem = Path(result.frame.source).stem
        if stem in self._used:
            stem = f"{stem}-{result.frame.index + 1}"
        self._used.add(stem)
        save_image(_drawn(result), self._folder / f"{stem}.png")


class _VideoAnnotator:
    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._panel_sides: dict[int, tuple[int, str]] = {}
        self._shape: tuple[int, ...] | None = None

    def __call__(self, result: FrameResult) -> None:
        image = _drawn(result, self._panel_sides)
        self._shape = self._shape or image.shape
        if image.shape != self._shape:
            # Some streams change their size on the way; a video file cannot.
            image = cv2.resize(image, self._shape[1::-1], interpolation=cv2.INTER_AREA)
        self._writer.write(image, result.frame.time_s)


def _drawn(result: FrameResult, panel_sides: dict[int, tuple[int, str]] | None = None) -> np.ndarray:
    return draw_faces(result.frame.image_rgb, result.faces, result.predictions, memory=panel_sides)
