"""Objective of linear support vector machines, one per action unit.

Symbols: f margin, y presence, v valid, w weights of one machine, B batch, A AUs.
"""

from __future__ import annotations

import torch
from torch import Tensor


def squared_hinge_loss(f: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Sum over AUs of the mean over known labels of max(0, 1 - s f)^2, s = 1 where present and -1 where absent.

    f, y, v: (B, A). 0 for an AU without a known label.
    """
    sign = torch.where(v & (y > 0.5), 1.0, -1.0).to(f.dtype)
    loss = torch.where(v, (1 - sign * f).clamp(min=0).square(), 0)
    return (loss.sum(0) / v.sum(0).clamp(min=1)).sum()


def weight_penalty(w: Tensor) -> Tensor:
    """Sum over machines of |w|^2 / 2. w: (A, D)."""
    return w.square().sum() / 2
