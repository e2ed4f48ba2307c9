"""A VGG-19 to start EAC-Net from, in place of ImageNet's: it learns action units of rendered people.

    python experiments/eacnet/pretrain.py --facekit DIR --assets ASSETS --keep out/people --people 1500 --steps 2500 \
        --teacher resnet18 --out vgg.safetensors

It trains with batch normalisation behind groups 2 to 5, and each normalisation is then folded into the weights of its
convolution: the file holds a plain VGG-19 with torchvision's names, for `actionunits train eacnet --imagenet`. With a
teacher it also learns what a ResNet-18 makes of the same pictures, in its third and fourth layer and in its answers
(Romero et al., "FitNets: hints for thin deep nets", ICLR 2015). `--results FILE` adds a row that says what a recipe
came to on people whom it has not seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX, SYNTH_AUS
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data, kept_person
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.resnet import ImageNormalize
from actionunits.models.layers.vgg import Vgg19Body
from actionunits.models.resnet18 import ResNet18Config, loss
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import AugmentConfig
from actionunits.training.validation import predict_crops, scores
from actionunits.weights.locate import find_weights

NORMALISED = range(2, 6)  # groups; the first one's maps are so large that normalising them takes half of the time
# Pixels: the middle 3 / 4 of the crop, as EAC-Net sees it, at two thirds.
IMAGE_SIZE, MIDDLE_SIZE, MAGNIFICATION = 150, 112, 4 / 3
HINTS = (256, 512)  # channels of a ResNet-18's third and fourth layer
FRAMES = 10  # of each person
GEOMETRY = AugmentConfig(
    rotation_deg=10.0,
    **dict.fromkeys(("brightness", "contrast", "saturation", "gamma", "grey", "blur", "noise"), 0.0),
    **dict.fromkeys(("low_resolution", "erase"), 0.0),
)
VALIDATION_PEOPLE = 60


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
        return {name: value.detach().contiguous() for name, value in weights.items()}


class Student(nn.Module):
    """A VGG-19 with presence, intensity and sides as the default detector has them, and hints of a teacher."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.aus = SYNTH_AUS
        self.config = ResNet18Config(image_size=IMAGE_SIZE, width=options.width)
        self.stage = Stage(
            name="vgg",
            parameters=("",),
            epochs=1,
            batch_size=options.batch_size,
            optimizer=options.optimizer,
            lr=options.lr,
            weight_decay=0.05,
            schedule="cosine",
            warmup_steps=50,
        )
        self.normalize = ImageNormalize()
        self.body = NormalisedVgg(options.width, not options.plain)
        self.head = nn.Linear(self.body.outputs, 4 * len(SYNTH_AUS))
        # Not a module of this one, so that it is neither trained nor averaged.
        self.teacher = [] if options.teacher is None else [teacher_of(options.teacher)]
        deep = self.body.channels[-1]
        self.hints = nn.ModuleList([nn.Conv2d(deep, channels, 1) for channels in HINTS if self.teacher])

    def stages(self) -> list[Stage]:
        return [self.stage]

    def forward(self, batch: Batch) -> Answers:
        image = self.normalize(middle_of(batch.image, MAGNIFICATION, MIDDLE_SIZE))
        fourth = F.max_pool2d(self.body.group(4, self.body.groups(range(1, 4), image))[1], 2, 2)
        fifth = self.body.group(5, fourth)[1]
        features = self.body.dense(F.max_pool2d(fifth, 2, 2))
        logit, *rated = self.head(features).float().chunk(4, 1)
        intensity, left, right = (INTENSITY_MAX * torch.sigmoid(part) for part in rated)
        hinted: list[tuple[Tensor, Tensor]] = []
        told = None
        if self.training and self.teacher:
            third, last, told = self.teacher[0](image)
            maps = (fourth, F.adaptive_avg_pool2d(fifth, last.shape[-2:]))
            hinted = [(hint(x), t) for hint, x, t in zip(self.hints, maps, (third, last), strict=True)]
        return Answers(logit, intensity, au_sides=torch.stack([left, right], -1), hinted=hinted, told=told)

    def losses(self, output: Answers, batch: Batch) -> dict[str, Tensor]:
        valid, z, x = batch.au_present_valid, output.au_logit, output.au_intensity
        found = {
            "occurrence": loss.occurrence_loss(z, batch.au_present, valid),
            "intensity": loss.intensity_loss(x, batch.au_intensity, valid),
            "sides": 0.5 * loss.sides_loss(output.au_sides, batch.au_sides, valid),
            "concordance": 0.5 * loss.concordance_loss(x, batch.au_intensity, valid),
        }
        for number, (own, teachers) in enumerate(output.hinted):
            spread = teachers.float().var((0, 2, 3), keepdim=True) + 1e-3
            found[f"hint_{number}"] = ((own.float() - teachers.float()).square() / spread).mean()
        if output.told is not None:
            found["told"] = loss.occurrence_loss(z, torch.sigmoid(output.told.float()), valid)
        return found


@dataclass(frozen=True)
class Answers(Output):
    """Outputs, and in training what the teacher made of the pictures."""

    hinted: list[tuple[Tensor, Tensor]] = field(default_factory=list, kw_only=True)  # own and teacher's maps
    told: Tensor | None = field(default=None, kw_only=True)  # the teacher's log-odds


def teacher_of(name: str) -> Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]:
    """What the image branch of a ResNet-18 makes of normalised pictures: third and fourth layer, and log-odds."""
    branch = load_checkpoint(find_weights(name)).model.image.to(memory_format=torch.channels_last)
    body = branch.body

    @torch.no_grad()
    def seen(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        third = body.layer3(body.layer2(body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(image)))))))
        last = body.layer4(third)
        return third, last, branch.head(body.avgpool(last).flatten(1))[:, : len(SYNTH_AUS)]

    return seen


def frames_of(plan: FreshPlan, people: range, folder: Path) -> FreshFrames:
    """The frames of people, rendered where the folder does not have them."""
    frames = FreshFrames(plan, plan.frames * len(people), torch.device("cpu"))
    for number in people:
        frames.add(kept_person(plan, folder, number))
    return frames


def tell(options: argparse.Namespace, found: dict[str, float]) -> None:
    """A row of the table: the recipe and the scores of new people."""
    recipe = {
        "normalised": not options.plain,
        "optimizer": options.optimizer,
        "lr": options.lr,
        "batch_size": options.batch_size,
        "appearance": options.appearance,
        "teacher": options.teacher or "",
        "steps": options.steps,
        "width": options.width,
        "people": options.people,
        "seed": options.seed,
    }
    row = pd.DataFrame([recipe | found | {"commit": source_commit()}])
    before = [pd.read_csv(options.results)] if options.results.is_file() else []
    with write_atomically(options.results) as partial:
        pd.concat([*before, row]).to_csv(partial, index=False, float_format="%.5g", lineterminator="\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--crop-size", type=int, default=167, help="stored width of the people's crops, pixels")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--optimizer", default="adamw", help="adamw or sgd, its momentum 0.9")
    parser.add_argument("--appearance", action="store_true", help="change colours, blur, erase, as the detector does")
    parser.add_argument("--teacher", help="weights of a ResNet-18 to learn from, such as resnet18")
    parser.add_argument("--results", type=Path, help="table to write the recipe and its scores to")
    parser.add_argument("--plain", action="store_true", help="without batch normalisation")
    parser.add_argument("--seed", type=int, default=31, help="of the people and of training")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        plan = FreshPlan(options.facekit, options.seed, options.crop_size, options.assets, FRAMES)
        frames = frames_of(plan, range(options.people), options.keep)
        unseen = dataclasses.replace(plan, seed=options.seed + 1)
        people = range(VALIDATION_PEOPLE)
        validation = as_crop_data(unseen, people, [kept_person(unseen, options.keep, number) for number in people])
        fabric = make_fabric(Hardware(accelerator="cpu"))
        torch.manual_seed(options.seed)
        model = Student(options)
        began = time.process_time()

        def source_of(stage: Stage, number: int) -> FreshSource:
            augment = AugmentConfig(rotation_deg=10.0) if options.appearance else GEOMETRY
            return FreshSource(frames, stage, number, IMAGE_SIZE, options.seed, augment, options.steps)

        def validate(trained: nn.Module, stage: Stage) -> dict[str, float]:
            found = scores(validation, predict_crops(trained, validation, IMAGE_SIZE, bf16=True))
            told = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
            print(f"{time.process_time() - began:.0f} s of one core: {told}", flush=True)
            return found

        loop = LoopSettings(seed=options.seed, ema_decay=0.99, validate_every_epochs=0.2, save_every_minutes=1000)
        out = options.out.parent / f"{options.out.stem}-run"
        out.mkdir(parents=True, exist_ok=True)
        trained = train(model, source_of, out, loop, fabric, validate).model
        found = scores(validation, predict_crops(trained, validation, IMAGE_SIZE))
        if options.results is not None:
            tell(options, found)
        save_file(trained.body.folded(), options.out)  # type: ignore[operator, union-attr]
    except UserError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
