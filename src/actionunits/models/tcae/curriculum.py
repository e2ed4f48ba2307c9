"""Which pairs of a batch are learned from: neither the easiest nor the hardest (Sec. 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_weight(loss: Tensor, first: float, share: float) -> Tensor:
    """Weights of the pairs in the mean over those that count, (B,), from their losses (B,).

    Sorted by loss, ascending, the `share` of the batch from the fraction `first` on counts, at least one pair.

    >>> pair_weight(torch.tensor([3.0, 1.0, 4.0, 2.0]), 0.25, 0.5).tolist()
    [0.5, 0.0, 0.0, 0.5]
    """
    count = len(loss)
    start = min(round(first * count), count - 1)
    end = max(round((first + share) * count), start + 1)
    weight = torch.zeros_like(loss)
    weight[loss.detach().argsort()[start:end]] = 1 / (end - start)
    return weight
