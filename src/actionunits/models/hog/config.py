"""Settings of the HOG baseline; the features' defaults are those of Dalal & Triggs (CVPR 2005)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.settings.ranges import Count, LearningRate, NotNegative, Schedule


@dataclass(frozen=True)
class HogConfig:
    """Features, machine and training recipe."""

    image_size: Annotated[int, Ge(1), Le(4096)] = 112  # pixels
    cell: Count = 8  # width and height of a cell, pixels; Dalal & Triggs Sec. 6.4
    block: Count = 2  # width and height of a block, cells; Sec. 6.4
    orientations: Annotated[int, Ge(1), Le(360)] = 9  # bins over 180 degrees; Sec. 6.3

    weight_decay: NotNegative = 1e-2  # lambda: 1 / (C n) of a support vector machine trained on n frames

    lr: LearningRate = 3e-3
    batch_size: Count = 128
    epochs: Count = 10
    schedule: Schedule = "cosine"

    def __post_init__(self) -> None:
        if self.image_size < self.cell * self.block:
            raise UserError(
                f"image_size is {self.image_size}; one block of {self.block} x {self.block} cells needs "
                f"{self.cell * self.block} pixels"
            )
