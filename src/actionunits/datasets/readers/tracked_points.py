"""Landmarks of BP4D and BP4D+: MATLAB 7.3 files with 49 tracked points per frame, `fit(frame).pred`.

Such a file is HDF5: `fit/pred` holds references, one per frame number from 1, each to points stored as (2, 49) since
HDF5 turns MATLAB's order of axes around. Frames in which nothing was tracked refer to an empty array.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49


def read_tracked_points(path: Path, frame: np.ndarray) -> np.ndarray:
    """Points of these frame numbers (from 1) among the 68, (T, 68, 2) float32; NaN where there are none.

    Raises UserError for a file of another kind, and for points that are not 49.
    """
    import h5py

    result = np.full((len(frame), 68, 2), np.nan, np.float32)
    try:
        with h5py.File(path, "r") as file:
            references = file["fit/pred"][()].ravel()
            for row, number in enumerate(frame.tolist()):
                if 1 <= number <= len(references) and references[number - 1]:
                    points = _points(path, number, file[references[number - 1]])
                    if points is not None:
                        result[row, list(POINTS_49)] = points
    except (OSError, KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot read {path}: damaged, or no MATLAB 7.3 file with fit.pred ({error})") from error
    return result


def _points(path: Path, number: int, stored: Any) -> np.ndarray | None:
    """The points (49, 2) of one frame, None where it has none: an empty array, not a number, or all zero."""
    if stored.attrs.get("MATLAB_empty", 0) or stored.size <= 2:
        return None
    points = np.asarray(stored[()], np.float64)
    if points.shape == (2, 49):
        points = points.T
    if points.shape != (49, 2):
        raise UserError(f"{path}: frame {number} has points of shape {points.shape}; expected 49 points, (2, 49)")
    return points if np.isfinite(points).all() and points.any() else None
