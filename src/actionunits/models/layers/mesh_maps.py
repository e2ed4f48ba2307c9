"""What a model reads off the maps of MediaPipe's mesh network: features of a face, or the part under its crop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.layers.mesh_body import CHANNELS, CROP_PX, PICTURE_PX, WIDTHS

GIVEN = (96, 128, 128)  # channels that each step hands on
OUTLIERS = 6.0  # standard deviations of a map's channel beyond which values are cut
BORDER = round(WIDTHS[0] * (1 - CROP_PX / PICTURE_PX) / 2)  # cells of the largest map on each side of the crop


class ScaledMaps(nn.ModuleList):
    """Maps of a face with zero mean and unit variance over the training batches, far outliers cut."""

    def __init__(self) -> None:
        super().__init__(nn.BatchNorm2d(channels, affine=False) for channels in CHANNELS)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [scale(given).clamp(-OUTLIERS, OUTLIERS) for scale, given in zip(self, maps, strict=True)]


def under_crop(scaled: Tensor, size: int) -> Tensor:
    """The part of a map (B, C, W, W) that lies under the crop, without the border around it: (B, C, size, size)."""
    fine = _resized(scaled, WIDTHS[0])  # a border has no whole number of cells in smaller ones
    return _resized(fine[..., BORDER:-BORDER, BORDER:-BORDER], size)


def _resized(maps: Tensor, size: int) -> Tensor:
    return maps if maps.shape[-1] == size else F.interpolate(maps, (size, size), mode="bilinear")


class MeshMaps(nn.Module):
    """Maps of a face, (B, C, W, W) each, to features (B, D)."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.scales = ScaledMaps()
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
        for step, scaled in zip(self.steps, self.scales(maps), strict=True):
            x = step(scaled if x is None else torch.cat([x, scaled], 1))
        assert x is not None
        return self.out(self.dropout(x).flatten(1))
