"""Settings of OF-Net and AU-Net; a default is the paper's value, or else that of the flow network it cites."""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError
from actionunits.models.contract import ReadsTwoFrameFlow

TWO_FRAME_FLOWS = ("dis", "tvl1")  # in place of the paper's Pyflow, Sec. IV-D
VARIANTS = ("joint", "separate", *TWO_FRAME_FLOWS)


@dataclass(frozen=True)
class OfNetConfig(ReadsTwoFrameFlow):
    """One model and its training recipe."""

    variant: str = "joint"  # "joint" | "separate", Sec. III-C; "dis" | "tvl1": flow of two frames, Sec. IV-D
    image_size: int = 128  # pixels; Sec. IV-A
    width: int = 64  # channels of the first layers of both networks

    pixel_weight: float = 30.0  # lambda_1, Sec. IV-A; 0 leaves a loss out
    smooth_weight: float = 0.16  # lambda_2
    dssim_weight: float = 1.0  # lambda_3
    au_weight: float = 30.0  # lambda_4
    pixel_alpha: float = 0.45  # exponent of the Charbonnier penalty in Eq. (1); flow literature
    smooth_alpha: float = 0.3  # in Eq. (3)
    epsilon: float = 1e-3  # of the Charbonnier penalty
    ssim_window: int = 3  # pixels, of Eq. (4)

    optimizer: str = "sgd"  # the paper names its momentum alone
    lr: float = 2e-4  # Sec. IV-A
    momentum: float = 0.9  # Sec. IV-A
    batch_size: int = 32
    weight_decay: float = 0.0
    epochs: int = 30  # Sec. IV-A; trained separately, of each of the two networks
    warmup_epochs: int = 5  # of them without the AU loss; Sec. IV-A: "the first several"
    schedule: str = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(VARIANTS)}")
        if self.image_size < 32 or self.width < 2 or self.width % 2:
            raise UserError("image_size must be at least 32 pixels, and width an even number")
        if min(self.pixel_weight, self.smooth_weight, self.dssim_weight) < 0 or self.au_weight <= 0:
            raise UserError("the weights of losses must not be negative, and au_weight must be above 0")
        if not 0 < self.pixel_alpha <= 1 or not 0 < self.smooth_alpha <= 1 or self.epsilon <= 0:
            raise UserError("pixel_alpha and smooth_alpha must lie in 0-1, and epsilon above 0")
        if not 2 <= self.ssim_window <= self.image_size:
            raise UserError(f"ssim_window is {self.ssim_window}; it must be 2 pixels or more and fit into the image")
        if not 0 <= self.warmup_epochs < self.epochs:
            raise UserError(f"warmup_epochs is {self.warmup_epochs}; it must be 0 or more and below epochs")
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
