"""The cropping net: what each AU centre sees, learned apart from the others (Sec. III-C, Eq. 2).

Cropping, upscaling and the lining up of what lies under a kernel are one indexing of the feature map, and the layers
of all crops are one batched matrix product each.

Symbols: K crops, P places of a kernel in an upscaled crop, U units.
Deviations: areas that would leave the feature map move to its border; crops have 3x3 cells at any size of the map.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LRN_K, LRN_ALPHA = 2.0, 0.002  # Sec. III-C
CROP = 3  # cells along each side
KERNEL = 3


def local_response_norm(x: Tensor) -> Tensor:
    """x / (2 + 0.002 S)^0.75, S the sum of the squares of the 3x3 neighbours in the same channel; (B, C, H, W).

    There is nothing beyond the border. Eq. (2).
    """
    # Half precision cannot hold the squares of large features, the reason for this layer.
    x = x if x.dtype.itemsize >= 4 else x.float()
    d = F.avg_pool2d(x.square(), 3, 1, 1, divisor_override=1).mul_(LRN_ALPHA).add_(LRN_K)
    # Two square roots take a tenth of the time of a power.
    return x * (d * d.sqrt()).rsqrt()


def kernel_offsets(upscale: bool) -> Tensor:
    """Where the cells under a kernel lie, relative to the centre of their crop: (P, 9, 2) int64, row and column.

    A crop of 3x3 cells, upscaled to 6x6 by repetition, has 4x4 places for a kernel of 3x3, and one as it is.
    """
    factor = 2 if upscale else 1
    places = torch.arange(factor * CROP - KERNEL + 1)
    cell = (places[:, None] + torch.arange(KERNEL)) // factor - CROP // 2  # (place, tap)
    row = cell[:, None, :, None].expand(-1, len(places), -1, KERNEL)
    column = cell[None, :, None, :].expand(len(places), -1, KERNEL, -1)
    return torch.stack([row, column], -1).reshape(len(places) ** 2, KERNEL**2, 2)


def sample_cells(x: Tensor, centers: Tensor, offsets: Tensor) -> Tensor:
    """Cells of a feature map (B, C, H, W) at offsets from the cells of the centres: (K, B, P, Q, C).

    centers: (B, K, 2), 0-1 spans the map; offsets: (P, Q, 2) within -1 to 1, row and column.
    """
    height, width = x.shape[2:]
    column = (centers[..., 0] * width).floor().long().clamp(1, width - 2)
    row = (centers[..., 1] * height).floor().long().clamp(1, height - 2)
    picture = torch.arange(len(x), device=x.device)[:, None] * height
    first = ((picture + row) * width + column).T  # (K, B)
    index = first[:, :, None, None] + offsets[..., 0] * width + offsets[..., 1]
    cells = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    return cells.index_select(0, index.flatten()).view(*index.shape, x.shape[1])


class CroppingNet(nn.Module):
    """Normalisation, crops, and a convolution and a dense layer for each of them: to features (B, K units)."""

    offsets: Tensor

    def __init__(self, channels: int, crops: int, units: int, upscale: bool) -> None:
        super().__init__()
        self.register_buffer("offsets", kernel_offsets(upscale), persistent=False)
        places, taps = self.offsets.shape[:2]
        self.outputs = crops * units
        self.conv_weight = nn.Parameter(torch.empty(crops, taps * channels, channels))
        self.conv_bias = nn.Parameter(torch.zeros(crops * channels))
        self.dense_weight = nn.Parameter(torch.empty(crops, places * channels, units))
        self.dense_bias = nn.Parameter(torch.zeros(crops * units))
        for weight in (self.conv_weight, self.dense_weight):
            nn.init.normal_(weight, std=math.sqrt(2 / weight.shape[1]))  # He et al., for layers before ReLU

    def forward(self, x: Tensor, centers: Tensor) -> Tensor:
        """x: group 4's enhanced map (B, C, H, W); centers: (B, K, 2), 0-1 spans the crop of the face."""
        crops, places = len(self.conv_weight), len(self.offsets)
        under_kernel = sample_cells(local_response_norm(x), centers, self.offsets).reshape(crops, len(x) * places, -1)
        conv = torch.baddbmm(self.conv_bias.view(crops, 1, -1), under_kernel, self.conv_weight).relu_()
        conv = conv.view(crops, len(x), -1)
        dense = torch.baddbmm(self.dense_bias.view(crops, 1, -1), conv, self.dense_weight).relu_()
        return dense.transpose(0, 1).flatten(1)
