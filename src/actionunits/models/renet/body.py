"""The convolutions of ResNet-18, which all action units share; normalisations come from outside.

He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016. Names follow torchvision.
Deviations: none; the width can be scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.layers.shortcut import ShortcutConv2d


class Normalisation(Protocol):
    """What the body needs of per-AU normalisations."""

    def stem(self, x: Tensor) -> Tensor:
        """First normalisation, ReLU and max-pooling; rows of all AUs come out."""
        ...

    def __call__(self, number: int, x: Tensor) -> Tensor:
        """Normalisation `number`."""
        ...


def relu(x: Tensor) -> Tensor:
    """In place where no gradient is wanted: normalisations return views, on which autograd would copy everything."""
    return F.relu(x, inplace=not torch.is_grad_enabled())


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut (Fig. 5, left); `first` is the number of its first normalisation."""

    def __init__(self, channels_in: int, channels: int, stride: int, first: int) -> None:
        super().__init__()
        self.first = first
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.downsample: nn.Conv2d | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = ShortcutConv2d(channels_in, channels, stride)

    @property
    def norms(self) -> int:
        """How many normalisations it has."""
        return 2 + (self.downsample is not None)

    def forward(self, x: Tensor, norm: Normalisation) -> Tensor:
        shortcut = x if self.downsample is None else norm(self.first + 2, self.downsample(x))
        x = relu(norm(self.first, self.conv1(x)))
        x = norm(self.first + 1, self.conv2(x))
        return relu(x + shortcut if torch.is_grad_enabled() else x.add_(shortcut))


class ReNetBody(nn.Module):
    """Normalised image (B, 3, H, W) to pooled features of every AU that `norm` has, (R * B, 8 width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = 8 * width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.norm_channels = [width]
        blocks, channels_in = [], width
        for stage in range(4):
            for place in range(2):
                channels, stride = width << stage, 2 if stage and not place else 1
                block = Block(channels_in, channels, stride, len(self.norm_channels))
                self.norm_channels += [channels] * block.norms
                blocks.append(block)
                channels_in = channels
        self.blocks = nn.ModuleList(blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def torchvision_names(self, columns: Sequence[slice]) -> dict[str, nn.Conv2d | slice]:
        """Convolutions, and columns of the normalisations, by their names in torchvision."""
        names: dict[str, nn.Conv2d | slice] = {"conv1": self.conv1, "bn1": columns[0]}
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            place = f"layer{number // 2 + 1}.{number % 2}"
            names |= {f"{place}.conv1": block.conv1, f"{place}.bn1": columns[block.first]}
            names |= {f"{place}.conv2": block.conv2, f"{place}.bn2": columns[block.first + 1]}
            if block.downsample is not None:
                names |= {
                    f"{place}.downsample.0": block.downsample,
                    f"{place}.downsample.1": columns[block.first + 2],
                }
        return names

    def forward(self, image: Tensor, norm: Normalisation) -> Tensor:
        # Channels last from the start: normalisations would copy any other layout.
        x = norm.stem(self.conv1(image.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x, norm)
        return x.mean((2, 3))
