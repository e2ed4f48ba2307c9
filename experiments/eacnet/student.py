"""EAC-Net's networks with batch normalisation while they train, and a ResNet-18 to learn from beside the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage
from actionunits.models.eacnet import EacNet, EacNetConfig
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.vgg import Vgg19Body
from actionunits.models.resnet18 import loss
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.locate import find_weights

NORMALISED = range(2, 6)  # groups; the first one's maps are so large that normalising them takes half of the time
HINTS = {"third": 256, "fourth": 512}  # layers of a ResNet-18, and their channels
TEACHER_SIZE = 112  # pixels that the default detector sees

Teacher = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


class NormalisedVgg(Vgg19Body):
    """Vgg19Body with batch normalisation, until `folded`."""

    def __init__(self, width: int, normalised: bool) -> None:
        super().__init__(width)
        self.norms = nn.ModuleDict(
            {
                str(position): nn.BatchNorm2d(channels)
                for number, (positions, channels) in enumerate(zip(self.convolutions, self.channels, strict=True), 1)
                for position in positions
                if normalised and number in NORMALISED
            }
        )
        self.dense_norm = nn.BatchNorm1d(self.outputs) if normalised else None

    def group(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """As of Vgg19Body."""
        first: Tensor | None = None
        for position in self.convolutions[number - 1]:
            x = self.features[position](x)
            norm = str(position)
            x = F.relu_(self.norms[norm](x) if norm in self.norms else x)
            first = x if first is None else first
        assert first is not None
        return first, x

    def dense(self, x: Tensor) -> Tensor:
        """As of Vgg19Body."""
        x = self.classifier(self.avgpool(x).flatten(1))
        return F.relu(x if self.dense_norm is None else self.dense_norm(x))

    def folded(self) -> dict[str, Tensor]:
        """Weights of a plain VGG-19 that computes the same in eval mode, named as in torchvision."""
        pairs = {f"features.{position}": norm for position, norm in self.norms.items()}
        pairs |= {} if self.dense_norm is None else {"classifier.0": self.dense_norm}
        weights = {n: v.clone() for n, v in self.state_dict().items() if n.startswith(("features.", "classifier."))}
        for name, norm in pairs.items():
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            weights[f"{name}.weight"] = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            weights[f"{name}.bias"] = (bias - norm.running_mean) * scale + norm.bias  # type: ignore[operator]
        return {name: value.detach() for name, value in weights.items()}


@dataclass(frozen=True)
class StudentOutput(Output):
    """Outputs, and in training what the teacher makes of the same pictures."""

    hinted: list[tuple[Tensor, Tensor]] = field(default_factory=list, kw_only=True)  # own and teacher's maps
    told: Tensor | None = field(default=None, kw_only=True)  # the teacher's log-odds


class Student(EacNet):
    """One of the three networks, all of it trained at once.

    With a teacher it also learns what a ResNet-18 makes of the same pictures, in its third and fourth layer and in
    its answers: Romero et al., "FitNets: hints for thin deep nets", ICLR 2015.
    """

    def __init__(self, config: EacNetConfig, normalised: bool, teacher: str | None) -> None:
        super().__init__(config, SYNTH_AUS)
        self.vgg = NormalisedVgg(config.width, normalised)
        if config.variant == "eacnet":
            self.head = None  # E-Net's
        # In a list it is no module of this one: it is neither trained nor averaged.
        self.teacher = [] if teacher is None else [teacher_of(teacher)]
        deep = self.vgg.channels[-1]
        layers = ("third",) if config.variant == "eacnet" else tuple(HINTS)
        self.hints = nn.ModuleDict({name: nn.Conv2d(deep, HINTS[name], 1) for name in layers if self.teacher})
        self._maps: dict[str, Tensor] = {}

    def stages(self) -> list[Stage]:
        """All weights at once."""
        return [replace(self._stage(self.config.variant), parameters=("",))]

    def enhanced(self, x: Tensor, centers: Tensor | None) -> Tensor:
        """As of EacNet."""
        self._maps["third"] = found = super().enhanced(x, centers)
        return found

    def features(self, batch: Batch) -> Tensor:
        """As of EacNet; of FVGG and E-Net group by group, so that their maps can be compared."""
        if self.config.variant == "eacnet":
            return super().features(batch)
        centers = None if self.config.variant == "fvgg" else self.centers(batch)
        maps = F.max_pool2d(self.enhanced(self.low_groups(batch), centers), 2, 2)
        self._maps["fourth"] = fifth = self.vgg.group(5, maps)[1]
        return self._head().features(self.vgg.dense(F.max_pool2d(fifth, 2, 2)))

    def forward(self, batch: Batch) -> StudentOutput:
        """As of EacNet."""
        own = super().forward(batch)
        hinted, told = [], None
        if self.training and self.teacher:
            image = self.normalize(middle_of(batch.image, self.config.magnification, TEACHER_SIZE))
            third, fourth, told = self.teacher[0](image)
            for name, maps in (("third", third), ("fourth", fourth)):
                if name in self.hints:
                    mine = F.adaptive_avg_pool2d(self._maps[name], maps.shape[-2:])
                    hinted.append((self.hints[name](mine), maps))
        return StudentOutput(own.au_logit, own.au_intensity, hinted=hinted, told=told)

    def losses(self, output: StudentOutput, batch: Batch) -> dict[str, Tensor]:  # type: ignore[override]
        """Those of EacNet, concordance of intensities, and the teacher's."""
        found = super().losses(output, batch)
        assert batch.au_intensity is not None and batch.au_intensity_valid is not None
        if output.au_intensity is not None:
            valid, aus = batch.au_intensity_valid, len(self.aus)
            agreement = loss.concordance_loss(output.au_intensity, batch.au_intensity, valid)
            found["concordance"] = 0.5 * aus * agreement
        for number, (mine, maps) in enumerate(output.hinted):
            spread = maps.float().var((0, 2, 3), keepdim=True) + 1e-3
            found[f"hint_{number}"] = len(self.aus) * ((mine.float() - maps.float()).square() / spread).mean()
        if output.told is not None:
            known = torch.ones_like(output.told, dtype=torch.bool)
            told = loss.occurrence_loss(output.au_logit, torch.sigmoid(output.told.float()), known)
            found["told"] = len(self.aus) * told
        return found

    def plain(self) -> EacNet:
        """The same network as the paper has it, without normalisation."""
        network = EacNet(self.config, self.aus)
        weights = {f"vgg.{name}": value for name, value in self.vgg.folded().items()}
        left_out = ("vgg.", "hints.")
        weights |= {name: value for name, value in self.state_dict().items() if not name.startswith(left_out)}
        network.load_state_dict(network.state_dict() | weights)
        return network.eval()


def teacher_of(name: str) -> Teacher:
    """What the image branch of a ResNet-18 makes of normalised pictures: third and fourth layer, and log-odds."""
    branch = load_checkpoint(find_weights(name)).model.image.to(memory_format=torch.channels_last)
    body = branch.body

    @torch.no_grad()
    def seen(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        third = body.layer3(body.layer2(body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(image)))))))
        fourth = body.layer4(third)
        return third, fourth, branch.head(body.avgpool(fourth).flatten(1))[:, : len(SYNTH_AUS)]

    return seen
