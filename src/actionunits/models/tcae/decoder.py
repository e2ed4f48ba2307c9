"""Decoder (Fig. 3 b): the vectors of two frames to the movement between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Movement:
    """Where every pixel comes from. Offsets are fractions of half the picture: -1 to 1 spans it."""

    displacement: Tensor  # T, (B, H, W, 2), x and y
    mask_logit: Tensor  # (B, H, W): how much this movement counts beside the other one


class Decoder(nn.Module):
    """Blocks that double the size: bilinear upsampling, 3x3 convolution, batch norm, ReLU; tanh at the end."""

    def __init__(self, image_size: int, width: int, embedding: int) -> None:
        super().__init__()
        blocks = image_size.bit_length() - 1
        # From the end, whatever the size: one, two and four times `width`, eight times before.
        outputs = [min(width * 2**k, 8 * width) for k in range(blocks - 1)][::-1]
        channels = [2 * embedding, *outputs]
        layers: list[nn.Module] = [nn.ReLU()]
        for k in range(blocks - 1):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(channels[k], channels[k + 1], 3, padding=1, bias=False),
                nn.BatchNorm2d(channels[k + 1]),
                nn.ReLU(),
            ]
        layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        self.blocks = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, source: Tensor, target: Tensor) -> Movement:
        """Movement that changes the source into the target, from their vectors (B, D)."""
        x = self.blocks(torch.cat([source, target], 1)[:, :, None, None])
        # In half precision a place of a picture would be known to a pixel or so.
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.last.weight, self.last.bias
            out = torch.tanh(F.conv2d(x.to(weight.dtype), weight, bias, padding=1)).permute(0, 2, 3, 1)
        return Movement(out[..., :2], out[..., 2])
