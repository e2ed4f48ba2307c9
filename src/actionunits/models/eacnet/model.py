"""FVGG, E-Net and EAC-Net: VGG-19 fine-tuned, with attention to AU regions, and with crops of them.

Li, Abtahi, Zhu & Yin, "EAC-Net: A Region-based Deep Enhancing and Cropping Approach for Facial Action Unit
Detection", FG 2017. What the text leaves open follows the released code.
Deviations: those of `centers`, `attention`, `cropping` and `loss`; crops are registered faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import (
    BuildsOnVariants,
    EntersStages,
    GoesOnFrom,
    Stage,
    TakesBody,
    TransfersByRegression,
)
from actionunits.models.eacnet import loss
from actionunits.models.eacnet.attention import attention_map, enhance
from actionunits.models.eacnet.centers import CENTERS, au_centers, complete_landmarks
from actionunits.models.eacnet.config import NETWORKS, EacNetConfig
from actionunits.models.eacnet.cropping import CroppingNet
from actionunits.models.layers.resnet import ImageNormalize, load_imagenet
from actionunits.models.layers.vgg import Vgg19Body, start_before_relu


class DenseHead(nn.Module):
    """The two new dense layers, each with dropout before it (Sec. III-A)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(inputs, hidden)
        start_before_relu(self.hidden.weight, self.hidden.bias)
        self.output = nn.Linear(hidden, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, hidden)."""
        return F.relu(self.hidden(self.dropout(x)))

    def forward(self, features: Tensor) -> Tensor:
        """Logits from `features`: (B, hidden) -> (B, outputs)."""
        features = self.dropout(features)
        # The last layer is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            return self.output(features.to(self.output.weight.dtype))


class EacNet(nn.Module, EntersStages, TakesBody, GoesOnFrom, BuildsOnVariants, TransfersByRegression):
    """The network of `config.variant`, or, while its recipe is under way, the one that it has come to."""

    au_outputs: ClassVar[dict[str, int]] = {"head.output.": 1, "crop_head.output.": 1}
    network: Tensor

    def __init__(self, config: EacNetConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        # Which of NETWORKS the weights are of: it decides what runs, and is a part of every saved state.
        self.register_buffer("network", torch.tensor(NETWORKS.index(config.variant)))
        self.first_stage = 0
        self.normalize = ImageNormalize()
        self.vgg = Vgg19Body(config.width)
        hidden = 32 * config.width  # Sec. III-A: 2048
        self.head = DenseHead(self.vgg.outputs, hidden, len(aus), config.dropout)
        self.cropping: CroppingNet | None = None
        self.crop_head: DenseHead | None = None
        if config.variant == "eacnet":
            self.cropping = CroppingNet(self.vgg.channels[3], CENTERS, config.crop_units, config.upscale)
            self.crop_head = DenseHead(self.cropping.outputs, hidden, len(aus), config.dropout)

    def enter_stage(self, stage: Stage) -> None:
        """Become the network that a stage trains."""
        self.network.fill_(NETWORKS.index(stage.name))

    def take_body(self, weights: Mapping[str, Tensor]) -> None:
        """Start from a VGG-19, its weights named as in torchvision. Raises UserError where they do not fit."""
        load_imagenet(self.vgg, weights)

    def go_on_from(self, source: EacNet) -> tuple[str, ...]:
        """Leave out the stages that `source` has been through, but the last; prefixes of what it may lack.

        A network of the same variant trains its last stage once more.
        """
        been = NETWORKS.index(source.config.variant) + 1
        self.first_stage = min(been, NETWORKS.index(self.config.variant))
        return ("cropping.", "crop_head.")

    @classmethod
    def place_in_recipe(cls, config: EacNetConfig) -> int:
        """Position of the variant among NETWORKS."""
        return NETWORKS.index(config.variant)

    def regression_layer(self) -> nn.Linear:
        """The last layer, which reads `features`: the paper's way to other data, Sec. IV-C."""
        crops = NETWORKS[int(self.network)] == "eacnet" and self.crop_head is not None
        return (self.crop_head if crops else self.head).output  # type: ignore[union-attr]

    def features(self, batch: Batch) -> Tensor:
        """What the last layer reads, (B, 32 width): the 2048 features of the transfer to other data, Sec. IV-C."""
        return self._head_and_features(batch)[1]

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A). Landmarks that the batch lacks are the mean face's."""
        head, features = self._head_and_features(batch)
        return Output(head(features))

    def _head_and_features(self, batch: Batch) -> tuple[DenseHead, Tensor]:
        network = NETWORKS[int(self.network)]
        x = self.vgg.groups(range(1, 3), self.normalize(batch.image))
        if network == "fvgg":
            return self.head, self.head.features(self.vgg.dense(self.vgg.groups(range(3, 6), x)))
        centers = self._centers(batch)
        attention = attention_map(centers)
        enhanced = enhance(*self.vgg.group(3, x), attention)
        enhanced = enhance(*self.vgg.group(4, F.max_pool2d(enhanced, 2, 2)), attention)
        if network == "enet" or self.cropping is None or self.crop_head is None:
            x = self.vgg.groups(range(5, 6), F.max_pool2d(enhanced, 2, 2))
            return self.head, self.head.features(self.vgg.dense(x))
        return self.crop_head, self.crop_head.features(self.cropping(enhanced, centers))

    @torch.no_grad()
    def _centers(self, batch: Batch) -> Tensor:
        with torch.autocast(batch.image.device.type, enabled=False):
            like = self.head.output.weight
            return au_centers(complete_landmarks(batch.landmarks, batch.image.shape[0], like))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Eq. (3) over the known labels."""
        if batch.au_present is None or batch.au_present_valid is None:
            raise ValueError("the batch carries no occurrence labels")
        return {"occurrence": loss.occurrence_loss(output.au_logit, batch.au_present, batch.au_present_valid)}

    def stages(self) -> list[Stage]:
        """FVGG, then E-Net from its weights, then EAC-Net on top of that, as far as the variant goes."""
        return [self._stage(name) for name in NETWORKS[self.first_stage : NETWORKS.index(self.config.variant) + 1]]

    def _stage(self, name: str) -> Stage:
        return Stage.of(
            self.config,
            name=name,
            parameters=self._trained(name),
            options={"nesterov": 1.0} if self.config.optimizer == "sgd" else {},
            inputs=("image",) if name == "fvgg" else ("image", "landmarks"),
        )

    def _trained(self, name: str) -> tuple[str, ...]:
        """Prefixes of the parameters that a stage trains (Sec. III-A, III-B, III-C)."""
        first = 1 if not self.config.freeze else 4 if name == "fvgg" else 3
        if name == "eacnet":
            groups = range(first, 5) if self.config.train_enet else range(0)
            own: tuple[str, ...] = ("cropping.", "crop_head.")
        else:
            groups, own = range(first, 6), ("vgg.classifier.", "head.")
        return tuple(f"vgg.{prefix}" for prefix in self.vgg.group_parameters(*groups)) + own
