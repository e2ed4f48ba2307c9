"""SplitBrain: one half of an AlexNet predicts a picture's colours from its lightness, the other the reverse.

Zhang, Isola & Efros, "Split-Brain Autoencoders: Unsupervised Learning by Cross-Channel Prediction", CVPR 2017, as
TCAE (Sec. 4.2) compares itself with it: the third convolutions of both halves, made coarser, are the features.
Deviations: the paper is not among the texts that this project follows word by word; layers are those of its public
code, with batch norm behind each. Colour has 484 bins, of which some 170 lie beyond sRGB and never occur. Frames come
in pairs of one track, as TCAE's do, and both are learned from. Widths and the crop's size can be scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage, TransfersByProbe
from actionunits.models.layers.probe import Probe, probe_stage
from actionunits.models.splitbrain import lab, loss
from actionunits.models.splitbrain.config import SplitBrainConfig

COARSER = 3  # cells of the features' map along each side that become one


@dataclass(frozen=True)
class Split:
    """What the halves say of some pictures, and what is right."""

    colour_logit: Tensor  # (B, COLOUR_BINS, H, W), from lightness
    light_logit: Tensor  # (B, LIGHT_BINS, H, W), from colour
    colour: Tensor  # (B, H, W) bins
    light: Tensor


@dataclass(frozen=True)
class SplitBrainOutput(Output):
    """Logits of the probe for the image; what a batch with target frames teaches the halves."""

    split: Split | None = None


class Half(nn.Module):
    """Half of an AlexNet without its last pooling: some channels to bins of the others at every place."""

    def __init__(self, channels: int, bins: int, width: int, dense_units: int) -> None:
        super().__init__()
        middle, upper = width * 8 // 3, 4 * width  # AlexNet's 96, 256, 384, 384, 256
        self.maps = nn.Sequential(  # up to the third convolution
            *_convolution(channels, width, 11, stride=4),
            nn.MaxPool2d(3, 2),
            *_convolution(width, middle, 5, padding=2),
            nn.MaxPool2d(3, 2),
            *_convolution(middle, upper, 3, padding=1),
        )
        self.rest = nn.Sequential(
            *_convolution(upper, upper, 3, padding=1),
            *_convolution(upper, middle, 3, padding=1),
            nn.MaxPool2d(3, 1, 1),
            *_convolution(middle, dense_units, 6, padding=5, dilation=2),
            *_convolution(dense_units, dense_units, 1),
            nn.Conv2d(dense_units, bins, 1),
        )


def _convolution(
    channels: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> list[nn.Module]:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


class SplitBrain(nn.Module, TransfersByProbe):
    """Both halves, and the probe that reads them."""

    au_outputs: ClassVar[dict[str, int]] = {"probe.weight": 1, "probe.intercept": 1}

    def __init__(self, config: SplitBrainConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        self.from_light = Half(1, lab.COLOUR_BINS, config.width, config.dense_units)
        self.from_colour = Half(2, lab.LIGHT_BINS, config.width, config.dense_units)
        side = ((config.image_size - 11) // 4 + 1 - 3) // 2 + 1  # behind the first pooling
        cells = ((side - 3) // 2 + 1 + 2 * (COARSER // 2) - COARSER) // COARSER + 1
        self.probe = Probe(2 * 4 * config.width * cells**2, len(aus), config.au_rates)

    def features(self, batch: Batch) -> Tensor:
        """The third convolutions of both halves, (B, D)."""
        return self._pooled(self._maps(lab.rgb_to_lab(batch.image)))

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        """What the probe consists of: TCAE's way to labelled data, Sec. 4.1."""
        return self.probe.norm, self.probe.weight, self.probe.intercept

    def forward(self, batch: Batch) -> SplitBrainOutput:
        """Presence of every AU in the image; with target frames also what the halves say of both."""
        if batch.target is None:
            return SplitBrainOutput(self.probe(self.features(batch)))
        picture = lab.rgb_to_lab(torch.cat([batch.image, batch.target]))
        maps = self._maps(picture)
        light, colour = maps
        colour_logit, light_logit = self.from_light.rest(light).float(), self.from_colour.rest(colour).float()
        right = F.adaptive_avg_pool2d(picture, colour_logit.shape[-2:])
        split = Split(colour_logit, light_logit, lab.colour_bins(right), lab.light_bins(right))
        own = self._pooled((light[: len(batch.image)], colour[: len(batch.image)]))
        return SplitBrainOutput(self.probe(own), split=split)

    def _maps(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Third convolutions of the half that sees lightness and of the one that sees colour."""
        light, colour = picture[:, :1] / lab.LIGHTEST - 0.5, picture[:, 1:] / lab.LIGHTEST
        return self.from_light.maps(light), self.from_colour.maps(colour)

    def _pooled(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        return F.avg_pool2d(torch.cat(maps, 1), COARSER, COARSER, COARSER // 2).flatten(1)

    def losses(self, output: SplitBrainOutput, batch: Batch) -> dict[str, Tensor]:
        """Of a batch with target frames, what it teaches the halves; else what labels teach the probe."""
        split = output.split
        if split is not None:
            return {
                "colour": loss.bins_loss(split.colour_logit, split.colour),
                "light": loss.bins_loss(split.light_logit, split.light),
            }
        return self.probe.losses(output.au_logit, batch)

    def stages(self) -> list[Stage]:
        """Both halves; then, where labels tell of action units, the probe."""
        c = self.config
        halves = Stage.of(c, name="halves", parameters=("from_light.", "from_colour."), inputs=("image", "target"))
        if not self.aus:
            return [halves]
        return [halves, probe_stage(c)]
