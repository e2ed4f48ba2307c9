"""Pictures as lightness and colour (CIE 1976 L*a*b*, white D65), and both in bins, which the halves predict.

Symbols: B batch, H, W; L lightness 0 to 100, a and b colour, about -100 to 100.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Linear RGB of sRGB to XYZ, divided by the white of D65 (IEC 61966-2-1).
_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)
LIGHTEST = 100.0
LIGHT_BINS = 100  # of one unit of L
COLOUR_STEP = 10.0  # of a and b
COLOUR_SIDE = 22  # bins along a and along b, from -110 to 110
COLOUR_BINS = COLOUR_SIDE**2


def rgb_to_lab(image: Tensor) -> Tensor:
    """sRGB from 0 to 1, (B, 3, H, W) -> L, a and b, (B, 3, H, W)."""
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    matrix = image.new_tensor(_TO_XYZ) / image.new_tensor(_WHITE)[:, None]
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    f = torch.where(xyz > 0.008856, xyz.clamp(min=1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def light_bins(lab: Tensor) -> Tensor:
    """Bin of the lightness of every place, (B, 3, H, W) -> (B, H, W) int64."""
    return (lab[:, 0] / LIGHTEST * LIGHT_BINS).long().clamp(0, LIGHT_BINS - 1)


def colour_bins(lab: Tensor) -> Tensor:
    """Bin of the colour of every place, row by row along a, (B, 3, H, W) -> (B, H, W) int64."""
    side = (lab[:, 1:] / COLOUR_STEP + COLOUR_SIDE / 2).floor().long().clamp(0, COLOUR_SIDE - 1)
    return side[:, 0] * COLOUR_SIDE + side[:, 1]
