"""Settings of the hybrid network; a default is the paper's value where the paper has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.hybrid.cnn import fc6_cells
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    LearningRate,
    NotNegative,
    Optimizer,
    Schedule,
    ShareAboveZero,
    ShareBelowOne,
    Units,
    Width,
)

VARIANTS = ("anet", "lstm", "hybrid")  # each builds on the one before


@dataclass(frozen=True)
class HybridConfig:
    """One model and its training recipe."""

    variant: str = "hybrid"  # "anet" | "lstm" | "hybrid": where the recipe ends; Sec. III-A, III-B, III-C
    image_size: Annotated[int, Ge(1), Le(4096)] = 176  # pixels; Sec. IV-B

    # The CNN, Sec. III-A. Its figure is lost: layers are AlexNet's.
    width: Width = 96  # channels of conv1
    stride: Count = 4  # of conv1, pixels
    fc_units: Units = 4096  # of fc6 and of fc7; Sec. III-A
    dropout: ShareBelowOne = 0.5  # of fc6 and fc7
    optimizer: Optimizer = "sgd"  # Sec. IV-B
    lr: LearningRate = 1e-3  # Sec. IV-B
    momentum: ShareBelowOne = 0.9  # Sec. IV-B, of RMSProp too
    weight_decay: NotNegative = 5e-4  # Sec. IV-B
    batch_size: Count = 196  # Sec. IV-B
    epochs: Count = 10  # Sec. IV-B: about 10 passes
    schedule: Schedule = "plateau"  # Sec. IV-B: lowered by hand when the validation loss stopped falling
    warmup_steps: CountFromZero = 0

    # The LSTMs, Sec. III-B.
    components: Units = 1024  # of fc7 at most
    energy: ShareAboveZero = 0.98  # of fc7 that components keep
    lstm_layers: Annotated[int, Ge(1), Le(64)] = 3
    lstm_units: Units = 256  # memory cells of each layer
    lstm_dropout: ShareBelowOne = 0.5  # of the input and of the hidden layers
    margin: ShareAboveZero = 0.5  # lambda of Eq. (4)
    initial_range: NotNegative = 0.08  # weights start uniform within +- this; Sec. IV-B
    lstm_optimizer: Optimizer = "rmsprop"  # Sec. IV-B
    lstm_lr: LearningRate = 1e-3  # Sec. IV-B
    rmsprop_decay: ShareBelowOne = 0.97  # Sec. IV-B
    lstm_epochs: Count = 10
    lstm_schedule: Schedule = "constant"
    sequences_per_clip: Count = 10  # random ones, in every epoch; Sec. IV-B
    sequence_frames: Count = 1300  # Sec. IV-B
    context_frames: CountFromZero = 10  # the first of each sequence, which no loss sees; Sec. IV-B
    least_active: NotNegative = 1.5  # active AUs per frame of a training sequence; Sec. IV-B
    sequences_per_step: Count = 10

    # The fusion, Sec. III-C.
    fusion_units: Units = 64
    fusion_epochs: Count = 5
    fusion_lr: LearningRate = 1e-3

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(VARIANTS)}")
        if fc6_cells(self.image_size, self.stride) < 1:
            raise UserError(
                f"of {self.image_size} pixels the convolutions leave nothing at stride {self.stride}; "
                "use a larger image_size or a smaller stride"
            )
        if self.context_frames >= self.sequence_frames:
            raise UserError(
                f"context_frames is {self.context_frames} and sequence_frames {self.sequence_frames}: "
                "no frame would count in the loss"
            )
