"""Settings of DRML; where its paper (CVPR 2016) gives a value, that is the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    LearningRate,
    NotNegative,
    Optimizer,
    Schedule,
    ShareBelowOne,
    Units,
    Width,
)

FIRST_KERNEL = 11  # pixels, of the first convolution
CELLS = 8  # of the region layer along each side


@dataclass(frozen=True)
class DrmlConfig:
    """One model and its training recipe."""

    image_size: Annotated[int, Ge(42), Le(4096)] = 170  # pixels; 160 of them leave the first convolution
    width: Width = 32  # channels of the first convolution and of the region layer; half of them behind
    dense_units: tuple[Units, Units] = (4096, 2048)
    dropout: ShareBelowOne = 0.5  # of both dense layers

    optimizer: Optimizer = "sgd"
    lr: LearningRate = 1e-3
    momentum: ShareBelowOne = 0.9
    weight_decay: NotNegative = 5e-3
    batch_size: Count = 64
    epochs: Count = 20
    schedule: Schedule = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: CountFromZero = 0

    def __post_init__(self) -> None:
        if (self.image_size - FIRST_KERNEL + 1) % CELLS:
            size = self.image_size - (self.image_size - FIRST_KERNEL + 1) % CELLS
            raise UserError(
                f"image_size is {self.image_size}: less {FIRST_KERNEL - 1} it must divide into {CELLS} patches; "
                f"use {size} or {size + CELLS}"
            )
