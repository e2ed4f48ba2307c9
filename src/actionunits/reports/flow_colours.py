"""Optical flow as colours: the hue is where a point goes, the saturation how far (OF-Net, Fig. 4).

Colours: Baker, Scharstein, Lewis, Roth, Black & Szeliski, "A database and evaluation methodology for optical flow",
IJCV 2011. White stands still; to the right is red, down orange, to the left light blue, up violet.
"""

from __future__ import annotations

from functools import cache

import numpy as np

FULL_COLOUR_SHARE = 0.05  # of the crop's width: the motion that has a fully saturated colour
# Steps from one pure colour to the next around the wheel: red, yellow, green, cyan, blue, magenta, red.
STEPS = (15, 6, 4, 11, 13, 6)
DARKER = 0.75  # of a colour beyond full saturation


@cache
def wheel() -> np.ndarray:
    """Colours around the wheel from red on, (55, 3) float 0-1."""
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)], np.float64)
    parts = []
    for k, steps in enumerate(STEPS):
        share = np.arange(steps)[:, None] / steps
        parts.append(corners[k] * (1 - share) + corners[(k + 1) % len(corners)] * share)
    return np.concatenate(parts)


def flow_colours(flow_px: np.ndarray, full_px: float) -> np.ndarray:
    """Picture of a flow, (..., 3) uint8 RGB. flow_px: (..., 2), right and down; NaN is grey.

    full_px: the length that has the full colour; longer motion is darker.
    """
    known = np.isfinite(flow_px).all(-1)
    flow = np.where(known[..., None], flow_px, 0).astype(np.float64) / full_px
    length = np.hypot(flow[..., 0], flow[..., 1])[..., None]
    colours = wheel()
    position = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1 * len(colours)
    first = position.astype(int) % len(colours)
    share = (position - np.floor(position))[..., None]
    colour = colours[first] * (1 - share) + colours[(first + 1) % len(colours)] * share
    colour = np.where(length <= 1, 1 - length * (1 - colour), DARKER * colour)
    return np.where(known[..., None], np.round(255 * colour), 128).astype(np.uint8)


def colour_wheel(size: int) -> np.ndarray:
    """The colour of every motion up to the full one at the rim, (size, size, 3) uint8 on white (Fig. 4)."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    flow = np.stack(np.meshgrid(axis, axis), -1)
    inside = np.hypot(flow[..., 0], flow[..., 1]) <= 1
    return np.where(inside[..., None], flow_colours(flow, 1.0), 255).astype(np.uint8)
