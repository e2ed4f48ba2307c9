"""What a few lines of arithmetic make of a frame reader's outputs over time: baselines of every claim about time.

    average      the mean of the log-odds over 7 frames around each
    minimum      less the lowest log-odds so far: the resting face that the person has shown, causal
    calibrated   less what the resting face of the clip reads, as `detect --calibrate` does
    so-far       the same with the resting face of the frames up to each, causal, as with a webcam

Each is of one clip, in time order; an unbroken clip is taken for granted. `minimum` puts a person's resting face
where the model reads a resting face on its validation people (`neutral_logit` of the checkpoint); for the last two
see scores/resting.py. Intensities become (r - r0) * 5 / (5 - r0), so that the thresholds stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import expit, logit

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.evaluation.predictions import FramePredictions
from actionunits.scores.resting import above_rest, next_look, resting_face

WINDOW = 7  # frames of the moving average
_MARGIN = 1e-6  # keeps the log-odds of a saturated probability finite


def average(values: np.ndarray) -> np.ndarray:
    """Mean over `WINDOW` frames around each, (T, ...)."""
    return uniform_filter1d(values, WINDOW, axis=0, mode="nearest")


def lowest_so_far(values: np.ndarray) -> np.ndarray:
    """Lowest value up to each frame, (T, ...)."""
    return np.minimum.accumulate(values, axis=0)


RESTING = ("minimum", "calibrated", "so-far")
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
    told = logit(np.clip(frames.au_prob, _MARGIN, 1 - _MARGIN))
    odds = told.copy()
    rated = frames.au_intensity_predicted
    intensity = None if rated is None else rated.astype(np.float64)
    for rows in _clips(frames):
        odds[rows], strength = _of_clip(odds[rows], None if intensity is None else intensity[rows], reading, usual)
        if intensity is not None and strength is not None:
            intensity[rows] = strength
    prob = np.where(odds == told, frames.au_prob, expit(odds))  # what stays is not even rounded
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
        return average(odds), None if intensity is None else average(intensity)
    if reading == "minimum":
        moved = odds + usual - lowest_so_far(odds)
        rest = None if intensity is None else lowest_so_far(intensity)
    else:
        excess, rest = (_rest_so_far if reading == "so-far" else _rest)(odds, intensity, usual)
        moved = odds - excess
    if intensity is None or rest is None:
        return moved, None
    return moved, above_rest(intensity, rest)


def _rest(odds: np.ndarray, intensity: np.ndarray | None, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the resting face of these frames reads too much: log-odds and intensity, (A,); 0 where none is seen."""
    found = resting_face(odds, np.full_like(odds, np.nan) if intensity is None else intensity, usual)
    if found is None:
        return np.zeros(odds.shape[1]), np.zeros(odds.shape[1])
    return found.excess_logit, found.intensities


def _rest_so_far(odds: np.ndarray, intensity: np.ndarray | None, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`_rest` of the frames up to each, (T, A) each."""
    excess, rest = np.zeros_like(odds), np.zeros_like(odds)
    look = next_look(0)
    while look <= len(odds):
        before = slice(look)
        excess[look - 1 :], rest[look - 1 :] = _rest(
            odds[before], None if intensity is None else intensity[before], usual
        )
        look = next_look(look)
    return excess, rest


def _clips(frames: FramePredictions) -> list[np.ndarray]:
    """Rows of every clip in time order."""
    names: list[Any] = [frames.data.number, frames.subject.number, frames.clip.number]
    order = np.lexsort((frames.frame, *names))
    changes = np.any([np.diff(number[order]) != 0 for number in names], axis=0)
    return np.split(order, np.flatnonzero(changes) + 1)
