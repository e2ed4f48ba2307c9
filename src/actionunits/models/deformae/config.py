"""Settings of DeformAE. TCAE's paper (Sec. 4.2) gives size and code; of its own, ECCV 2018, see the README."""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError
from actionunits.models.config_contract import WeighsByRates
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
    LearningRate,
    NotNegative,
    Optimizer,
    Schedule,
    Share,
    ShareBelowOne,
    Units,
    Width,
)


@dataclass(frozen=True)
class DeformAeConfig(WeighsByRates):
    """One model and its training recipe."""

    image_size: ImageSize = 256  # pixels, a power of two; TCAE, Sec. 4.2
    width: Width = 32  # channels of the first convolution; all others are multiples
    texture_units: Units = 256  # of the code, for texture
    shape_units: Units = 256  # of the code, for deformation; both together are TCAE's 512, Sec. 4.2

    smoothness_weight: NotNegative = 1e-6  # of the summed differences between neighbouring steps of the deformation
    bias_weight: NotNegative = 0.01  # of what all deformations of a batch have in common

    optimizer: Optimizer = "adam"
    lr: LearningRate = 2e-4
    weight_decay: NotNegative = 0.0
    momentum: ShareBelowOne = 0.9  # of SGD, where that is chosen
    batch_size: Count = 64  # pairs of frames, both of which are learned from
    epochs: Count = 100
    schedule: Schedule = "plateau"
    patience: CountFromZero = 15  # validations without a better loss that end it
    warmup_steps: CountFromZero = 0

    probe_lr: LearningRate = 1e-2  # Adam, as for TCAE
    probe_epochs: CountFromZero = 5
    au_rates: tuple[Share, ...] = ()  # base rate of each AU in the labels; training fills it in

    def __post_init__(self) -> None:
        if self.image_size & (self.image_size - 1):
            raise UserError(f"image_size is {self.image_size}; it must be a power of two")
