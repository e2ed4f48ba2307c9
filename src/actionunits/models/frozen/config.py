"""Settings of a frozen network with a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actionunits.errors import UserError
from actionunits.models.config_contract import MagnifiesFaces, WeighsByRates
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
    LearningRate,
    NotNegative,
    Schedule,
    Share,
    Width,
)

NETWORKS = ("resnet18", "vgg19")


@dataclass(frozen=True)
class FrozenConfig(WeighsByRates, MagnifiesFaces):
    """One network and how its probe is trained where it is not fitted."""

    network: str = "resnet18"  # "resnet18": pooled features, 512 | "vgg19": fc6, 4096
    image_size: ImageSize = 224  # pixels; what ImageNet's weights have seen
    width: Width = 64  # channels of the first convolution
    # The network sees the middle of the crop this much larger, in as many pixels.
    magnification: Annotated[float, Ge(1), Le(2)] = 1.0

    lr: LearningRate = 1e-2
    batch_size: Count = 128
    weight_decay: NotNegative = 0.0
    epochs: CountFromZero = 5
    schedule: Schedule = "cosine"
    au_rates: tuple[Share, ...] = ()  # base rate of each AU in the labels; training fills it in

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UserError(f"network is '{self.network}'; it must be one of {', '.join(NETWORKS)}")
