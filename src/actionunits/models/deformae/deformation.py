"""From steps between neighbouring places to a deformation that folds nothing over, and its affine part.

Symbols: B batch, H, W.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def integrated(steps: Tensor) -> Tensor:
    """Where every pixel comes from, (B, 2, H, W) -> (B, H, W, 2), x and y, -1 to 1 spans the picture.

    steps: between neighbouring places along x and along y, above 0, in those of a picture that stays as it is. The
    places are their running sums, so that no pixel passes its neighbour.
    """
    height, width = steps.shape[-2:]
    # Pixel centres of a picture that stays lie at -1 + (2 k + 1) / n: half a step before the first one.
    x = (steps[:, 0].cumsum(2) - 0.5) * (2 / width) - 1
    y = (steps[:, 1].cumsum(1) - 0.5) * (2 / height) - 1
    return torch.stack([x, y], -1)


def turned(places: Tensor, affine: Tensor) -> Tensor:
    """Places (B, H, W, 2), moved by affine maps (B, 2, 3)."""
    return torch.einsum("bij,bhwj->bhwi", affine[:, :, :2], places) + affine[:, None, None, :, 2]


def sampled(texture: Tensor, places: Tensor) -> Tensor:
    """The texture (B, 3, H, W) at places (B, H, W, 2), bilinear; what points outside takes the border's pixel."""
    return F.grid_sample(texture, places.clamp(-1, 1), mode="bilinear", padding_mode="border", align_corners=False)


def still(like: Tensor) -> Tensor:
    """Places of a picture that stays as it is, (1, H, W, 2)."""
    height, width = like.shape[1:3]
    return integrated(torch.ones(1, 2, height, width, device=like.device, dtype=like.dtype))
