"""Settings of OF-Net and AU-Net; a default is the paper's value, or else that of the flow network it cites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MultipleOf

from actionunits.errors import UserError
from actionunits.models.config_contract import ReadsTwoFrameFlow
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
)

TWO_FRAME_FLOWS = ("dis", "tvl1")  # in place of the paper's Pyflow, Sec. IV-D
VARIANTS = ("joint", "separate", *TWO_FRAME_FLOWS)


@dataclass(frozen=True)
class OfNetConfig(ReadsTwoFrameFlow):
    """One model and its training recipe."""

    variant: str = "joint"  # "joint" | "separate", Sec. III-C; "dis" | "tvl1": flow of two frames, Sec. IV-D
    image_size: ImageSize = 128  # pixels; Sec. IV-A
    width: Annotated[int, Ge(2), Le(4096), MultipleOf(2)] = 64  # channels of the first layers of both networks
    # What OF-Net's encoder reads: the picture alone, Sec. III-A, or also the maps of MediaPipe's mesh network, which
    # has learned from real faces where brows, lids and lips are, and stays as it is.
    encoder: Literal["convolutions", "mesh"] = "convolutions"

    pixel_weight: NotNegative = 30.0  # lambda_1, Sec. IV-A; 0 leaves a loss out
    smooth_weight: NotNegative = 0.16  # lambda_2
    dssim_weight: NotNegative = 1.0  # lambda_3
    au_weight: Positive = 30.0  # lambda_4
    pixel_scale: Positive = 255.0  # white in Eq. (1); the paper names no unit, and its weights fit this one
    pixel_alpha: ShareAboveZero = 0.45  # exponent of the Charbonnier penalty in Eq. (1); flow literature
    smooth_alpha: ShareAboveZero = 0.3  # in Eq. (3)
    epsilon: Positive = 1e-3  # of the Charbonnier penalty
    ssim_window: Annotated[int, Ge(2)] = 3  # pixels, of Eq. (4)

    optimizer: Optimizer = "sgd"  # the paper names its momentum alone
    lr: LearningRate = 2e-4  # Sec. IV-A
    momentum: ShareBelowOne = 0.9  # Sec. IV-A
    batch_size: Count = 32
    weight_decay: NotNegative = 0.0
    epochs: Count = 30  # Sec. IV-A; trained separately, of each of the two networks
    warmup_epochs: CountFromZero = 5  # of them without the AU loss; Sec. IV-A: "the first several"
    schedule: Schedule = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: CountFromZero = 0

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(VARIANTS)}")
        if self.ssim_window > self.image_size:
            raise UserError(f"ssim_window is {self.ssim_window}; it must fit into the image")
        if self.warmup_epochs >= self.epochs:
            raise UserError(f"warmup_epochs is {self.warmup_epochs}; it must be below epochs")
        if self.variant == "separate" and not self.learns_motion:
            raise UserError("trained separately, OF-Net needs one of the losses of pixel_weight and dssim_weight")

    @property
    def two_frame_flow(self) -> str | None:
        """Method of the flow of two frames that takes the place of a learned one; loading data adds it to crops."""
        return self.variant if self.variant in TWO_FRAME_FLOWS else None

    @property
    def learns_motion(self) -> bool:
        """Whether a loss compares the anchor with the image; smoothness alone would only flatten the flow."""
        return self.two_frame_flow is None and (self.pixel_weight > 0 or self.dssim_weight > 0)
