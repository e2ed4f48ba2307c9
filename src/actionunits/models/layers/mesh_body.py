"""The first layers of MediaPipe's mesh network, as a beginning for models: they have learned from real faces.

Network: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020; the weights are
those of the face finder's own file (`faces/models/NOTICE.md`). Its blocks are BlazeFace's: a depthwise convolution, a
pointwise one, the input added and a parametric ReLU.
Deviations: none; the maps equal those inside the network to 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.faces.network import MODELS

WEIGHTS = MODELS / "attention_mesh.onnx"
PICTURE_PX = 192  # width of the network's picture
CROP_PX = 146  # of it, the width of the registered crop in its middle: a face is then as large as the network has it
FIRST = 16  # channels of the first convolution
# Channels that each block gives; it halves the width where its number is in HALVING.
BLOCKS = (16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128)
HALVING = (2, 5, 8, 11)
READ_AFTER = (7, 10, 13)  # blocks whose maps are read: the last ones of their width
CHANNELS = tuple(BLOCKS[k] for k in READ_AFTER)
WIDTHS = (24, 12, 6)  # of the maps, cells


class _ParametricReLU(nn.Module):
    """max(0, x) + slope * min(0, x), a slope for each channel.

    It is written as convolutions of single channels, which ONNX Runtime computes in less than half of the time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        factor = (1 - self.slope)[:, None, None, None]
        below = torch.relu(F.conv2d(x, -torch.ones_like(factor), groups=len(factor)))
        return x + F.conv2d(below, factor, groups=len(factor))


class _Block(nn.Module):
    """Maps (B, C, H, W) to (B, C', H, W), or to half the height and width."""

    def __init__(self, given: int, channels: int, halving: bool) -> None:
        super().__init__()
        self.halving, self.added = halving, channels - given
        stride, border = (2, 0) if halving else (1, 1)
        self.depthwise = nn.Conv2d(given, given, 3, stride, border, groups=given)
        self.pointwise = nn.Conv2d(given, channels, 1)
        self.activation = _ParametricReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        kept = F.max_pool2d(x, 2) if self.halving else x
        if self.added:
            kept = F.pad(kept, (0, 0, 0, 0, 0, self.added))
        return self.activation(kept + self.pointwise(self.depthwise(F.pad(x, (0, 1, 0, 1)) if self.halving else x)))


class MeshBody(nn.Module):
    """The layers, which begin with the weights that come with the package."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, FIRST, 3, 2)
        self.activation = _ParametricReLU(FIRST)
        given = (FIRST, *BLOCKS[:-1])
        self.blocks = nn.ModuleList(
            _Block(before, channels, k in HALVING)
            for k, (before, channels) in enumerate(zip(given, BLOCKS, strict=True))
        )
        if not self.activation.slope.is_meta:
            self.load_state_dict(dict(_named(_stored())))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps of a registered crop (B, 3, H, W), 0-1: (B, C, W, W) each, of CHANNELS and WIDTHS.

        Around the crop its border pixels are repeated, as the finder does around a picture.
        """
        if image.shape[-1] != CROP_PX:
            image = F.interpolate(image, (CROP_PX, CROP_PX), mode="bilinear", align_corners=False)
        border = (PICTURE_PX - CROP_PX) // 2
        # With the channels of a pixel side by side, torch computes convolutions of single channels faster.
        x = F.pad(image, (border,) * 4, mode="replicate").contiguous(memory_format=torch.channels_last)
        x = self.activation(self.first(F.pad(x, (0, 1, 0, 1))))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in READ_AFTER:
                maps.append(x)
        return maps


@cache
def _stored() -> tuple[tuple[Tensor, ...], ...]:
    """Weights of each convolution in the finder's file, in order: a tensor, or one and its bias."""
    # Only who trains has it; detection reads the layers from a graph.
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(WEIGHTS).graph
    constants = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()).float() for entry in graph.initializer
    }
    constants |= {node.output[0]: constants[node.input[0]] for node in graph.node if node.input[0] in constants}
    convolutions = (node for node in graph.node if node.op_type == "Conv")
    return tuple(tuple(constants[name] for name in node.input[1:]) for node in convolutions)


def _named(stored: tuple[tuple[Tensor, ...], ...]) -> Iterator[tuple[str, Tensor]]:
    """The same with the names of a MeshBody.

    The file's first layer reads 0-255. It writes a parametric ReLU as two channel-wise convolutions a and c,
    x + c relu(a x) with a = -1, and channels that are added as a convolution of their own.
    """
    remaining = iter(stored)

    def convolution(name: str) -> Iterator[tuple[str, Tensor]]:
        weight, bias = next(remaining)
        yield from ((f"{name}.weight", weight), (f"{name}.bias", bias))

    def activation(name: str) -> tuple[str, Tensor]:
        (sign,), (factor,) = next(remaining), next(remaining)
        return f"{name}.slope", (1 + sign * factor).flatten()

    weight, bias = next(remaining)
    yield from (("first.weight", 255 * weight), ("first.bias", bias))
    yield activation("activation")
    for number, channels in enumerate(BLOCKS):
        yield from convolution(f"blocks.{number}.depthwise")
        yield from convolution(f"blocks.{number}.pointwise")
        if channels != (FIRST, *BLOCKS)[number]:
            next(remaining)
        yield activation(f"blocks.{number}.activation")
