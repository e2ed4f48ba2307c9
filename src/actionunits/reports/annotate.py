"""Results → pictures, one after the other: annotated photographs or video, and the timeline at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from actionunits.media import VideoWriter
from actionunits.reports.image_file import save_image
from actionunits.reports.overlay import DARK, draw_faces, margin_beside
from actionunits.reports.schemas import make_schema
from actionunits.reports.tables import open_table, read_table
from actionunits.reports.timeline import draw_timeline
from actionunits.types import FrameResult

Consumer = Callable[[FrameResult], None]


@contextmanager
def annotate_to(path: Path, media_kind: str, source: str) -> Iterator[Consumer]:
    """Something to call with each result; `path` is a PNG ("image"), a folder ("images") or an MP4 (others).

    source: of the results; the sound of a video is kept. Raises UserError where the file cannot be written.
    """
    if media_kind == "image":
        yield lambda result: save_image(drawn(result), path)
    elif media_kind == "images":
        yield _FolderAnnotator(path)
    else:
        sound_of = Path(source) if os.path.isfile(source) else None
        with VideoWriter(path, sound_of=sound_of) as writer:
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
        save_image(drawn(result), self._folder / f"{stem}.png")


class _VideoAnnotator:
    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._panel_sides: dict[int, tuple[int, str]] = {}
        self._shape: tuple[int, ...] | None = None
        self._margin_px: int | None = None

    def __call__(self, result: FrameResult) -> None:
        if self._margin_px is None:  # the first frame decides, since a video keeps its size
            self._margin_px = _margin_px(result)
        image = drawn(result, self._margin_px, self._panel_sides)
        self._shape = self._shape or image.shape
        if image.shape != self._shape:
            # Some streams change their size on the way; a video file cannot.
            image = cv2.resize(image, self._shape[1::-1], interpolation=cv2.INTER_AREA)
        self._writer.write(image, result.frame.time_s)


def _margin_px(result: FrameResult) -> int:
    height, width = result.frame.image_rgb.shape[:2]
    return margin_beside(height, width, result.faces, result.predictions)


def drawn(
    result: FrameResult, margin_px: int | None = None, panel_sides: dict[int, tuple[int, str]] | None = None
) -> np.ndarray:
    """The picture with its faces, wider by a dark margin for the panel of a face that fills it."""
    added = _margin_px(result) if margin_px is None else margin_px
    image = cv2.copyMakeBorder(result.frame.image_rgb, 0, 0, 0, added, cv2.BORDER_CONSTANT, value=DARK)
    return draw_faces(image, result.faces, result.predictions, memory=panel_sides)
