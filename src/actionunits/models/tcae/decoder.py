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
    """Blocks that double the size: bilinear upsampling, 3x3 convolution, batch norm, ReLU; tanh at the end.

    cells: a power of two up to `image_size`, the picture's side at which it stops; the movement is then interpolated
    between the cells, whose outermost centres are those of the picture's outermost pixels.
    """

    def __init__(self, image_size: int, width: int, embedding: int, cells: int) -> None:
        super().__init__()
        self.image_size = image_size
        blocks = cells.bit_length() - 1
        # From the end, whatever the size: one, two and four times `width`, eight times before.
        outputs = [min(width * 2**k, 8 * width) for k in range(image_size.bit_length() - 2)][::-1]
        channels = [2 * embedding, *outputs[: blocks - 1]]
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

    def start(self, scale: float, with_difference: bool) -> None:
        """Scale the last convolution, and let the first one read the target's vector as the source's, negated.

        What the two faces have in common, their person and their light, then cancels, and the normalisation behind
        makes what differs as large as anything else.
        """
        self.last.weight.mul_(scale)
        assert self.last.bias is not None
        self.last.bias.mul_(scale)
        if with_difference:
            of_source, of_target = self.blocks[2].weight.chunk(2, 1)  # type: ignore[union-attr, operator]
            of_target.copy_(-of_source)

    def forward(self, source: Tensor, target: Tensor) -> Movement:
        """Movement that changes the source into the target, from their vectors (B, D)."""
        x = self.blocks(torch.cat([source, target], 1)[:, :, None, None])
        # In half precision a place of a picture would be known to a pixel or so.
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.last.weight, self.last.bias
            out = torch.tanh(F.conv2d(x.to(weight.dtype), weight, bias, padding=1))
            if out.shape[-1] < self.image_size:
                out = F.interpolate(out, (self.image_size,) * 2, mode="bilinear", align_corners=True)
        out = out.permute(0, 2, 3, 1)
        return Movement(out[..., :2], out[..., 2])
