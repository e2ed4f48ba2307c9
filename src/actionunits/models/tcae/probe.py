"""The linear AU classifier on frozen features (Sec. 4.1).

"A batch-norm layer followed by a linear fully connected layer with no bias": the batch norm's scale is one with the
weights W of the linear layer, and its shift b reaches the outputs as W b, an intercept of every AU. These intercepts
are kept in place of the shift, which gives the same functions and a row to every AU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

START_STD = 0.01  # the problem is convex: any small start does


class Probe(nn.Module):
    """Features (B, D) to logits (B, A), (B, 0) without labels; while it learns, no gradient reaches the features."""

    def __init__(self, features: int, aus: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False)  # the weights scale as well
        self.weight = nn.Parameter(START_STD * torch.randn(aus, features))
        self.intercept = nn.Parameter(torch.zeros(aus))

    def forward(self, features: Tensor) -> Tensor:
        # Tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            # While it learns, the features stay; afterwards pictures can be asked what they do to an action unit.
            features = features.detach() if self.training else features
            return F.linear(self.norm(features.to(self.weight.dtype)), self.weight, self.intercept)
