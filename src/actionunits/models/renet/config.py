"""Settings of RE-Net; a default is the paper's value where it names one (Sec. 3.4, 4.3, 4.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.config_contract import HasSettingsPerAu, MagnifiesFaces, RelatesByLabels
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
    LearningRate,
    NotNegative,
    Optimizer,
    Positive,
    Schedule,
    ShareAboveZero,
    ShareBelowOne,
    Width,
)

CHOICES = {
    "variant": ("fixed", "learnable", "unrelated", "plain"),
    "relation_sum": ("signed", "absolute"),
    "aus_per_step": ("one", "all"),
    "tasks": ("both", "occurrence", "intensity"),
    "head": ("own", "shared"),
}


@dataclass(frozen=True)
class ReNetConfig(RelatesByLabels, HasSettingsPerAu, MagnifiesFaces):
    """One model and its training recipe."""

    image_size: ImageSize = 224  # pixels; Sec. 4.3
    width: Width = 64  # channels after the first convolution; Sec. 4.3: ResNet-18
    # The network sees the middle of the crop this much larger, in `middle_size` pixels or as many as the crop has.
    magnification: Annotated[float, Ge(1), Le(2)] = 1.0
    middle_size: ImageSize | None = None
    tasks: str = "both"  # "both" | "occurrence" | "intensity"; the paper trains one model for each
    intensity_weight: NotNegative = 1.0  # of the intensity loss, beside 1 for occurrence

    head: str = "own"  # last layer with a row per AU, so that scale 1 and bias 0 are ResNet-18, Sec. 4.6 | "shared"

    # "fixed": relations from the labels, Sec. 3.3 | "learnable": Table 7 | "unrelated": Eq. (3) without the graph |
    # "plain": scales and biases stay as they start, at 1 and 0 or a ResNet-18's; the vanilla ResNet-18 of Sec. 4.6
    variant: str = "fixed"
    relation_sum: str = "signed"  # what Eq. (5) divides by: "signed" as printed | "absolute": sum of |w|
    relations: tuple[float, ...] = ()  # w of every pair, row by row; training fills it in from its labels
    unseen_aus: tuple[int, ...] = ()  # known by their relations alone, never trained; Table 6
    aus_per_step: str = "one"  # "one" AU at random for every batch | "all"; Sec. 4.3
    all_aus_share: ShareBelowOne = 0.0  # of the epochs, the last ones, that train all AUs in every batch
    norm_momentum: ShareAboveZero = 0.1  # share of a batch in the running statistics; PyTorch's, Sec. 4.3

    optimizer: Optimizer = "adam"  # Sec. 4.3
    lr: LearningRate = 1e-4  # Sec. 4.3
    batch_size: Count = 100  # Sec. 4.3
    norm_lr_factor: Positive = 1.0  # of the learning rate, for what the AUs own; above 1 they part ways sooner
    weight_decay: NotNegative = 0.0
    epochs: Count = 20  # the paper names none
    patience: CountFromZero = 0  # validations without a better score that end training; Sec. 4.3: early stopping
    schedule: Schedule = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: CountFromZero = 0

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise UserError(f"{name} is '{getattr(self, name)}'; it must be one of {', '.join(words)}")
        if self.variant != "fixed" and self.unseen_aus:
            raise UserError("an unseen AU is known by relations from labels; use variant=fixed with unseen_aus")

    def without_aus(self) -> ReNetConfig:
        """Without unseen AUs."""
        return replace(self, unseen_aus=())

    @property
    def relation_labels(self) -> str | None:
        """Which training labels the relations are of (Sec. 4.5): a field of Batch, or None where none are."""
        if self.variant != "fixed":
            return None
        return "au_intensity" if self.tasks == "intensity" else "au_present"
