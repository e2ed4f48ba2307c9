"""The cropping net: what each AU centre sees, learned apart from the others (Sec. III-C, Eq. 2).

All crops are one indexing of the feature map, and each layer of all of them is one batched matrix product.

Symbols: K crops.
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
    # The sum as nine times the mean: converters to graphs leave a divisor of one's own out.
    d = F.avg_pool2d(x.square(), 3, 1, 1).mul_(9 * LRN_ALPHA).add_(LRN_K)
    # Two square roots take a tenth of the time of a power.
    return x * (d * d.sqrt()).rsqrt()


def places_of_kernel() -> Tensor:
    """Which cell of a crop lies under which tap of a kernel at every place of the upscaled crop, (16, 81) of 0 and 1.

    A crop of 3x3 cells, upscaled to 6x6 by repetition, has 4x4 places for a kernel of 3x3. Columns: cell, then tap.
    """
    places = torch.arange(2 * CROP - KERNEL + 1)
    under = (places[:, None] + torch.arange(KERNEL)) // 2  # (place, tap) along one side
    side = F.one_hot(under, CROP).float()  # (place, tap, cell)
    return torch.einsum("puc,qvd->pqcduv", side, side).reshape(len(places) ** 2, CROP**2 * KERNEL**2)


def sample_cells(x: Tensor, centers: Tensor) -> Tensor:
    """Crops of 3x3 cells around the cells of the centres, from a feature map (B, C, H, W): (K, B, 9, C).

    centers: (B, K, 2), 0-1 spans the map.
    """
    rows, channels, height, width = x.shape
    column = (centers[..., 0] * width).floor().long().clamp(1, width - 2)
    row = (centers[..., 1] * height).floor().long().clamp(1, height - 2)
    picture = torch.arange(rows, device=x.device)[:, None] * height
    middle = ((picture + row) * width + column).T  # (K, B)
    reach = torch.arange(CROP, device=x.device) - CROP // 2
    index = middle[:, :, None] + (reach[:, None] * width + reach).flatten()
    cells = x.permute(0, 2, 3, 1).reshape(-1, channels)
    return cells.index_select(0, index.flatten()).view(*index.shape, channels)


class CroppingNet(nn.Module):
    """Normalisation, crops, and a convolution and a dense layer for each of them: to features (B, K units)."""

    places: Tensor | None

    def __init__(self, channels: int, crops: int, units: int, upscale: bool) -> None:
        super().__init__()
        self.register_buffer("places", places_of_kernel() if upscale else None, persistent=False)
        taps, places = KERNEL**2, 1 if self.places is None else len(self.places)
        self.outputs = crops * units
        # One after the other in the last axis: what each tap gives.
        self.conv_weight = nn.Parameter(torch.empty(crops, channels, taps * channels))
        self.conv_bias = nn.Parameter(torch.zeros(crops * channels))
        self.dense_weight = nn.Parameter(torch.empty(crops, places * channels, units))
        self.dense_bias = nn.Parameter(torch.zeros(crops * units))
        # He et al., for layers before ReLU.
        nn.init.normal_(self.conv_weight, std=math.sqrt(2 / (taps * channels)))
        nn.init.normal_(self.dense_weight, std=math.sqrt(2 / (places * channels)))

    def forward(self, x: Tensor, centers: Tensor) -> Tensor:
        """x: group 4's enhanced map (B, C, H, W); centers: (B, K, 2), 0-1 spans the crop of the face."""
        crops, (rows, channels) = len(self.conv_weight), x.shape[:2]
        cells = sample_cells(local_response_norm(x), centers)
        if self.places is None:
            under_kernel = cells.transpose(2, 3).reshape(crops, rows, -1)
            conv = torch.bmm(under_kernel, self.conv_weight.view(crops, -1, channels))[:, :, None]
        else:
            # Upscaling repeats cells: each is multiplied with each tap once, 81 products in place of 16 times 9.
            products = torch.bmm(cells.view(crops, -1, channels), self.conv_weight)
            conv = self.places.to(products.dtype) @ products.view(crops, rows, -1, channels)
        conv = (conv + self.conv_bias.view(crops, 1, 1, -1)).relu_().view(crops, rows, -1)
        dense = torch.baddbmm(self.dense_bias.view(crops, 1, -1), conv, self.dense_weight).relu_()
        return dense.transpose(0, 1).flatten(1)
