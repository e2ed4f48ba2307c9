"""What a few lines of arithmetic make of a frame reader's outputs over time: baselines of every claim about time.

    average      the mean of the log-odds over 7 frames around each
    minimum      less the lowest log-odds so far: the resting face that the person has shown, causal
    calibrated   less the lower decile of the whole clip, as `detect --calibrate` does

Each is of one clip, in time order; an unbroken clip is taken for granted. `minimum` and `calibrated` put a person's
resting face where the model reads a resting face on its validation people (`neutral_logit` of the checkpoint), and
intensities become (r - r0) * 5 / (5 - r0), so that the thresholds stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import expit, logit

from actionunits.aus import INTENSITY_MAX, au_label
from actionunits.errors import UserError
from actionunits.evaluation.predictions import FramePredictions

WINDOW = 7  # frames of the moving average
QUANTILE = 0.1  # of `calibrated`: an AU is taken to rest in at least a tenth of a clip
MIN_FRAMES = 25  # shorter clips are not calibrated: a quantile says little there
_MARGIN = 1e-6  # keeps the log-odds of a saturated probability finite


def _average(values: np.ndarray) -> np.ndarray:
    return uniform_filter1d(values, WINDOW, axis=0, mode="nearest")


def _lowest_so_far(values: np.ndarray) -> np.ndarray:
    return np.minimum.accumulate(values, axis=0)


def _lower_decile(values: np.ndarray) -> np.ndarray | None:
    return np.quantile(values, QUANTILE, axis=0) if len(values) >= MIN_FRAMES else None


# The resting face of a clip's outputs (T, A), row by row or for all rows; None where it is unknown.
RESTING: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "minimum": _lowest_so_far,
    "calibrated": _lower_decile,
}
READINGS = ("average", *RESTING)


def read_over_time(frames: FramePredictions, reading: str, neutral_logit: Mapping[str, float]) -> FramePredictions:
    """The same frames with outputs that were read over time.

    reading: of READINGS. neutral_logit: the model's mean log-odds on resting faces, by label. Raises UserError for
    another word, and where the rows are no clips.
    """
    if reading not in READINGS:
        raise UserError(f"unknown reading over time '{reading}'; known are {', '.join(READINGS)}")
    if frames.timeline() is None:
        raise UserError("these are single pictures: nothing can be read over time")
    usual = np.array([neutral_logit.get(au_label(au), np.nan) for au in frames.aus])
    if reading in RESTING and np.isnan(usual).any():
        raise UserError("the checkpoint does not say how it reads a resting face; train it with this version")
    odds = logit(np.clip(frames.au_prob, _MARGIN, 1 - _MARGIN))
    rated = frames.au_intensity_predicted
    intensity = None if rated is None else rated.astype(np.float64)
    for rows in _clips(frames):
        odds[rows], strength = _of_clip(odds[rows], None if intensity is None else intensity[rows], reading, usual)
        if intensity is not None and strength is not None:
            intensity[rows] = strength
    prob = expit(odds)
    return replace(
        frames,
        au_prob=prob,
        au_detected=prob >= np.nan_to_num(frames.thresholds, nan=np.inf),
        au_intensity_predicted=None if intensity is None else intensity.astype(np.float32),
        au_level_predicted=None,
    )


def _of_clip(
    odds: np.ndarray, intensity: np.ndarray | None, reading: str, usual: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Log-odds and intensities of one clip, (T, A) each in time order."""
    if reading == "average":
        return _average(odds), None if intensity is None else _average(intensity)
    resting = RESTING[reading](odds)
    if resting is None:
        return odds, intensity
    moved = odds + usual - resting
    if intensity is None:
        return moved, None
    rest = RESTING[reading](intensity)
    assert rest is not None
    # A reference of 5 leaves no room above it: everything then reads 0.
    stretched = (intensity - rest) * INTENSITY_MAX / np.maximum(INTENSITY_MAX - rest, 1e-6)
    return moved, np.clip(stretched, 0, INTENSITY_MAX)


def _clips(frames: FramePredictions) -> list[np.ndarray]:
    """Rows of every clip in time order."""
    names: list[Any] = [frames.data.number, frames.subject.number, frames.clip.number]
    order = np.lexsort((frames.frame, *names))
    changes = np.any([np.diff(number[order]) != 0 for number in names], axis=0)
    return np.split(order, np.flatnonzero(changes) + 1)
