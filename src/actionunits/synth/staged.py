"""Clips with given action units instead of drawn ones: what is needed to look at one action at a time."""

from __future__ import annotations

import numpy as np

from actionunits.aus import INTENSITY_MAX, SYNTH_AUS
from actionunits.synth.motion import SPEECH_SHAPES, ClipMotion


def staged_motion(
    au_left: np.ndarray,
    au_right: np.ndarray | None = None,
    *,
    pose_deg: np.ndarray | None = None,
    gaze_deg: np.ndarray | None = None,
    position: np.ndarray | None = None,
    fps: float = 25.0,
) -> ClipMotion:
    """A clip of T frames with these action units (T, A), 0-5, of both sides; without au_right both sides are alike.

    pose_deg (T, 3), gaze_deg (T, 2) and position (T, 3) are as in ClipMotion; left out they are zero: a frontal,
    centred head that looks straight ahead.
    """
    left = np.asarray(au_left, np.float32)
    right = left if au_right is None else np.asarray(au_right, np.float32)
    count = len(left)

    def given(values: np.ndarray | None, width: int) -> np.ndarray:
        return np.zeros((count, width), np.float32) if values is None else np.asarray(values, np.float32)

    return ClipMotion(
        fps=fps,
        time_s=np.arange(count) / fps,
        au_left=left,
        au_right=right,
        speech=np.zeros((count, len(SPEECH_SHAPES)), np.float32),
        gaze_deg=given(gaze_deg, 2),
        pose_deg=given(pose_deg, 3),
        position=given(position, 3),
        events=(),
    )


def one_at_a_time(levels: tuple[float, ...] = (INTENSITY_MAX,)) -> np.ndarray:
    """Action units (1 + A * len(levels), A): a neutral frame, then each action alone at each level, AU by AU."""
    alone = np.eye(len(SYNTH_AUS), dtype=np.float32)
    return np.vstack([np.zeros((1, len(SYNTH_AUS)), np.float32), *(level * row for row in alone for level in levels)])
