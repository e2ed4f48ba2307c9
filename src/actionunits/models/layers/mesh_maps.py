"""What a model reads off the maps of MediaPipe's mesh network, from the largest down."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actionunits.models.layers.mesh_body import CHANNELS, WIDTHS

GIVEN = (96, 128, 128)  # channels that each step hands on
OUTLIERS = 6.0  # standard deviations of a map's channel beyond which values are cut


class MeshMaps(nn.Module):
    """Maps of a face, (B, C, W, W) each, to features (B, D)."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        # Zero mean and unit variance over the training batches.
        self.scales = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for channels in CHANNELS)
        before = (0, *GIVEN[:-1])
        last = len(CHANNELS) - 1
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(CHANNELS[k] + before[k], GIVEN[k], 3, 1 if k == last else 2, 1, bias=False),
                nn.BatchNorm2d(GIVEN[k]),
                nn.ReLU(),
            )
            for k in range(last + 1)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.out = nn.Sequential(nn.Linear(GIVEN[-1] * WIDTHS[-1] ** 2, features), nn.LayerNorm(features), nn.GELU())

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x: Tensor | None = None
        for scale, step, given in zip(self.scales, self.steps, maps, strict=True):
            scaled = scale(given).clamp(-OUTLIERS, OUTLIERS)
            x = step(scaled if x is None else torch.cat([x, scaled], 1))
        assert x is not None
        return self.out(self.dropout(x).flatten(1))
