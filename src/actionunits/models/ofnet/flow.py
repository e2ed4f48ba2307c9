"""OF-Net: an encoder and a decoder that estimate, from one image, the motion from it to the anchor (Sec. III-A).

The paper does not draw it. It follows the MotionNet of its reference [36], Zhu, Lan, Newsam & Hauptmann, "Hidden
two-stream convolutional networks for action recognition", ACCV 2018, with one image in place of eleven.
Deviations from MotionNet: a last step up to full resolution; a scale adds to the flow of the coarser one; maps of
MediaPipe's mesh network may join those of the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.layers.mesh_body import CHANNELS
from actionunits.models.layers.mesh_maps import ScaledMaps, under_crop
from actionunits.models.layers.resnet import ImageNormalize

LEAK = 0.1  # slope of the leaky ReLU below 0
ENCODER = (1, 2, 4, 8, 8, 16)  # channels of each pair of convolutions, in units of the width: 64 ... 1024
JOINED = 2  # first pair of convolutions whose maps mesh maps join; those of a 64-pixel crop have 16, 8 and 4 cells
FLOW_START = 0.1  # shrinks the first flow layers: a recipe starts near "no motion", where images already overlap


class OpticalFlowNet(nn.Module):
    """Image (B, 3, H, W) 0-1 to flow (B, 2, H, W) in pixels, right and down.

    mesh: with the image come the maps of a MeshBody, which join the encoder's.
    """

    def __init__(self, width: int, mesh: bool = False) -> None:
        super().__init__()
        channels = [unit * width for unit in ENCODER]
        self.normalize = ImageNormalize()
        self.encoder = nn.ModuleList(
            nn.Sequential(_conv(before, after, stride=1 if k == 0 else 2), _conv(after, after))
            for k, (before, after) in enumerate(zip([3, *channels], channels, strict=False))
        )
        self.coarsest = _flow_layer(channels[-1])
        steps = [8 * width, 4 * width, 2 * width, width, width // 2]
        skips = channels[-2::-1]
        self.decoder = nn.ModuleList(
            _Step(before, after, skip)
            for before, after, skip in zip([channels[-1], *steps], steps, skips, strict=False)
        )
        self.scales = ScaledMaps() if mesh else None
        if mesh:
            own = channels[JOINED:]
            self.joins = nn.ModuleList(_conv(k + given, k) for k, given in zip(own, CHANNELS, strict=False))

    def forward(self, image: Tensor, maps: Sequence[Tensor] = ()) -> Tensor:
        scaled = [] if self.scales is None else self.scales(maps)
        x, skips = self.normalize(image), []
        for number, pair in enumerate(self.encoder):
            x = pair(x)
            joined = number - JOINED
            if 0 <= joined < len(scaled):
                given = under_crop(scaled[joined], x.shape[-1]).to(x.dtype)
                x = self.joins[joined](torch.cat([x, given], 1))
            skips.append(x)
        flow = self.coarsest(skips.pop())
        for step in self.decoder:
            x, flow = step(x, flow, skips.pop())
        return flow


class _Step(nn.Module):
    """One scale of the decoder: twice the resolution, joined with the encoder's map, smoothed, and a finer flow."""

    def __init__(self, before: int, after: int, skip: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(before, after, 4, 2, 1)
        _start(self.up)
        self.smooth = nn.Conv2d(after + skip + 2, after, 3, padding=1)
        _start(self.smooth, gain=1.0)
        self.flow = _flow_layer(after)

    def forward(self, x: Tensor, flow: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        height, width = skip.shape[-2:]
        # Odd sizes come back one pixel too large.
        x = F.leaky_relu(self.up(x), LEAK)[..., :height, :width]
        flow = 2 * F.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
        x = self.smooth(torch.cat([x, skip, flow.to(x.dtype)], 1))
        return x, flow + self.flow(x)


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, stride, 1)
    _start(conv)
    return nn.Sequential(conv, nn.LeakyReLU(LEAK))


def _flow_layer(before: int) -> nn.Conv2d:
    layer = nn.Conv2d(before, 2, 3, padding=1)
    _start(layer, gain=FLOW_START)
    return layer


def _start(layer: nn.Conv2d | nn.ConvTranspose2d, gain: float | None = None) -> None:
    """Random weights that keep the size of what passes through; gain: that of a following leaky ReLU unless given."""
    inputs = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1] / (4 if layer.transposed else 1)
    gain = nn.init.calculate_gain("leaky_relu", LEAK) if gain is None else gain
    nn.init.normal_(layer.weight, std=gain / inputs**0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
