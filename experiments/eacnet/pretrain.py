"""A VGG-19 to start EAC-Net from, in place of ImageNet's: it learns action units of rendered people.

    python experiments/eacnet/pretrain.py --facekit DIR --assets ASSETS --keep out/people --people 1500 --steps 900 \
        --out vgg.safetensors

It trains with batch normalisation behind groups 2 to 5, without which nineteen layers learn far more slowly (`--plain`
shows that), and with the detector's losses. Each normalisation is then folded into the weights of its convolution:
the file holds a plain VGG-19 with torchvision's names, for `actionunits train eacnet --imagenet`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data, kept_person
from actionunits.errors import UserError
from actionunits.models.contract import Stage
from actionunits.models.layers.vgg import Vgg19Body
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.settings.checks import make_config
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import AugmentConfig
from actionunits.training.validation import predict_crops, scores

NORMALISED = range(2, 6)  # groups; the first one's maps are so large that normalising them takes half of the time
IMAGE_SIZE, MIDDLE_SIZE = 150, 112  # pixels: the middle 3 / 4 of the crop, as EAC-Net sees it, at two thirds
FRAMES = 10  # of each person
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


def network(options: argparse.Namespace) -> ResNet18:
    """The detector's losses and outputs, on a VGG-19."""
    settings = {
        "image_size": IMAGE_SIZE,
        "magnification": 4 / 3,
        "middle_size": MIDDLE_SIZE,
        "width": options.width,
        "dropout": 0.2,
        "sides": True,
        "ccc_weight": 0.5,
        "optimizer": "adamw",
        "lr": options.lr,
        "batch_size": options.batch_size,
        "weight_decay": 0.05,
        "epochs": 1,
        "schedule": "cosine",
        "warmup_steps": 50,
    }
    model = ResNet18(make_config(ResNet18Config, settings, "settings"), SYNTH_AUS)
    model.image.body = NormalisedVgg(options.width, not options.plain)  # type: ignore[assignment]
    model.image.head = nn.Linear(model.image.body.outputs, model.image.head.out_features)
    return model


def frames_of(plan: FreshPlan, people: range, folder: Path) -> FreshFrames:
    """The frames of people, rendered where the folder does not have them."""
    frames = FreshFrames(plan, plan.frames * len(people), torch.device("cpu"))
    for number in people:
        frames.add(kept_person(plan, folder, number))
    return frames


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
        model = network(options)
        began = time.process_time()

        def source_of(stage: Stage, number: int) -> FreshSource:
            augment = AugmentConfig(rotation_deg=10.0)
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
        save_file(trained.image.body.folded(), options.out)  # type: ignore[operator, union-attr]
    except UserError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
