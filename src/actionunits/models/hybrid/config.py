"""Settings of the hybrid network; a default is the paper's value where the paper has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.config_contract import MagnifiesFaces
from actionunits.models.hybrid.cnn import fc6_cells
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
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
CHOICES = {
    "variant": VARIANTS,
    "component_scale": ("first", "each"),
    "lstm_reads": ("fc7", "fc7_and_scores", "each_score"),
    "lstm_says": ("scores", "corrections"),
    "lstm_loss": ("margin", "cross_entropy"),
    "join": ("person", "clip"),
    "fusion_scores": ("unit", "raw"),
}


@dataclass(frozen=True)
class HybridConfig(MagnifiesFaces):
    """One model and its training recipe."""

    variant: str = "hybrid"  # "anet" | "lstm" | "hybrid": where the recipe ends; Sec. III-A, III-B, III-C
    image_size: ImageSize = 176  # pixels; Sec. IV-B
    # The CNN sees the middle of the crop this much larger, in `middle_size` pixels or as many as the crop has.
    magnification: Annotated[float, Ge(1), Le(2)] = 1.0
    middle_size: ImageSize | None = None

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
    # Which components have unit variance: "first", where one factor multiplies all of them | "each"; ours
    component_scale: str = "first"
    # What the LSTMs read of a frame: "fc7", Sec. III-B | "fc7_and_scores", with the CNN's scores beside it |
    # "each_score", where one stack of LSTMs serves all AUs and follows the score of each apart; these two are ours
    lstm_reads: str = "fc7"
    # What they say: "scores", Sec. III-B | "corrections", which are added to the CNN's scores and start at zero; ours
    lstm_says: str = "scores"
    lstm_layers: Annotated[int, Ge(1), Le(64)] = 3
    lstm_units: Units = 256  # memory cells of each layer
    lstm_dropout: ShareBelowOne = 0.5  # of the input and of the hidden layers
    lstm_loss: str = "margin"  # Eq. (4) | "cross_entropy", as the CNN's
    change_weight: NotNegative = 0.0  # of changes between frames that the labels do not make, for LSTMs; ours
    margin: ShareAboveZero = 0.5  # lambda of Eq. (4)
    initial_range: NotNegative = 0.08  # weights start uniform within +- this; Sec. IV-B
    lstm_optimizer: Optimizer = "rmsprop"  # Sec. IV-B
    lstm_lr: LearningRate = 1e-3  # Sec. IV-B
    rmsprop_decay: ShareBelowOne = 0.97  # Sec. IV-B
    lstm_epochs: Count = 10
    lstm_schedule: Schedule = "constant"
    # One sequence is: "person", whose clips follow each other, since BP4D's have fewer than 1300 frames | "clip"
    join: str = "person"
    sequences_per_clip: Count = 10  # random ones of each sequence that is longer, in every epoch; Sec. IV-B
    sequence_frames: Count = 1300  # Sec. IV-B
    context_frames: CountFromZero = 10  # the first of each sequence, which no loss sees; Sec. IV-B
    least_active: NotNegative = 1.5  # active AUs per frame of a training sequence; Sec. IV-B
    sequences_per_step: Count = 10

    # The fusion, Sec. III-C.
    fusion_scores: str = "unit"  # of a frame: "unit" length, Sec. III-C | "raw": their overall level is kept
    # Share of the training people from whom the fusion alone learns, since scores of people that CNN and LSTMs have
    # seen are too good to be true; 0: all stages learn from everybody, as in the paper.
    fusion_people: ShareBelowOne = 0.2
    fusion_units: Units = 64
    fusion_epochs: Count = 5
    fusion_lr: LearningRate = 1e-3

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise UserError(f"{name} is '{getattr(self, name)}'; it must be one of {', '.join(words)}")
        if fc6_cells(self.seen_size, self.stride) < 1:
            raise UserError(
                f"of {self.seen_size} pixels the convolutions leave nothing at stride {self.stride}; "
                "use a larger image_size or a smaller stride"
            )
        if self.context_frames >= self.sequence_frames:
            raise UserError(
                f"context_frames is {self.context_frames} and sequence_frames {self.sequence_frames}: "
                "no frame would count in the loss"
            )

    @property
    def seen_size(self) -> int:
        """Width and height of what the CNN sees, pixels."""
        return self.middle_size or self.image_size
