"""Settings of the ResNet-18 detector; where RE-Net (Sec. 4.1) gives its baseline's value, that is the default."""

from __future__ import annotations

from dataclasses import dataclass, replace

from actionunits.errors import UserError
from actionunits.models.contract import HasSettingsPerAu, LearnsFromTeacher, MagnifiesFaces, WeighsByRates


@dataclass(frozen=True)
class ResNet18Config(WeighsByRates, HasSettingsPerAu, LearnsFromTeacher, MagnifiesFaces):
    """One model and its training recipe."""

    image_size: int = 112  # pixels; 224 is RE-Net's, 112 runs four times as fast
    width: int = 64  # channels after the first convolution; ResNet-18 has 64
    dropout: float = 0.0  # on the pooled features
    magnification: float = 1.0  # the network sees the middle of the crop this much larger, in as many pixels

    intensity_weight: float = 1.0  # of the smooth L1 loss, beside 1 for the cross-entropy
    ccc_weight: float = 0.0  # of the loss 1 - CCC per AU over the batch
    teacher_weight: float = 1.0  # of the losses against a teacher's outputs, where training has a teacher
    class_weighting: str = "none"  # "none" | "inverse": AUs weighed inversely to their base rate
    au_rates: tuple[float, ...] = ()  # base rate of each AU in the training labels; training fills it in

    optimizer: str = "adam"  # RE-Net Sec. 4.1
    lr: float = 1e-4  # RE-Net Sec. 4.1
    batch_size: int = 100  # RE-Net Sec. 4.1
    weight_decay: float = 0.0
    epochs: int = 20
    schedule: str = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: int = 0

    landmark_branch: bool = False  # also read the 478 mesh points, in a stage of its own
    landmark_width: int = 256  # hidden units
    landmark_dropout: float = 0.2
    landmark_weight: float = 0.5  # share of the landmark branch in the mean of both branches
    landmark_intensity_weight: float | None = None  # its share in the mean of intensities, where it is another one
    intensity_scale: tuple[float, ...] = ()  # factor of each AU's mean intensity of both branches; empty for 1
    landmark_lr: float = 1e-3
    landmark_weight_decay: float = 1e-4
    landmark_epochs: int = 10

    def __post_init__(self) -> None:
        if self.class_weighting not in ("none", "inverse"):
            raise UserError(f"class_weighting is '{self.class_weighting}'; it must be none or inverse")
        if self.image_size < 32 or self.width < 1:
            raise UserError("image_size must be at least 32 pixels and width at least 1")
        if not 1 <= self.magnification <= 2:
            raise UserError(f"magnification is {self.magnification}; it must lie between 1 and 2")
        if self.teacher_weight < 0:
            raise UserError(f"teacher_weight is {self.teacher_weight}; it must not be negative")
        for name in ("landmark_weight", "landmark_intensity_weight"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise UserError(f"{name} is {share}; it must lie between 0 and 1")
        if any(scale <= 0 for scale in self.intensity_scale):
            raise UserError("intensity_scale has a factor that is not above 0")

    def without_aus(self) -> ResNet18Config:
        """Without a factor for each AU's intensity."""
        return replace(self, intensity_scale=())
