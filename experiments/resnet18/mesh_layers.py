"""Train an image branch that begins with the layers of MediaPipe's mesh network: half of the released detector's.

    DATA=(--facekit DIR --assets ASSETS --keep out/people --large-people 850)
    python experiments/resnet18/mesh_layers.py "${DATA[@]}" --stage behind --steps 800 --set lr=1e-3 --out runs/behind
    python experiments/resnet18/mesh_layers.py "${DATA[@]}" --stage all --steps 1900 \
        --init runs/behind/model.safetensors --out runs/mesh

The layers have learned from real faces where brows, lids and lips are. First only what stands behind them learns to
read action units off their maps, then all of it, they at a rate of their own (`--layers-rate`). `release.py --beside`
puts what comes of it beside a ResNet-18, or in its place with `--without-resnet`. `--init` takes released weights
too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from actionunits.aus import SYNTH_AUS
from actionunits.models.contract import Stage
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.settings.checks import make_config
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.loop import LoopSettings
from actionunits.training.settings import make_settings, parse_assignments, read_config_file
from actionunits.weights.locate import find_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
import students

RECIPE = {
    "width": 0,
    "mesh_features": 256,
    "image_size": 146,  # the detector's view of a face
    "dropout": 0.3,
    "sides": True,
    "optimizer": "adamw",
    "lr": 5e-4,
    "batch_size": 64,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup_steps": 30,
    "epochs": 1,
}
LEARNS = {"behind": ("image.maps.", "image.head."), "all": ("image.",)}


def parse() -> argparse.Namespace:
    parser = students.parser_of(__doc__, large_people=0)
    parser.add_argument("--stage", choices=LEARNS, required=True)
    parser.add_argument("--init", help="checkpoint of the stage before, or released weights")
    parser.add_argument(
        "--layers-rate", type=float, default=0.5, help="learning rate of the mesh network's layers, as a part of lr"
    )
    parser.add_argument("--seed", type=int, default=31, help="of training")
    options = parser.parse_args()
    if options.init is not None:
        options.init = find_weights(options.init)
    return options


def model_of(options: argparse.Namespace) -> ResNet18:
    """The image branch as the stage begins with it, with this stage alone."""
    torch.manual_seed(options.seed)
    config = make_config(ResNet18Config, RECIPE | parse_assignments(options.set), "settings")
    model = ResNet18(config, SYNTH_AUS)
    if options.init is not None:
        given = load_checkpoint(options.init).model.state_dict()
        model.load_state_dict({name: value for name, value in given.items() if name.startswith("image.")})
    rates = (("image.mesh_body.", options.layers_rate),)
    stage = Stage.of(config, name="image", parameters=LEARNS[options.stage], lr_factors=rates)
    model.stages = lambda: [stage]  # type: ignore[method-assign]
    return model


def run(options: argparse.Namespace) -> None:
    frames, validation = students.training_frames(options), students.judging_people(options)
    augment = make_settings("resnet18", read_config_file("resnet18_synthau")).augment
    trained = students.learn(model_of(options), options, frames, validation, augment, LoopSettings(clip_norm=2.0))
    del trained.stages  # type: ignore[attr-defined]
    students.keep(trained, options, frames, validation)


if __name__ == "__main__":
    sys.exit(students.as_command("mesh_layers", lambda: run(parse())))
