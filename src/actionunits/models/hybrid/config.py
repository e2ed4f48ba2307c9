"""Settings of the hybrid network; a default is the paper's value where the paper has one."""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError
from actionunits.models.hybrid.cnn import fc6_cells

VARIANTS = ("anet", "lstm", "hybrid")  # each builds on the one before


@dataclass(frozen=True)
class HybridConfig:
    """One model and its training recipe."""

    variant: str = "hybrid"  # "anet" | "lstm" | "hybrid": where the recipe ends; Sec. III-A, III-B, III-C
    image_size: int = 176  # pixels; Sec. IV-B

    # The CNN, Sec. III-A. Its figure is lost: layers are AlexNet's.
    width: int = 96  # channels of conv1
    stride: int = 4  # of conv1, pixels
    fc_units: int = 4096  # of fc6 and of fc7; Sec. III-A
    dropout: float = 0.5  # of fc6 and fc7
    optimizer: str = "sgd"  # Sec. IV-B
    lr: float = 1e-3  # Sec. IV-B
    momentum: float = 0.9  # Sec. IV-B, of RMSProp too
    weight_decay: float = 5e-4  # Sec. IV-B
    batch_size: int = 196  # Sec. IV-B
    epochs: int = 10  # Sec. IV-B: about 10 passes
    schedule: str = "plateau"  # Sec. IV-B: lowered by hand when the validation loss stopped falling
    warmup_steps: int = 0

    # The LSTMs, Sec. III-B.
    components: int = 1024  # of fc7 at most
    energy: float = 0.98  # of fc7 that components keep
    lstm_layers: int = 3
    lstm_units: int = 256  # memory cells of each layer
    lstm_dropout: float = 0.5  # of the input and of the hidden layers
    margin: float = 0.5  # lambda of Eq. (4)
    initial_range: float = 0.08  # weights start uniform within +- this; Sec. IV-B
    lstm_optimizer: str = "rmsprop"  # Sec. IV-B
    lstm_lr: float = 1e-3  # Sec. IV-B
    rmsprop_decay: float = 0.97  # Sec. IV-B
    lstm_epochs: int = 10
    lstm_schedule: str = "constant"
    sequences_per_clip: int = 10  # random ones, in every epoch; Sec. IV-B
    sequence_frames: int = 1300  # Sec. IV-B
    context_frames: int = 10  # the first of each sequence, which no loss sees; Sec. IV-B
    least_active: float = 1.5  # active AUs per frame of a training sequence; Sec. IV-B
    sequences_per_step: int = 10

    # The fusion, Sec. III-C.
    fusion_units: int = 64
    fusion_epochs: int = 5
    fusion_lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(VARIANTS)}")
        sizes = ("width", "stride", "fc_units", "components", "lstm_layers", "lstm_units", "fusion_units")
        for name in (*sizes, "sequences_per_clip", "sequence_frames", "sequences_per_step"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if fc6_cells(self.image_size, self.stride) < 1:
            raise UserError(
                f"of {self.image_size} pixels the convolutions leave nothing at stride {self.stride}; "
                "use a larger image_size or a smaller stride"
            )
        for name in ("dropout", "lstm_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name):g}; it must be 0 or more and below 1")
        if not 0 < self.energy <= 1 or not 0 < self.margin <= 1:
            raise UserError("energy and margin must be above 0 and at most 1")
        if not 0 <= self.context_frames < self.sequence_frames:
            raise UserError(
                f"context_frames is {self.context_frames} and sequence_frames {self.sequence_frames}: "
                "no frame would count in the loss"
            )
