"""VGG-19 body up to its first dense layer, with the parameter names of torchvision so that ImageNet weights load.

Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, net E.
Deviations: none; the width can be scaled.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

GROUP_DEPTHS = (2, 2, 4, 4, 4)  # convolutions before each pooling
GROUP_WIDTHS = (1, 2, 4, 8, 8)  # channels, in multiples of the first group's
POOLED = 7  # cells along each side before the first dense layer, 224 / 2**5


def start_before_relu(weight: Tensor, bias: Tensor) -> None:
    """Random weights of a layer before ReLU that keep the size of what passes through it.

    Without normalisation, nineteen layers that shrink it a little each leave nothing to learn from. He, Zhang, Ren &
    Sun, "Delving deep into rectifiers", ICCV 2015.
    """
    nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(bias)


def _convolution(channels_in: int, channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels_in, channels, 3, 1, 1)
    assert layer.bias is not None
    start_before_relu(layer.weight, layer.bias)
    return layer


class Vgg19Body(nn.Module):
    """VGG-19 without its last two layers: normalised image (B, 3, H, W) to features of fc6 (B, 64 width)."""

    title: ClassVar[str] = "VGG-19"

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.channels = tuple(times * width for times in GROUP_WIDTHS)
        self.outputs = 64 * width
        self.convolutions: list[list[int]] = []  # positions in `features`, by group
        layers: list[nn.Module] = []
        channels_in = 3
        for channels, depth in zip(self.channels, GROUP_DEPTHS, strict=True):
            positions = []
            for _ in range(depth):
                positions.append(len(layers))
                layers += [_convolution(channels_in, channels), nn.ReLU(inplace=True)]
                channels_in = channels
            self.convolutions.append(positions)
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(POOLED)
        dense = nn.Linear(channels_in * POOLED**2, self.outputs)
        start_before_relu(dense.weight, dense.bias)
        self.classifier = nn.Sequential(dense)

    def group_parameters(self, *groups: int) -> tuple[str, ...]:
        """Prefixes of the parameter names of groups, counted from 1."""
        return tuple(f"features.{position}." for group in groups for position in self.convolutions[group - 1])

    def group(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """First and last feature map of group `number` (from 1), after ReLU and before pooling."""
        first: Tensor | None = None
        for position in self.convolutions[number - 1]:
            x = self.features[position](x).relu_()
            first = x if first is None else first
        assert first is not None
        return first, x

    def groups(self, numbers: range, x: Tensor) -> Tensor:
        """Groups one after the other, each with its pooling."""
        for number in numbers:
            x = F.max_pool2d(self.group(number, x)[1], 2, 2)
        return x

    def dense(self, x: Tensor) -> Tensor:
        """The fifth group's pooled map (B, 8 width, h, w) to features (B, 64 width)."""
        return F.relu(self.classifier(self.avgpool(x).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.groups(range(1, 6), x))
