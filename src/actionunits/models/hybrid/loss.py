"""Losses of the hybrid network: multi-label cross-entropy (Sec. III-A) and maximal margin (Eq. 4).

Deviations: the gradient that is printed below Eq. (4) belongs to a margin of 1; the equation is followed. change_loss
is ours.

Symbols: z logit, p probability, s score in [-1, 1], y presence (0 or 1; the paper's -1 or 1), v valid (the paper's y
is 0 where it is False), m margin, B batch, A AUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(z: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Mean over rows of -1/A sum over known labels of y log p + (1 - y) log(1 - p), p = s(z). Sec. III-A.

    z, y, v: (B, A), s the logistic function. A is the number of all AUs, known or not.
    """
    label = torch.where(v, y, 0).to(z.dtype)
    loss = F.binary_cross_entropy_with_logits(z, label, reduction="none")
    return torch.where(v, loss, 0).sum() / z.numel()


def margin_loss(s: Tensor, y: Tensor, v: Tensor, m: float) -> Tensor:
    """Mean over rows with a known label of the mean over known labels of max(0, m - t s), t = 2 y - 1. Eq. (4).

    s, y, v: (B, A). 0 where nothing is known.
    """
    sign = torch.where(v & (y > 0.5), 1.0, -1.0).to(s.dtype)
    loss = torch.where(v, (m - sign * s).clamp(min=0), 0)
    per_row = loss.sum(1) / v.sum(1).clamp(min=1)
    return per_row.sum() / v.any(1).sum().clamp(min=1)


def change_loss(z: Tensor, y: Tensor, v: Tensor, sequence: Tensor) -> Tensor:
    """Mean of |p' - p - (y' - y)|, p = s(z), over frames whose label and that of the one before (no prime) are known.

    z, y, v: (B, A), sequence by sequence in time order; sequence: (B,), whose row each is. 0 where nothing is known.
    """
    both = (v[1:] & v[:-1]) & (sequence[1:] == sequence[:-1])[:, None]
    change = torch.sigmoid(z).diff(dim=0) - torch.where(v, y, 0).to(z.dtype).diff(dim=0)
    return torch.where(both, change.abs(), 0).sum() / both.sum().clamp(min=1)
