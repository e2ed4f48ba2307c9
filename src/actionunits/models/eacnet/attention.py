"""Attention map around the AU centres, and the enhancing layer that applies it (Sec. III-B, Eq. 1).

Deviations: the paper multiplies the output of the group before, whose channels do not match; as in the released code,
the map multiplies the first feature map of the group itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 100  # cells along each side
REACH = 5  # cells from a centre to the border of its area of 11x11
SLOPE = 0.095  # Eq. (1)


def attention_map(centers: Tensor) -> Tensor:
    """Weight 1 - 0.095 d of every cell, d the Manhattan distance to the centre's cell; (B, K, 2) -> (B, 1, 100, 100).

    centers: 0-1 spans the crop. Cells beyond 5 cells from a centre along x or y have no part in it; where areas
    overlap, the largest weight counts, and outside of all it is 0. Eq. (1).
    """
    cell = (centers * GRID).floor().clamp(0, GRID - 1)
    distance = (torch.arange(GRID, device=centers.device) - cell[..., None]).abs()  # (B, K, 2, 100)
    weight = torch.where(distance <= REACH, -SLOPE * distance, -torch.inf)
    # The weight of a cell is the sum of what its column and its row give.
    total = 1 + weight[:, :, 0, None, :] + weight[:, :, 1, :, None]
    return total.amax(1, keepdim=True).clamp(min=0)


def enhance(first: Tensor, last: Tensor, attention: Tensor) -> Tensor:
    """Enhanced map of a group: last + A * first, A the attention map averaged to its size; (B, C, H, W).

    first, last: the group's first and last feature map before pooling. Sec. III-B.
    """
    pooled = F.adaptive_avg_pool2d(attention, (first.shape[2], first.shape[3]))
    return torch.addcmul(last, first, pooled.to(first.dtype))
