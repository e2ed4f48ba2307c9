"""Whether something hides a part of a face: a linear reading of colours and edges at points of its mesh.

At every third point of the mesh, the colour is compared with the face's own median and spread, and the strength of
edges with its own median, so that complexion and light have little say. The weights are fitted to rendered people,
with and without something before the face (`python experiments/resnet18/covered.py`); docs/detect.md has the rates.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

MOST_COVERED = 0.0  # log-odds, set so that one in a hundred rendered faces with nothing before them lies above
WEIGHTS = Path(__file__).parent / "covered.npy"  # (1601,) float32: of each value, and the constant
_SIDE_PX, _BLUR_PX = 56, 1.0
_EVERY_POINT = 3
_LEAST_SPREAD = np.array([4.0, 1.5, 1.5], np.float32)  # of CIELAB: in faces of one colour, noise is no difference
_EDGE_FLOOR = 2.0  # grey levels


def covered_logit(crop: np.ndarray, mesh: np.ndarray) -> float:
    """Log-odds that something hides a part of a face.

    crop: (S, S, 3) uint8, registered; mesh: (478, 3), 0-1 spans the crop.
    """
    weights = _weights()
    return float(appearance(crop, mesh) @ weights[:-1] + weights[-1])


def appearance(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """What the log-odds are linear in, (1600,) float32. Parameters: as those of `covered_logit`."""
    small = cv2.resize(crop, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    points = (mesh[::_EVERY_POINT, :2] * _SIDE_PX - 0.5).astype(np.float32)
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), _BLUR_PX), cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 0] *= 100 / 255
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.abs(np.dstack([cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)]))
    colours = _at(lab, points)
    colours -= _median(colours)
    spread = np.maximum(_median(np.abs(colours)), _LEAST_SPREAD)
    colours = np.sign(colours) * np.log1p(np.abs(colours) / (2 * spread))
    strengths = np.log(_at(cv2.GaussianBlur(edges, (0, 0), _BLUR_PX), points) + _EDGE_FLOOR)
    strengths -= _median(strengths)
    parts = (colours, np.abs(colours), strengths, np.abs(strengths))
    return np.concatenate([part.ravel() for part in parts])


def _at(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of a picture (H, W, C) at points (P, 2), (P, C)."""
    x, y = np.ascontiguousarray(points.T)[:, None]
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[0]


def _median(values: np.ndarray) -> np.ndarray:
    """Of each column of (P, C) numbers; of as few as these, `np.median` takes three times as long."""
    ordered = np.sort(values, 0)
    return (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


@cache
def _weights() -> np.ndarray:
    return np.load(WEIGHTS)
