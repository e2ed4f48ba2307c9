"""DeformAE: a code of the face makes a texture in a common frame and a deformation, which together give the face.

Shu, Sahasrabudhe, Guler, Samaras, Paragios & Kokkinos, "Deforming Autoencoders: Unsupervised Disentangling of Shape
and Appearance", ECCV 2018, as TCAE (Sec. 4.2) compares itself with it: pictures of 256 pixels, a code of 512.
Deviations: the paper is not among the texts that this project follows word by word; layers and losses are those of
its public code as far as they are known. Frames come in pairs of one track, as TCAE's do, and both are learned from.
Widths and the crop's size can be scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage, TransfersByProbe
from actionunits.models.deformae import loss
from actionunits.models.deformae.config import DeformAeConfig
from actionunits.models.deformae.deformation import integrated, sampled, still, turned
from actionunits.models.layers.probe import Probe, probe_stage

SMALLEST_STEP = 0.05  # of the deformation, in steps of a picture that stays


@dataclass(frozen=True)
class Parts:
    """What is made of some pictures."""

    texture: Tensor  # (B, 3, H, W)
    steps: Tensor  # (B, 2, H, W) of the deformation
    places: Tensor  # (B, H, W, 2), without the affine part
    affine: Tensor  # (B, 2, 3)
    generated: Tensor  # (B, 3, H, W)


@dataclass(frozen=True)
class DeformAeOutput(Output):
    """Logits of the probe for the image; what a batch with target frames is taken apart into."""

    parts: Parts | None = None


class DeformAe(nn.Module, TransfersByProbe):
    """Encoder, decoders of texture and of deformation, and the probe that reads the code."""

    au_outputs: ClassVar[dict[str, int]] = {"probe.weight": 1, "probe.intercept": 1}

    def __init__(self, config: DeformAeConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        c = config
        code = c.texture_units + c.shape_units
        self.encoder = encoder(c.image_size, c.width, code)
        self.texture_decoder = decoder(c.image_size, c.width, c.texture_units, 3)
        self.step_decoder = decoder(c.image_size, c.width, c.shape_units, 2)
        self.affine = nn.Linear(c.shape_units, 6)
        with torch.no_grad():  # nothing moves at first
            self.affine.weight.mul_(0.01)
            self.affine.bias.zero_()
        self.probe = Probe(code, len(aus), c.au_rates)

    def features(self, batch: Batch) -> Tensor:
        """The codes, (B, D)."""
        return self.encoder(batch.image)

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        """What the probe consists of: TCAE's way to labelled data, Sec. 4.1."""
        return self.probe.norm, self.probe.weight, self.probe.intercept

    def forward(self, batch: Batch) -> DeformAeOutput:
        """Presence of every AU in the image; with target frames also what both are taken apart into."""
        if batch.target is None:
            return DeformAeOutput(self.probe(self.features(batch)))
        code = self.encoder(torch.cat([batch.image, batch.target]))
        return DeformAeOutput(self.probe(code[: len(batch.image)]), parts=self.parts(code))

    def parts(self, code: Tensor) -> Parts:
        """What codes (B, D) stand for."""
        of_texture, of_shape = code.split([self.config.texture_units, self.config.shape_units], 1)
        texture = torch.sigmoid(self.texture_decoder(of_texture[:, :, None, None]))
        steps = self.step_decoder(of_shape[:, :, None, None])
        # In half precision a place of a picture would be known to a pixel or so.
        with torch.autocast(code.device.type, enabled=False):
            texture, steps = texture.float(), SMALLEST_STEP + (2 - 2 * SMALLEST_STEP) * torch.sigmoid(steps.float())
            places = integrated(steps)
            identity = torch.eye(2, 3, device=code.device)
            affine = self.affine(of_shape.float()).view(-1, 2, 3) + identity
            return Parts(texture, steps, places, affine, sampled(texture, turned(places, affine)))

    def losses(self, output: DeformAeOutput, batch: Batch) -> dict[str, Tensor]:
        """Of a batch with target frames, what it teaches encoder and decoders; else what labels teach the probe."""
        c, parts = self.config, output.parts
        if parts is not None:
            assert batch.target is not None
            return {
                "reconstruction": loss.reconstruction_loss(parts.generated, torch.cat([batch.image, batch.target])),
                "smoothness": c.smoothness_weight * loss.smoothness_loss(parts.steps),
                "bias": c.bias_weight * loss.bias_loss(parts.affine, parts.places, still(parts.places)),
            }
        return self.probe.losses(output.au_logit, batch)

    def stages(self) -> list[Stage]:
        """Encoder and decoders; then, where labels tell of action units, the probe."""
        c = self.config
        parts = Stage.of(
            c,
            name="parts",
            parameters=("encoder.", "texture_decoder.", "step_decoder.", "affine."),
            inputs=("image", "target"),
        )
        if not self.aus:
            return [parts]
        return [parts, probe_stage(c)]


def encoder(image_size: int, width: int, code: int) -> nn.Sequential:
    """(B, 3, S, S), 0-1, to codes (B, D): 4x4 convolutions that halve the picture, down to one cell."""
    halvings = image_size.bit_length() - 1
    channels = [3, *(min(width * 2**k, 8 * width) for k in range(halvings - 1))]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], code, 4, 2, 1), nn.Flatten())


def decoder(image_size: int, width: int, code: int, outputs: int) -> nn.Sequential:
    """(B, D, 1, 1) to (B, outputs, S, S): transposed 4x4 convolutions that double the picture."""
    doublings = image_size.bit_length() - 1
    channels = [code, *(min(width * 2**k, 8 * width) for k in reversed(range(doublings - 1)))]
    layers: list[nn.Module] = []
    for inputs, wide in pairwise(channels):
        layers += [nn.ConvTranspose2d(inputs, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], outputs, 4, 2, 1))
