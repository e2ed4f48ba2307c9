"""ResNet-18 body, with the parameter names of torchvision so that official ImageNet weights load.

He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016.
Deviations: none; the width can be scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.errors import UserError
from actionunits.models.layers.shortcut import ShortcutConv2d

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageNormalize(nn.Module):
    """RGB image 0-1, (B, 3, H, W), to the zero mean and unit variance of ImageNet."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (Fig. 5, left)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(ShortcutConv2d(channels_in, channels, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18Body(nn.Module):
    """ResNet-18 without its last layer: normalised image (B, 3, H, W) to pooled features (B, 8 width)."""

    title: ClassVar[str] = "ResNet-18"

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.features = 8 * width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._layer(width, width, 1)
        self.layer2 = self._layer(width, 2 * width, 2)
        self.layer3 = self._layer(2 * width, 4 * width, 2)
        self.layer4 = self._layer(4 * width, 8 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _layer(channels_in: int, channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels_in, channels, stride), BasicBlock(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)


def load_imagenet(body: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy ImageNet weights, named as in torchvision, into a body; layers that it leaves out are left out.

    Raises UserError where a weight is missing or has another shape.
    """
    own = body.state_dict()
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    given = {name: value for name, value in weights.items() if name in wanted}
    missing = sorted(wanted - given.keys())
    if missing:
        raise UserError(f"these are not weights of a {body.title}: {len(missing)} are missing, such as {missing[0]}")
    for name, value in given.items():
        if value.shape != own[name].shape:
            raise UserError(f"weight {name} has shape {tuple(value.shape)}, the model wants {tuple(own[name].shape)}")
    body.load_state_dict(given, strict=False)
