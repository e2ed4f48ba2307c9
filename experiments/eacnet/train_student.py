"""Train one of EAC-Net's networks from random weights on rendered people, beside a ResNet-18 that it learns from.

    python experiments/eacnet/train_student.py --facekit DIR --assets ASSETS --keep out/people --variant fvgg \
        --teacher resnet18 --steps 2500 --out runs/vgg

ImageNet weights are not to be had at an eighth of VGG-19's width: what this leaves stands in their place. The network
trains with batch normalisation behind the convolutions of groups 2 to 5 (student.py), which is then folded into their
weights: RUN/model.safetensors is as the paper draws it. RUN/student.safetensors has the weights before, for `--init`.
`--results FILE` adds a row that says what a recipe came to on people whom it has not seen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from low_groups import GEOMETRY
from safetensors.torch import load_file, save_file
from student import Student

from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.models.eacnet import EacNetConfig
from actionunits.settings.checks import make_config
from actionunits.training.loop import LoopSettings
from actionunits.training.settings import parse_assignments

sys.path.insert(0, str(Path(__file__).parents[1]))
import students

COMMON = {
    "width": 8,
    "crop_units": 64,
    "dropout": 0.2,
    "intensity": True,
    "image_size": 150,  # two thirds of 224
    "magnification": 4 / 3,
    "middle_size": 112,
    "optimizer": "adamw",
    "lr": 2e-3,
    "batch_size": 32,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup_steps": 50,
    "epochs": 1,
}


def told(options: argparse.Namespace, found: dict[str, float]) -> dict[str, Any]:
    """A row of the table: the recipe and the scores of new people."""
    names = ("variant", "plain", "teacher", "appearance", "steps", "people", "large_people", "seed")
    recipe = {name: getattr(options, name) for name in names} | COMMON | parse_assignments(options.set)
    kept = (*names, "image_size", "width", "optimizer", "lr", "batch_size")
    return {name: recipe[name] for name in kept} | found


def parse() -> argparse.Namespace:
    parser = students.parser_of(__doc__, large_people=0)
    students.add_teacher_options(parser)
    parser.add_argument("--variant", default="fvgg", help="fvgg, enet or eacnet")
    parser.add_argument("--init", type=Path, help="student.safetensors of an earlier run")
    parser.add_argument("--plain", action="store_true", help="without batch normalisation")
    parser.add_argument("--appearance", action="store_true", help="change colours, blur, erase, as the detector does")
    parser.add_argument("--clip", type=float, default=0.0, help="norm at which gradients are clipped; 0: never")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    frames, validation = students.training_frames(options), students.judging_people(options)
    settings = COMMON | {"variant": options.variant} | parse_assignments(options.set)
    config = make_config(EacNetConfig, settings, "settings")
    torch.manual_seed(options.seed)
    model = Student(config, not options.plain, options.teacher)
    if options.init is not None:
        known = {n: v for n, v in load_file(options.init).items() if n in model.state_dict()}
        model.load_state_dict(model.state_dict() | known)
    augment = AugmentConfig(rotation_deg=10.0) if options.appearance else GEOMETRY
    loop = LoopSettings(clip_norm=options.clip)
    student = students.learn(model, options, frames, validation, augment, loop)
    save_file({n: v.contiguous() for n, v in student.state_dict().items()}, options.out / "student.safetensors")
    found = students.keep(student.plain(), options, frames, validation)  # type: ignore[operator]
    if options.results is not None:
        students.add_rows(options.results, [told(options, found)])


if __name__ == "__main__":
    sys.exit(students.as_command("train_student", lambda: run(parse())))
