"""Labelled rows beside the video that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionunits.media.video import VideoTiming

LARGEST_FRAME = 10_000_000  # number of a frame: days of video
FRAMES_COUNT = f"frames count from 1, and up to {LARGEST_FRAME:,}"
_FPS = 25.0  # where a file says no rate


def without_picture(path: Path, index: np.ndarray, timing: VideoTiming, problems: list[str]) -> dict[int, str]:
    """Rows whose place in the video, (T,) ascending from 0, lies beyond its end, with the reason.

    What is odd about the video is added to `problems`.
    """
    shown, last = len(timing.time_s), int(index[-1]) + 1
    if timing.damage is not None:
        problems.append(f"{path.name} is damaged after {shown} frames: {timing.damage}")
    beyond = np.flatnonzero(index >= shown)
    if len(beyond):
        problems.append(
            f"{path.name} has {shown} frames, the labels name {last}; {len(beyond)} labelled frames have no picture"
        )
    elif shown > last:
        problems.append(f"{path.name} has {shown} frames, the labels end at {last}; the rest is left out")
    return dict.fromkeys(beyond.tolist(), "no picture: the video ends before it")


def row_times(index: np.ndarray, timing: VideoTiming) -> np.ndarray:
    """Presentation times of places in a video, (T,) seconds; beyond the end they go on at the nominal rate."""
    last = len(timing.time_s) - 1
    return timing.time_s[np.minimum(index, last)] + np.maximum(index - last, 0) / (timing.fps or _FPS)
