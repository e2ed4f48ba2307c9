"""Multi-label cross-entropy of DRML. Symbols: z logit, y presence, v valid, B batch, A AUs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def multilabel_loss(z: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Mean over rows of the sum over AUs of -[y log s(z) + (1 - y) log(1 - s(z))], s the logistic function.

    z, y, v: (B, A). Unknown labels have no part.
    """
    target = torch.where(v, y, 0).to(z.dtype)
    loss = F.binary_cross_entropy_with_logits(z, target, reduction="none")
    return torch.where(v, loss, 0).sum() / len(z)
