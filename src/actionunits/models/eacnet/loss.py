"""Loss of EAC-Net: cross-entropy whose logarithms stay finite (Eq. 3); and one of intensity, where it is read.

Deviations: unknown labels have no part; the mean of an AU is over its known labels. The paper has no intensity.

Symbols: z logit, p probability, l label, x predicted and t true intensity, v valid, B batch, A AUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

OFFSET = 0.05


def occurrence_loss(z: Tensor, l: Tensor, v: Tensor) -> Tensor:  # noqa: E741
    """Sum over AUs of the mean of -[l log((p + 0.05) / 1.05) + (1 - l) log((1.05 - p) / 1.05)], p = s(z).

    z, l, v: (B, A), s the logistic function. 0 for an AU without a known label. Eq. (3).
    """
    label = torch.where(v, l, 0).to(z.dtype)
    p = torch.sigmoid(z)
    present = torch.log((p + OFFSET) / (1 + OFFSET))
    absent = torch.log((1 + OFFSET - p) / (1 + OFFSET))
    loss = -(label * present + (1 - label) * absent)
    return _sum_of_means(loss, v)


def intensity_loss(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """Sum over AUs of the mean of h(x - t), h(d) = d^2 / 2 for |d| < 1 and |d| - 1/2 else.

    x, t: (B, A), 0-5; v: (B, A). 0 for an AU without a known label.
    """
    target = torch.where(v, t, 0).to(x.dtype)
    return _sum_of_means(F.smooth_l1_loss(x, target, reduction="none"), v)


def _sum_of_means(loss: Tensor, v: Tensor) -> Tensor:
    """Sum over AUs of the mean over known labels; loss, v: (B, A)."""
    return (torch.where(v, loss, 0).sum(0) / v.sum(0).clamp(min=1)).sum()
