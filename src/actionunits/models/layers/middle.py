"""The middle of a face crop, as networks see it that magnify faces, and points in it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def middle_of(image: Tensor, magnification: float, size: int | None = None) -> Tensor:
    """The middle 1 / magnification of crops (B, 3, H, W), which gives details more of the network's cells.

    It has `size` pixels, or those of the crop where there is none; a middle of that size is cut out as it is.
    """
    height, width = image.shape[-2:]
    top, left = (round((1 - 1 / magnification) * side / 2) for side in (height, width))
    middle = image[..., top : height - top, left : width - left]
    wanted = (height, width) if size is None else (size, size)
    if middle.shape[-2:] == wanted:
        return middle
    return F.interpolate(middle, wanted, mode="bilinear", align_corners=False)


def points_in_middle(points: Tensor, magnification: float) -> Tensor:
    """Points of a crop, 0 to 1 spans it, as the middle 1 / magnification has them; those outside leave 0 to 1."""
    return 0.5 + (points - 0.5) * magnification
