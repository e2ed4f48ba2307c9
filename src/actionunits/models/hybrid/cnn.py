"""The multi-label CNN of eight layers, after AlexNet (Sec. III-A, Fig. 2b).

Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012.
Deviations: the figure with the paper's own changes to AlexNet is lost, so sizes are AlexNet's, as one tower and
without local response normalisation; layers before ReLU start as He et al. have it, because the standard deviation
0.01 of AlexNet's code leaves small networks without a gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.layers.resnet import ImageNormalize
from actionunits.models.layers.vgg import start_before_relu

CONV1_KERNEL = 11


def _pooled(cells: int) -> int:
    """Cells along each side after pooling 3x3 with stride 2; 0 where there are too few."""
    return (cells - 3) // 2 + 1 if cells >= 3 else 0


def fc6_cells(image_size: int, stride: int) -> int:
    """Cells along each side of what fc6 reads, 0 where the picture is too small.

    >>> fc6_cells(176, 4), fc6_cells(80, 2), fc6_cells(40, 4)
    (4, 3, 0)
    """
    if image_size < CONV1_KERNEL:
        return 0
    return _pooled(_pooled(_pooled((image_size - CONV1_KERNEL) // stride + 1)))


class Cnn(nn.Module):
    """Picture to fc7 and from there to the score of every AU. `width`: channels of conv1, AlexNet's are 96."""

    def __init__(self, image_size: int, width: int, stride: int, units: int, aus: int, dropout: float) -> None:
        super().__init__()
        middle, wide = round(width * 8 / 3), width * 4  # 256 and 384 of 96
        self.normalize = ImageNormalize()
        self.conv1 = nn.Conv2d(3, width, CONV1_KERNEL, stride)
        self.conv2 = nn.Conv2d(width, middle, 5, padding=2)
        self.conv3 = nn.Conv2d(middle, wide, 3, padding=1)
        self.conv4 = nn.Conv2d(wide, wide, 3, padding=1)
        self.conv5 = nn.Conv2d(wide, middle, 3, padding=1)
        self.fc6 = nn.Linear(middle * fc6_cells(image_size, stride) ** 2, units)
        self.fc7 = nn.Linear(units, units)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5, self.fc6, self.fc7):
            assert layer.bias is not None
            start_before_relu(layer.weight, layer.bias)
        self.fc8 = nn.Linear(units, aus)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: Tensor) -> Tensor:
        """fc7 after ReLU and dropout: (B, 3, H, W) -> (B, units)."""
        x = F.max_pool2d(F.relu(self.conv1(self.normalize(image))), 3, 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 3, 2)
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2)
        x = self.dropout(F.relu(self.fc6(x.flatten(1))))
        return self.dropout(F.relu(self.fc7(x)))

    def scores(self, fc7: Tensor) -> Tensor:
        """fc8: (B, units) -> (B, A)."""
        # The last layer is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(fc7.device.type, enabled=False):
            return self.fc8(fc7.to(self.fc8.weight.dtype))
