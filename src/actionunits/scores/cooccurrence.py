"""How two action units go together over frames: phi and Jaccard index, from counts of frames."""

from __future__ import annotations

import numpy as np


def phi(frames: np.ndarray, first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Pearson correlation of two presences; NaN where one of them never changes.

    frames: those looked at; first, second, both: those with the one, the other, and both; of one shape, counts.

    >>> phi(np.array([4, 4]), np.array([2, 2]), np.array([2, 0]), np.array([2, 0]))
    array([ 1., nan])
    """
    spread = np.sqrt(np.float64(first * (frames - first)) * (second * (frames - second)))
    return np.divide(both * frames - first * second, spread, out=np.full(spread.shape, np.nan), where=spread > 0)


def jaccard(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Frames with both over frames with either; NaN where there is none.

    >>> jaccard(np.array([2, 0]), np.array([3, 0]), np.array([1, 0]))
    array([0.25,  nan])
    """
    either = first + second - both
    return np.divide(both, either, out=np.full(either.shape, np.nan), where=either > 0)
