"""Fusion of what the CNN and the LSTMs say of a frame: two dense layers, the same for every frame (Sec. III-C).

Deviation: the paper does not say how many units the first layer has, nor what follows it; here a ReLU does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fusion(nn.Module):
    """Scores of both, (B, A) each, to the fused score of every AU."""

    def __init__(self, aus: int, units: int, unit_length: bool) -> None:
        """unit_length: whether the scores of a frame become a vector of length one, as the paper has it."""
        super().__init__()
        self.unit_length = unit_length
        # A row per score, those of the CNN first: rows are what a start from other AUs takes over.
        self.mixing = nn.Parameter(torch.empty(2 * aus, units))
        self.bias = nn.Parameter(torch.zeros(units))
        nn.init.kaiming_normal_(self.mixing, mode="fan_out", nonlinearity="relu")
        self.output = nn.Linear(units, aus)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        if self.unit_length:
            spatial, temporal = F.normalize(spatial, dim=1), F.normalize(temporal, dim=1)
        stacked = torch.cat([spatial, temporal], 1)
        return self.output(F.relu(stacked @ self.mixing + self.bias))
