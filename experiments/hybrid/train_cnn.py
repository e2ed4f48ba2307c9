"""Train the hybrid network's CNN further on rendered people, beside a ResNet-18 that it learns from.

    python experiments/hybrid/train_cnn.py --facekit DIR --assets ASSETS --keep out/people --teacher resnet18 \
        --init runs/anet/model.safetensors --steps 1200 --large-people 850 --out runs/cnn

People, pictures and teacher are those of EAC-Net's student (experiments/eacnet/train_student.py), the settings those
of configs/hybrid_synthau.yaml. Convolutions 2 to 5 and fc6 train with batch normalisation, which changes nothing at
first and is folded into their weights at the end: RUN/model.safetensors is as the paper draws it. `--results FILE`
adds a row that says what a recipe came to on people whom it has not seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import STORED_MARGIN
from actionunits.datasets.sampling.augment import center_crop
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.models.hybrid import HybridNet
from actionunits.models.hybrid.cnn import Cnn
from actionunits.models.hybrid.config import HybridConfig
from actionunits.models.layers.middle import middle_of
from actionunits.models.resnet18.loss import occurrence_loss
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.settings import make_settings, parse_assignments, read_config_file

sys.path.insert(0, str(Path(__file__).parents[1] / "eacnet"))
sys.path.insert(0, str(Path(__file__).parents[1]))
import students
from student import StudentOutput, teacher_of

# The first convolution's maps are so large that normalising them takes a third of the time.
NORMALISED = ("conv2", "conv3", "conv4", "conv5", "fc6")
THIRD, FOURTH = 256, 512  # channels of a ResNet-18's layers
TYPICAL = 256  # pictures that tell what layers give
RECIPE = {"variant": "anet", "lr": 1e-3, "batch_size": 32, "dropout": 0.2, "warmup_steps": 50, "epochs": 1}


class NormalisedCnn(Cnn):
    """Cnn with batch normalisation, until `folded`."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(
            config.seen_size, config.width, config.stride, config.fc_units, len(SYNTH_AUS), config.dropout
        )
        norms: dict[str, nn.Module] = {
            name: nn.BatchNorm2d(layer.out_channels)
            if isinstance(layer, nn.Conv2d)
            else nn.BatchNorm1d(layer.out_features)
            for name, layer in self.named_children()
            if name in NORMALISED
        }
        self.norms = nn.ModuleDict(norms)
        self.maps: Tensor | None = None  # of conv5, of the last pictures

    def _after(self, name: str, x: Tensor) -> Tensor:
        """A layer with its normalisation and ReLU."""
        x = self.get_submodule(name)(x)
        return F.relu_(self.norms[name](x) if name in self.norms else x)

    def forward(self, image: Tensor) -> Tensor:
        """As of Cnn."""
        x = F.max_pool2d(self._after("conv1", self.normalize(image)), 3, 2)
        x = F.max_pool2d(self._after("conv2", x), 3, 2)
        self.maps = self._after("conv5", self._after("conv4", self._after("conv3", x)))
        x = self.dropout(self._after("fc6", F.max_pool2d(self.maps, 3, 2).flatten(1)))
        return self.dropout(self._after("fc7", x))

    @torch.no_grad()
    def take(self, cnn: Cnn, image: Tensor) -> None:
        """Become a trained Cnn. image: (B, 3, H, W), typical pictures: normalisations begin with what they undo."""
        self.load_state_dict(self.state_dict() | cnn.state_dict())
        hooks = [
            self.get_submodule(name).register_forward_hook(partial(_undone, norm))
            for name, norm in self.norms.items()
        ]
        self.eval()(image)
        for hook in hooks:
            hook.remove()
        self.train()

    def folded(self) -> dict[str, Tensor]:
        """Weights of a Cnn that computes the same in eval mode."""
        weights = {name: value.clone() for name, value in self.state_dict().items() if not name.startswith("norms.")}
        for name, norm in self.norms.items():
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            weights[f"{name}.weight"] = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            weights[f"{name}.bias"] = (bias - norm.running_mean) * scale + norm.bias  # type: ignore[operator]
        return {name: value.detach() for name, value in weights.items()}


def _undone(norm: nn.Module, layer: nn.Module, given: tuple[Tensor, ...], x: Tensor) -> None:
    """Let a normalisation that follows a layer have the layer's own mean and spread as its shift and scale."""
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axes), x.var(axes, correction=0)
    norm.running_mean.copy_(mean)  # type: ignore[operator, union-attr]
    norm.running_var.copy_(variance)  # type: ignore[operator, union-attr]
    norm.bias.copy_(mean)  # type: ignore[operator, union-attr]
    norm.weight.copy_((variance + norm.eps).sqrt())  # type: ignore[operator]


class Student(HybridNet):
    """The CNN, which with a teacher also learns what a ResNet-18 makes of the same pictures.

    It learns its answers, and in hints what its third layer and the mean of its fourth say: Romero et al., "FitNets:
    hints for thin deep nets", ICLR 2015.
    """

    def __init__(self, config: HybridConfig, teacher: str | None, hinted: bool) -> None:
        super().__init__(config, SYNTH_AUS)
        self.cnn = NormalisedCnn(config)
        # In a list it is no module of this one: it is neither trained nor averaged.
        self.teacher = [] if teacher is None else [teacher_of(teacher)]
        self.hints = nn.ModuleDict()
        if self.teacher and hinted:
            self.hints["maps"] = nn.Conv2d(self.cnn.conv5.out_channels, THIRD, 1)
            self.hints["fc7"] = nn.Linear(config.fc_units, FOURTH)

    def stages(self) -> list[Stage]:
        """All weights at once."""
        return [dataclasses.replace(super().stages()[0], parameters=("cnn.", "hints."))]

    def forward(self, batch: Batch) -> StudentOutput:
        """As of HybridNet."""
        fc7 = self.fc7(batch)
        hinted, told = [], None
        if self.training and self.teacher:
            seen = middle_of(batch.image, self.config.magnification, self.config.seen_size)
            third, fourth, told = self.teacher[0](self.cnn.normalize(seen))
            if self.hints:
                assert self.cnn.maps is not None
                mine = F.adaptive_avg_pool2d(self.cnn.maps, third.shape[-2:])
                hinted = [(self.hints["maps"](mine), third), (self.hints["fc7"](fc7), fourth.mean((2, 3)))]
        return StudentOutput(self.cnn.scores(fc7), hinted=hinted, told=told)

    def losses(self, output: StudentOutput, batch: Batch) -> dict[str, Tensor]:  # type: ignore[override]
        """That of HybridNet, and the teacher's."""
        found = super().losses(output, batch)
        for number, (mine, taught) in enumerate(output.hinted):
            axes = (0, *range(2, taught.ndim))
            spread = taught.float().var(axes, keepdim=True) + 1e-3
            found[f"hint_{number}"] = ((mine.float() - taught.float()).square() / spread).mean()
        if output.told is not None:
            known = torch.ones_like(output.told, dtype=torch.bool)
            found["told"] = occurrence_loss(output.au_logit, torch.sigmoid(output.told.float()), known)
        return found

    def plain(self) -> HybridNet:
        """The same network as the paper has it, without normalisation."""
        network = HybridNet(self.config, self.aus)
        network.cnn.load_state_dict(self.cnn.folded())
        return network.eval()


def parse() -> argparse.Namespace:
    parser = students.parser_of(__doc__, large_people=0)
    students.add_teacher_options(parser)
    parser.add_argument("--init", type=Path, help="checkpoint of a CNN of these sizes to go on from")
    parser.add_argument("--no-hints", action="store_true", help="learn the teacher's answers alone")
    parser.add_argument(
        "--max-minutes", type=float, help="an end before all steps; the learning rate follows the clock"
    )
    return parser.parse_args()


def told(options: argparse.Namespace, found: dict[str, float]) -> dict[str, Any]:
    """A row of the table: the recipe and the scores of new people."""
    names = ("teacher", "no_hints", "steps", "people", "large_people", "seed")
    return {name: getattr(options, name) for name in names} | found


def run(options: argparse.Namespace) -> None:
    frames, validation = students.training_frames(options), students.judging_people(options)
    settings = make_settings("hybrid", read_config_file("hybrid_synthau") | RECIPE | parse_assignments(options.set))
    torch.manual_seed(options.seed)
    model = Student(settings.model, options.teacher, not options.no_hints)
    if options.init is not None:
        seen = frames[0].batch(torch.arange(0, frames[0].frames, frames[0].frames // TYPICAL)[:TYPICAL], mesh=False)
        seen = center_crop(seen, settings.model.image_size, STORED_MARGIN).image
        config = settings.model
        model.cnn.take(
            load_checkpoint(options.init).model.cnn, middle_of(seen, config.magnification, config.seen_size)
        )
    loop = dataclasses.replace(settings.loop, max_minutes=options.max_minutes)
    student = students.learn(model, options, frames, validation, settings.augment, loop)
    found = students.keep(student.plain(), options, frames, validation)  # type: ignore[operator]
    if options.results is not None:
        students.add_rows(options.results, [told(options, found)])


if __name__ == "__main__":
    sys.exit(students.as_command("train_cnn", lambda: run(parse())))
