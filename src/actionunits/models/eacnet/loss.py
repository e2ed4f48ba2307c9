"""Loss of EAC-Net: cross-entropy whose logarithms stay finite (Eq. 3).

Deviation: unknown labels have no part; the mean of an AU is over its known labels.

Symbols: z logit, p probability, l label, v valid, B batch, A AUs.
"""

from __future__ import annotations

import torch
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
    return (torch.where(v, loss, 0).sum(0) / v.sum(0).clamp(min=1)).sum()
