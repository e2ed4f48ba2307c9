"""The twenty AU centres of EAC-Net, from facial landmarks (Sec. III-B, Table I).

Deviations: "above" and "below" are along the face's own axes, so that a rolled head has its centres where an upright
one has them; landmarks that are unknown are those of the mean face, laid on the known ones; centres outside the crop
move to its border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49, POINTS_66
from actionunits.faces.mean_face import template_landmarks

# Places among the 68 points, by the number of points of a markup.
PLACES = {68: tuple(range(68)), 66: POINTS_66, 49: POINTS_49}
INNER_EYE_CORNERS = (39, 42)  # left and right in the image; their distance is Table I's "scale"


@dataclass(frozen=True)
class CenterRule:
    """One line of Table I: a pair of centres, each the mean of its landmarks, moved along the face."""

    aus: tuple[int, ...]
    points: tuple[tuple[int, ...], tuple[int, ...]]  # the pair: left and right in the image, or upper and lower
    up: float  # in units of the distance of the inner eye corners


RULES = (
    CenterRule((1,), ((21,), (22,)), 1 / 2),  # above the inner brow
    CenterRule((2,), ((18,), (25,)), 1 / 3),  # above the outer brow
    CenterRule((4,), ((19,), (24,)), -1 / 3),  # below the brow's centre
    CenterRule((6,), ((41,), (46,)), -1.0),  # below the eye's bottom
    CenterRule((7,), (tuple(range(36, 42)), tuple(range(42, 48))), 0.0),  # the eye's centre
    CenterRule((10,), ((49,), (53,)), 0.0),  # the upper lip
    CenterRule((12, 14, 15), ((48,), (54,)), 0.0),  # the lip's corner
    CenterRule((17,), ((58,), (56,)), -1 / 2),  # below the lip
    CenterRule((23,), ((51,), (57,)), 0.0),  # the lip's centre
    CenterRule((24,), ((61,), (63,)), 0.0),  # the lip's centre, inside
)
CENTERS = 2 * len(RULES)


def _selection() -> np.ndarray:
    """(20, 68): row k averages the landmarks of centre k."""
    matrix = np.zeros((CENTERS, 68), np.float32)
    for k, points in enumerate(points for rule in RULES for points in rule.points):
        matrix[k, list(points)] = 1 / len(points)
    return matrix


SELECTION = _selection()
UP = np.repeat(np.array([rule.up for rule in RULES], np.float32), 2)  # (20,)


def complete_landmarks(landmarks: Tensor | None, rows: int, like: Tensor) -> Tensor:
    """All 68 points of every row, (rows, 68, 2), 0-1 spans the crop, with the device and the precision of `like`.

    landmarks: (rows, 68, 66 or 49, 2), NaN where unknown, or None. Unknown points are those of the mean face, laid
    on the known points by the similarity transform of least squares; on a single one without turning and scaling,
    and without any as the registered crop has them. Raises UserError for another number of points.
    """
    mean_face = torch.from_numpy(template_landmarks()).to(like)
    if landmarks is None:
        return mean_face.expand(rows, 68, 2)
    if landmarks.ndim != 3 or landmarks.shape[2] != 2 or landmarks.shape[1] not in PLACES:
        given = " x ".join(map(str, landmarks.shape[1:]))
        raise UserError(f"landmarks of a face are {given} numbers; give 68, 66 or 49 points of x and y")
    points = like.new_full((rows, 68, 2), torch.nan)
    points[:, list(PLACES[landmarks.shape[1]])] = landmarks.to(like)
    known = torch.isfinite(points).all(2, keepdim=True)
    laid = _laid_on(mean_face, torch.where(known, points, 0), known.to(like))
    return torch.where(known, points, laid)


def _laid_on(shape: Tensor, points: Tensor, weight: Tensor) -> Tensor:
    """The shape, (68, 2), moved, turned and scaled onto the points of weight 1, (B, 68, 2); weight: (B, 68, 1)."""
    count = weight.sum(1, keepdim=True)
    origin = (weight * shape).sum(1, keepdim=True) / count.clamp(min=1)
    target = (weight * points).sum(1, keepdim=True) / count.clamp(min=1)
    s, t = weight * (shape - origin), weight * (points - target)
    size = s.square().sum((1, 2)).clamp(min=1e-12)
    # A similarity without reflection, [[a, -b], [b, a]].
    a = (s * t).sum((1, 2)) / size
    b = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(1) / size
    settled = count[:, 0, 0] >= 2
    a, b = torch.where(settled, a, 1), torch.where(settled, b, 0)
    turn = torch.stack([torch.stack([a, b], -1), torch.stack([-b, a], -1)], 1)  # its transpose, for rows of points
    return (shape - origin) @ turn + torch.where(count > 0, target, origin)


def au_centers(landmarks: Tensor) -> Tensor:
    """Centres of RULES, pair by pair, (B, 20, 2), 0-1 spans the crop. landmarks: (B, 68, 2), all known. Table I."""
    left, right = (landmarks[:, point] for point in INNER_EYE_CORNERS)
    across = right - left  # as long as the scale
    up = torch.stack([across[:, 1], -across[:, 0]], -1)  # a quarter turn, y pointing down
    selection, share = torch.from_numpy(SELECTION).to(landmarks), torch.from_numpy(UP).to(landmarks)
    # A weighted sum rather than a matrix product, which accelerators round.
    points = (selection[None, :, :, None] * landmarks[:, None]).sum(2)
    return (points + share[None, :, None] * up[:, None]).clamp(0, 1)
