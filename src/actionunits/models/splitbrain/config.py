"""Settings of SplitBrain. TCAE's paper (Sec. 4.2) gives the features; of its own, CVPR 2017, see the README."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.models.config_contract import WeighsByRates
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
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
class SplitBrainConfig(WeighsByRates):
    """One model and its training recipe."""

    image_size: Annotated[int, Ge(35), Le(4096)] = 227  # pixels; AlexNet's
    width: Width = 48  # channels of the first convolution of each half; half of AlexNet's 96
    dense_units: Units = 2048  # of each half; half of AlexNet's 4096

    optimizer: Optimizer = "sgd"
    lr: LearningRate = 1e-2
    momentum: ShareBelowOne = 0.9
    weight_decay: NotNegative = 1e-4
    batch_size: Count = 64  # pairs of frames, both of which are learned from
    epochs: Count = 100
    schedule: Schedule = "plateau"
    patience: CountFromZero = 15  # validations without a better loss that end it
    warmup_steps: CountFromZero = 0

    probe_lr: LearningRate = 1e-2  # Adam, as for TCAE
    probe_epochs: CountFromZero = 5
    au_rates: tuple[Share, ...] = ()  # base rate of each AU in the labels; training fills it in
