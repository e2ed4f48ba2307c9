"""Settings of TCAE and Fab-Net; a default is the paper's value (Sec. 4.1, Fig. 3), or else the released code's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from actionunits.errors import UserError
from actionunits.models.config_contract import WeighsByRates
from actionunits.settings.ranges import (
    Count,
    CountFromZero,
    ImageSize,
    LearningRate,
    NotNegative,
    Optimizer,
    Schedule,
    Share,
    ShareAboveZero,
    ShareBelowOne,
    Units,
    Width,
)

VARIANTS = ("tcae", "fabnet")


@dataclass(frozen=True)
class TcaeConfig(WeighsByRates):
    """One model and its training recipe."""

    variant: str = "tcae"  # "tcae" | "fabnet": one branch, not disentangled; Sec. 4.2
    image_size: ImageSize = 256  # pixels, a power of two; Fig. 3
    width: Width = 32  # channels of the first convolution; all others are multiples; released code
    embedding: Units = 256  # length of the AU and of the pose vector; Fig. 3
    # What both branches of the encoder read: the paper's convolutions, which learn with them, or the maps of
    # MediaPipe's mesh network, which has learned from real faces where brows, lids and lips are, and stays as it is.
    shared: Literal["convolutions", "mesh"] = "convolutions"

    sparsity_weight: NotNegative = 0.01  # lambda 1, of Eq. (1); Sec. 4.1
    cycle_weight: NotNegative = 0.1  # lambda 2, of Eq. (3) and (4); Sec. 4.1
    embedding_weight: NotNegative = 0.1  # lambda 3, of Eq. (5) and (6); Sec. 4.1

    # Nothing in Eq. (1) to (6) keeps the pose movement from doing all and the AU movement from staying zero, which is
    # where runs of minutes end. Each of these helps to find both; none is in the paper, and the default is without.
    pose_cells: CountFromZero = 0  # the pose movement has so many cells along each side: too coarse for a face's own
    au_cells: CountFromZero = 0  # as pose_cells, of the AU movement; 0: one for each pixel
    face_pairs: Share = 0.0  # share of a batch: pairs whose faces move and whose heads hardly do, by landmarks
    head_pairs: Share = 0.0  # share of a batch: pairs whose heads turn and whose faces hardly move
    # Of the epochs, before all others: the pose movement alone, of pairs whose heads turn. What it explains is no
    # longer asked of the AU movement alone, to which it is added.
    pose_first_share: ShareBelowOne = 0.0
    # Of the epochs, behind these and before the curriculum: the AU movement alone, of pairs whose faces move.
    au_first_share: ShareBelowOne = 0.0
    # Of Eq. (2) of the AU movement alone on pairs whose faces move, and of the pose's on the others: where some of
    # these are chosen by their heads, on those.
    alone_weight: NotNegative = 0.0
    start_with_difference: bool = False  # decoders see at first what differs between two vectors; else random weights
    start_scale: NotNegative = 1.0  # of the decoders' last weights at the start; near 0 nothing moves at first

    # Of the pairs of a batch, in order of their losses, those from each of these fractions on are learned from, part
    # by part; Sec. 4.1: ranks 0-50%, then 10-60%, then 20-70%.
    curriculum: tuple[Share, ...] = (0.0, 0.1, 0.2)
    curriculum_share: ShareAboveZero = 0.5
    patience: CountFromZero = 15  # validations without a better loss that end a part before the last; released code

    optimizer: Optimizer = "sgd"  # Sec. 4.1
    lr: LearningRate = 1e-3  # Sec. 4.1
    momentum: ShareBelowOne = 0.9  # released code
    batch_size: Count = 64  # pairs; Sec. 4.1
    weight_decay: NotNegative = 0.0
    epochs: Count = 1000  # of all parts of the curriculum together; Sec. 4.1
    schedule: Schedule = "plateau"  # of the last part; before it, a plateau moves on to the next part
    warmup_steps: CountFromZero = 0

    probe_lr: LearningRate = 1e-2  # Adam; the paper does not tell how the linear classifier is trained
    probe_epochs: CountFromZero = 5
    au_rates: tuple[Share, ...] = ()  # base rate of each AU in the labels; training fills it in

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise UserError(f"variant is '{self.variant}'; it must be one of {', '.join(VARIANTS)}")
        if self.image_size & (self.image_size - 1):
            raise UserError(f"image_size is {self.image_size}; it must be a power of two")
        if not self.curriculum:
            raise UserError("curriculum must name one fraction or more")
        if any(first > 1 - self.curriculum_share + 1e-9 for first in self.curriculum):
            raise UserError(
                f"a curriculum fraction must lie between 0 and 1 less {self.curriculum_share:g}, its share"
            )
        if self.alone_weight and not 0 < self.face_pairs < 1:
            raise UserError("alone_weight needs pairs of both kinds: face_pairs must lie between 0 and 1")
        if self.face_pairs + self.head_pairs > 1:
            raise UserError("face_pairs and head_pairs are shares of one batch: together they must be 1 at most")
        if self.pose_first_share + self.au_first_share >= 1:
            raise UserError("pose_first_share and au_first_share leave no epochs for the paper's losses")
        for name, cells in (("au_cells", self.au_cells), ("pose_cells", self.pose_cells)):
            if cells and (cells < 4 or cells & (cells - 1) or cells > self.image_size):
                raise UserError(f"{name} is {cells}; it must be 0, or a power of two from 4 to image_size")
        if len(set(self.curriculum)) < len(self.curriculum):
            raise UserError("the curriculum names a fraction twice")
