"""Settings of FVGG, E-Net and EAC-Net; a default is the paper's value, or else the released code's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.config_contract import MagnifiesFaces
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
    LearningRate,
    NotNegative,
    Optimizer,
    Schedule,
    ShareBelowOne,
    Units,
    Width,
)

NETWORKS = ("fvgg", "enet", "eacnet")  # each starts from the one before


@dataclass(frozen=True)
class EacNetConfig(MagnifiesFaces):
    """One model and its training recipe."""

    variant: str = "eacnet"  # "fvgg" | "enet" | "eacnet": where the recipe ends; Sec. III
    image_size: ImageSize = 224  # pixels; Sec. IV-B
    width: Width = 64  # channels of the first group; Sec. III-A: VGG-19
    # The network sees the middle of the crop this much larger, in `middle_size` pixels or as many as the crop has.
    # With image_size / magnification pixels the middle is seen as the crop holds it.
    magnification: Annotated[float, Ge(1), Le(2)] = 1.0
    middle_size: ImageSize | None = None
    upscale: bool = True  # crops of 3x3 cells to 6x6 before their convolution; Sec. III-C
    crop_units: Units = 150  # of the dense layer of each crop; Sec. III-C
    dropout: ShareBelowOne = 0.5  # before both new dense layers; Sec. III-A, share from the released code
    intensity: bool = False  # also the intensity of every AU; the paper has occurrence alone
    intensity_weight: NotNegative = 1.0  # of its smooth L1 loss, beside 1 for Eq. (3)

    freeze: bool = True  # groups 1-3 of FVGG and 1-2 of E-Net keep their weights; Sec. III-A, III-B
    train_enet: bool = False  # groups that E-Net trained go on training below the crops; Sec. III-C: "pretrained"

    optimizer: Optimizer = "sgd"  # with Nesterov momentum: released code
    lr: LearningRate = 1e-4  # Sec. IV-B
    momentum: ShareBelowOne = 0.9  # Sec. IV-B
    batch_size: Count = 50  # released code
    weight_decay: NotNegative = 0.0
    epochs: Count = 5  # of each network; the paper names none
    schedule: Schedule = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: CountFromZero = 0

    def __post_init__(self) -> None:
        if self.variant not in NETWORKS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(NETWORKS)}")
