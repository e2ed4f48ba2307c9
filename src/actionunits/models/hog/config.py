"""Settings of the HOG baseline; the features' defaults are those of Dalal & Triggs (CVPR 2005)."""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError


@dataclass(frozen=True)
class HogConfig:
    """Features, machine and training recipe."""

    image_size: int = 112  # pixels
    cell: int = 8  # width and height of a cell, pixels; Dalal & Triggs Sec. 6.4
    block: int = 2  # width and height of a block, cells; Sec. 6.4
    orientations: int = 9  # bins over 180 degrees; Sec. 6.3

    weight_decay: float = 1e-2  # lambda: 1 / (C n) of a support vector machine trained on n frames

    lr: float = 3e-3
    batch_size: int = 128
    epochs: int = 10
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        if min(self.cell, self.block, self.orientations) < 1:
            raise UserError("cell, block and orientations must be at least 1")
        if self.image_size < self.cell * self.block:
            raise UserError(
                f"image_size is {self.image_size}; one block of {self.block} x {self.block} cells needs "
                f"{self.cell * self.block} pixels"
            )
        if self.weight_decay < 0:
            raise UserError(f"weight_decay is {self.weight_decay:g}; it must not be negative")
