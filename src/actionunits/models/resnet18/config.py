"""Settings of the ResNet-18 detector; where RE-Net (Sec. 4.3) gives its baseline's value, that is the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.config_contract import LearnsFromTeacher, MagnifiesFaces, WeighsByRates
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
)


@dataclass(frozen=True)
class ResNet18Config(WeighsByRates, LearnsFromTeacher, MagnifiesFaces):
    """One model and its training recipe."""

    image_size: ImageSize = 112  # pixels; 224 is RE-Net's, 112 runs four times as fast
    # Channels after the first convolution; ResNet-18 has 64. 0: no ResNet, but the mesh network's layers alone.
    width: Annotated[int, Ge(0), Le(4096)] = 64
    dropout: ShareBelowOne = 0.0  # on the pooled features
    # The network sees the middle of the crop this much larger, in as many pixels.
    magnification: Annotated[float, Ge(1), Le(2)] = 1.0
    # Pixels of the middle that the network sees; image_size, unless it is given. With image_size / magnification
    # pixels the middle is seen as the crop holds it.
    middle_size: ImageSize | None = None
    # Features behind the layers of MediaPipe's mesh network, which begin with its weights; 0: without.
    mesh_features: CountFromZero = 0
    mesh_dropout: ShareBelowOne = 0.1  # of whole channels before these features
    sides: bool = False  # also the intensity of left and right

    intensity_weight: NotNegative = 1.0  # of the smooth L1 loss, beside 1 for the cross-entropy
    sides_weight: NotNegative = 0.5  # of the smooth L1 loss of both sides, where there is one
    ccc_weight: NotNegative = 0.0  # of the loss 1 - CCC per AU over the batch
    teacher_weight: NotNegative = 1.0  # of the losses against a teacher's outputs, where training has a teacher
    class_weighting: Literal["none", "inverse"] = "none"  # AUs weighed inversely to their base rate
    au_rates: tuple[Share, ...] = ()  # base rate of each AU in the training labels; training fills it in

    optimizer: Optimizer = "adam"  # RE-Net Sec. 4.3
    lr: LearningRate = 1e-4  # RE-Net Sec. 4.3
    batch_size: Count = 100  # RE-Net Sec. 4.3
    weight_decay: NotNegative = 0.0
    epochs: Count = 20
    patience: CountFromZero = 0  # validations without a better score that end training; RE-Net Sec. 4.3
    schedule: Schedule = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: CountFromZero = 0

    landmark_branch: bool = False  # also read the 478 mesh points, in a stage of its own
    landmark_blendshapes: bool = False  # it also reads MediaPipe's blendshape scores of the points
    landmark_width: Units = 256  # hidden units
    landmark_dropout: ShareBelowOne = 0.2
    landmark_weight: Share = 0.5  # share of the landmark branch in the mean of both branches
    landmark_intensity_weight: Share | None = None  # its share in the mean of intensities, where it is another one
    image_only: tuple[int, ...] = ()  # AUs that the landmarks have no share in: skin folds, and points hardly move
    landmark_lr: LearningRate = 1e-3
    landmark_weight_decay: NotNegative = 1e-4
    landmark_epochs: CountFromZero = 10

    def __post_init__(self) -> None:
        if not self.width and not self.mesh_features:
            raise UserError("with width 0 mesh_features must be above 0: the image branch has no other layers")
