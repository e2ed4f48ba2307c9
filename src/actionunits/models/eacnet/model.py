"""FVGG, E-Net and EAC-Net: VGG-19 fine-tuned, with attention to AU regions, and with crops of them.

Li, Abtahi, Zhu & Yin, "EAC-Net: A Region-based Deep Enhancing and Cropping Approach for Facial Action Unit
Detection", FG 2017. What the text leaves open follows the released code.
Deviations: those of `centers`, `attention`, `cropping` and `loss`; crops are registered faces. Options: the middle of
the crop can be magnified, and intensity read beside occurrence, by a last layer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import (
    BuildsOnVariants,
    EntersStages,
    GoesOnFrom,
    Stage,
    TakesBody,
    TrainsMoreThanItReads,
    TransfersByRegression,
)
from actionunits.models.eacnet import loss
from actionunits.models.eacnet.attention import attention_map, enhance
from actionunits.models.eacnet.centers import CENTERS, au_centers, complete_landmarks
from actionunits.models.eacnet.config import NETWORKS, EacNetConfig
from actionunits.models.eacnet.cropping import CroppingNet
from actionunits.models.layers.middle import middle_of, points_in_middle
from actionunits.models.layers.resnet import ImageNormalize, load_imagenet
from actionunits.models.layers.vgg import Vgg19Body, start_before_relu


class DenseHead(nn.Module):
    """The two new dense layers, each with dropout before it (Sec. III-A); and one for intensity beside the last."""

    def __init__(self, inputs: int, hidden: int, outputs: int, config: EacNetConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(inputs, hidden)
        start_before_relu(self.hidden.weight, self.hidden.bias)
        self.output = nn.Linear(hidden, outputs)
        self.intensity = nn.Linear(hidden, outputs) if config.intensity else None

    def features(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, hidden)."""
        return F.relu(self.hidden(self.dropout(x)))

    def forward(self, features: Tensor) -> Output:
        """Logits, and intensity where it is read, from `features`: (B, hidden) -> (B, outputs) each."""
        features = self.dropout(features)
        # The last layer is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.output.weight.dtype)
            intensity = None if self.intensity is None else INTENSITY_MAX * torch.sigmoid(self.intensity(features))
            return Output(self.output(features), intensity)


class EacNet(
    nn.Module, EntersStages, TakesBody, GoesOnFrom, BuildsOnVariants, TransfersByRegression, TrainsMoreThanItReads
):
    """The network of `config.variant`, or, while its recipe is under way, the one that it has come to."""

    au_outputs: ClassVar[dict[str, int]] = {
        f"{head}.{layer}.": 1 for head in ("head", "crop_head") for layer in ("output", "intensity")
    }
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
        self.head: DenseHead | None = DenseHead(self.vgg.outputs, hidden, len(aus), config)
        self.cropping: CroppingNet | None = None
        self.crop_head: DenseHead | None = None
        if config.variant == "eacnet":
            self.cropping = CroppingNet(self.vgg.channels[3], CENTERS, config.crop_units, config.upscale)
            self.crop_head = DenseHead(self.cropping.outputs, hidden, len(aus), config)

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
        again = self.cropping is not None and source.config.variant == self.config.variant
        return ("cropping.", "crop_head.", *(self._above_crops() if again else ()))

    @classmethod
    def place_in_recipe(cls, config: EacNetConfig) -> int:
        """Position of the variant among NETWORKS."""
        return NETWORKS.index(config.variant)

    def unread(self) -> tuple[str, ...]:
        """Of EAC-Net, E-Net's fifth group and dense layers."""
        crops = self.network.is_meta or NETWORKS[int(self.network)] == "eacnet"
        return self._above_crops() if crops and self.cropping is not None else ()

    def _above_crops(self) -> tuple[str, ...]:
        return (*self._of_vgg(range(5, 6)), "vgg.classifier.", "head.")

    def regression_layer(self) -> nn.Linear:
        """The last layer, which reads `features`: the paper's way to other data, Sec. IV-C."""
        return self._head().output

    def _head(self) -> DenseHead:
        """That of the network that the model is now."""
        crops = NETWORKS[int(self.network)] == "eacnet"
        head = self.crop_head if crops and self.crop_head is not None else self.head
        assert head is not None
        return head

    def features(self, batch: Batch) -> Tensor:
        """What the last layer reads, (B, 32 width): the 2048 features of the transfer to other data, Sec. IV-C."""
        network, x = NETWORKS[int(self.network)], self.low_groups(batch)
        if network == "fvgg":
            return self._head().features(self.vgg.dense(self.vgg.groups(range(3, 6), x)))
        centers = self.centers(batch)
        enhanced = self.enhanced(x, centers)
        if network == "enet" or self.cropping is None:
            x = self.vgg.groups(range(5, 6), F.max_pool2d(enhanced, 2, 2))
            return self._head().features(self.vgg.dense(x))
        return self._head().features(self.cropping(enhanced, centers))

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A), and its intensity. Landmarks that the batch lacks are the mean face's."""
        return self._head()(self.features(batch))

    def low_groups(self, batch: Batch) -> Tensor:
        """Groups 1 and 2, which none of the networks changes by attention: (B, 2 width, H / 4, W / 4)."""
        image = middle_of(batch.image, self.config.magnification, self.config.middle_size)
        return self.vgg.groups(range(1, 3), self.normalize(image))

    def enhanced(self, x: Tensor, centers: Tensor | None) -> Tensor:
        """Group 4 before pooling, (B, 8 width, H, W), of what groups 1 and 2 made. Sec. III-B.

        centers: (B, K, 2), of `centers`; None: no place is enhanced, as in FVGG.
        """
        attention = None if centers is None else attention_map(centers)
        for number in (3, 4):
            first, last = self.vgg.group(number, x if number == 3 else F.max_pool2d(x, 2, 2))
            x = last if attention is None else enhance(first, last, attention)
        return x

    @torch.no_grad()
    def centers(self, batch: Batch) -> Tensor:
        """AU centres, (B, 20, 2), 0-1 spans what the network sees of the crop."""
        with torch.autocast(batch.image.device.type, enabled=False):
            points = complete_landmarks(batch.landmarks, batch.image.shape[0], self.normalize.mean)
            return au_centers(points_in_middle(points, self.config.magnification))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Eq. (3) over the known labels; and the loss of intensity, where it is read and the batch has labels."""
        if batch.au_present is None or batch.au_present_valid is None:
            raise ValueError("the batch carries no occurrence labels")
        losses = {"occurrence": loss.occurrence_loss(output.au_logit, batch.au_present, batch.au_present_valid)}
        target, known = batch.au_intensity, batch.au_intensity_valid
        if output.au_intensity is not None and target is not None and known is not None:
            losses["intensity"] = self.config.intensity_weight * loss.intensity_loss(
                output.au_intensity, target, known
            )
        return losses

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
        return self._of_vgg(groups) + own

    def _of_vgg(self, groups: range) -> tuple[str, ...]:
        """Prefixes of the parameters of groups, counted from 1."""
        return tuple(f"vgg.{prefix}" for prefix in self.vgg.group_parameters(*groups))
