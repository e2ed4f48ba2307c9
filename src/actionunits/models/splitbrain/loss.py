"""Cross-entropy of predicted bins. Symbols: z logit, q bin, B batch, Q bins, H, W."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def bins_loss(z: Tensor, q: Tensor) -> Tensor:
    """Mean over rows and places of -log softmax(z)_q, (B, Q, H, W) and (B, H, W)."""
    return F.cross_entropy(z, q)
