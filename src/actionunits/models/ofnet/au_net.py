"""AU-Net: five convolutions that read action units off a flow (Sec. III-B).

Deviations: the paper draws no sizes; five blocks of 3x3 convolution, batch norm, ReLU and 2x2 max-pooling are ours.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

BLOCKS = (1, 2, 4, 8, 8)  # channels in units of the width: 64 ... 512


class AuNet(nn.Module):
    """Flow (B, 2, H, W) in pixels to one logit per AU."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        channels = [2, *(unit * width for unit in BLOCKS)]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                    nn.MaxPool2d(2),
                )
                for before, after in pairwise(channels)
            )
        )
        self.output = nn.Linear(channels[-1], outputs)

    def features(self, flow: Tensor) -> Tensor:
        """Means of the last block's maps, (B, 8 width)."""
        return self.blocks(flow).mean((2, 3))

    def forward(self, features: Tensor) -> Tensor:
        """Logits from `features`, (B, A)."""
        # The last layer is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            return self.output(features.to(self.output.weight.dtype))
