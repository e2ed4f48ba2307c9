"""The pictures of a recording's rows, from files or a video, and why a row has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from actionunits.datasets.crops.follower import Follower
from actionunits.datasets.readers.recording import PictureFiles, Recording, VideoFile
from actionunits.errors import UserError

NO_PICTURE = "no picture"
DAMAGED_PICTURE = "damaged picture"
VIDEO_ENDS = "video ends early"

_ROWS_TOLD_AT_ONCE = 8


def row_pictures(
    recording: Recording,
    lost: list[str],
    on_rows: Callable[[int], None],
    *,
    factor: np.ndarray | None = None,
    start: int = 0,
    follower: Follower | None = None,
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Rows from `start` on that are not lost, with their picture and the factor by which it is reduced.

    lost: (T,) reasons, to which rows are added whose picture cannot be had. on_rows is told how many rows more are
    done. factor: (T,) by which JPEG files may be reduced. follower: is shown what it wants of a video in between.
    """
    source = recording.pixels
    if isinstance(source, PictureFiles):
        decode = _picture_files(source, lost, factor, start)
    else:
        decode = video_rows(source, lost, recording.time_s, start, follower)
    done = start
    on_rows(start)
    for row, image, used in decode:
        if row >= done + _ROWS_TOLD_AT_ONCE:
            on_rows(row - done)
            done = row
        yield row, image, used
    on_rows(len(recording) - done)


def _picture_files(
    source: PictureFiles, lost: list[str], factor: np.ndarray | None, start: int
) -> Iterator[tuple[int, np.ndarray, int]]:
    from actionunits.media.images import read_image_reduced

    for row, path in enumerate(source.paths[start:], start=start):
        if lost[row]:
            continue
        if not path.is_file():
            lost[row] = NO_PICTURE
            continue
        try:
            image, used = read_image_reduced(path, 1 if factor is None else int(factor[row]))
        except UserError:
            lost[row] = DAMAGED_PICTURE
            continue
        yield row, image, used


def video_rows(
    source: VideoFile, lost: list[str], time_s: np.ndarray, start: int = 0, follower: Follower | None = None
) -> Iterator[tuple[int, np.ndarray, int]]:
    """The same of a video; time_s: (T,) of the rows."""
    from actionunits.media.video import VideoReader

    # The row before is shown once more, since what lies behind it is glanced at.
    row, rows = max(0, start - 1), len(source.index)
    glance = None if follower is None else follower.glance
    try:
        with VideoReader(source.path, only=source.index[row:], glance=glance) as reader:
            for frame in reader:
                while row < rows and source.index[row] < frame.index:
                    lost[row] = lost[row] or DAMAGED_PICTURE
                    row += 1
                if follower is not None and row < rows and source.index[row] > frame.index:
                    follower.sees_between(frame.image_rgb, float(np.clip(frame.time_s, time_s[row - 1], time_s[row])))
                while row < rows and source.index[row] == frame.index:
                    if not lost[row] and row >= start:
                        yield row, frame.image_rgb, 1
                    row += 1
    except UserError:
        pass  # it holds no frame at all
    for late in range(row, rows):
        lost[late] = lost[late] or (VIDEO_ENDS if source.path.is_file() else NO_PICTURE)
