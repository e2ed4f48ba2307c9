"""DRML: a region layer of 8 x 8 patches, each with filters of its own, in a small network for all action units.

Zhao, Chu & Zhang, "Deep Region and Multi-label Learning for Facial Action Unit Detection", CVPR 2016: 11 x 11
convolution, region layer, pooling, four convolutions, two dense layers.
Deviations: the paper is not among the texts that this project follows word by word; layers are those that public
code and later papers give. Widths and the crop's size can be scaled.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import HasFeatures, Stage
from actionunits.models.drml import loss
from actionunits.models.drml.config import CELLS, FIRST_KERNEL, DrmlConfig
from actionunits.models.layers.resnet import ImageNormalize

# Kernel and stride of the convolutions behind the region layer.
CONVOLUTIONS = ((8, 1), (8, 1), (6, 2), (5, 1))


class RegionLayer(nn.Module):
    """Every one of the 8 x 8 patches of a map (B, C, H, W), plus what its own norm and 3 x 3 filters make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        patches = CELLS * CELLS
        self.norm = nn.BatchNorm2d(patches * channels)
        self.filters = nn.Conv2d(patches * channels, patches * channels, 3, 1, 1, groups=patches)

    def forward(self, x: Tensor) -> Tensor:
        patches = to_patches(x)
        return F.relu(from_patches(patches + self.filters(F.relu(self.norm(patches)))))


def to_patches(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 64 C, H / 8, W / 8): the patches' channels one after the other, row by row."""
    rows, channels, height, width = x.shape
    cut = x.view(rows, channels, CELLS, height // CELLS, CELLS, width // CELLS)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(rows, CELLS * CELLS * channels, height // CELLS, width // CELLS)


def from_patches(patches: Tensor) -> Tensor:
    """The way back of `to_patches`."""
    rows, channels, height, width = patches.shape
    cut = patches.reshape(rows, CELLS, CELLS, channels // CELLS**2, height, width)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(rows, channels // CELLS**2, CELLS * height, CELLS * width)


class Drml(nn.Module, HasFeatures):
    """Presence of every AU; no intensity."""

    au_outputs: ClassVar[dict[str, int]] = {"head.": 1}

    def __init__(self, config: DrmlConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        half = max(1, config.width // 2)
        self.normalize = ImageNormalize()
        self.conv1 = nn.Conv2d(3, config.width, FIRST_KERNEL)
        self.region = RegionLayer(config.width)
        side, channels = (config.image_size - FIRST_KERNEL + 1) // 2, config.width
        convolutions: list[nn.Module] = []
        for kernel, stride in CONVOLUTIONS:
            # Small crops, which the paper does not have, are padded where its kernels would leave nothing.
            pad = 0 if config.image_size >= 170 else kernel // 2
            convolutions += [nn.Conv2d(channels, half, kernel, stride, pad), nn.ReLU()]
            side, channels = (side + 2 * pad - kernel) // stride + 1, half
        self.convolutions = nn.Sequential(*convolutions)
        first, second = config.dense_units
        self.dense = nn.Sequential(
            nn.Linear(half * side**2, first),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(second, len(aus))

    def features(self, batch: Batch) -> Tensor:
        """What the output layer reads, (B, D)."""
        x = F.relu(self.conv1(self.normalize(batch.image)))
        x = F.max_pool2d(self.region(x), 2)
        return self.dense(self.convolutions(x).flatten(1))

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A)."""
        return Output(self.head(self.features(batch)).float())

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the known labels."""
        if batch.au_present is None or batch.au_present_valid is None:
            raise ValueError("the batch carries no occurrence labels")
        return {"occurrence": loss.multilabel_loss(output.au_logit, batch.au_present, batch.au_present_valid)}

    def stages(self) -> list[Stage]:
        """Everything at once."""
        return [Stage.of(self.config, name="drml", parameters=("",))]
