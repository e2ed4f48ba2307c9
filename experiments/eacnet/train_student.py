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
import dataclasses
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from low_groups import GEOMETRY, people_of
from safetensors.torch import load_file, save_file
from student import Student
from torch import nn

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_person
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.files import file_sha256, write_atomically
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.models.eacnet import EacNetConfig
from actionunits.runtime.provenance import source_commit
from actionunits.settings.checks import make_config
from actionunits.synth.assets import read_assets
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import parse_assignments
from actionunits.training.validation import judged, predict_crops, scores
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

# People whom the default detector and RE-Net learned from, seen in few pixels; and people for 224 pixels.
SMALL = {"seed": 31, "crop_size": 167}
LARGE = {"seed": 41, "crop_size": 256, "frames": 8, "wild_share": 0.5, "sizes_px": (192, 288)}
VALIDATION_PEOPLE = 60
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


class Mixed:
    """Batches of several sources by turns."""

    def __init__(self, sources: list[FreshSource]) -> None:
        self.sources, self.steps_per_epoch = sources, sources[0].steps_per_epoch

    def batches(self, start: int) -> Generator[Batch, None, None]:
        step = start
        while True:
            yield self.sources[step % len(self.sources)].batch(step)
            step += 1


def plan_of(options: argparse.Namespace, chosen: dict[str, Any], after: int = 0) -> FreshPlan:
    """What people show; after: of the people of a later seed."""
    settings = chosen | {"seed": chosen["seed"] + after}
    return FreshPlan(facekit=options.facekit, assets=options.assets, **settings)


def frames_of(plan: FreshPlan, people: int, folder: Path) -> FreshFrames:
    """The frames of people, rendered where the folder does not have them."""
    frames = FreshFrames(plan, plan.frames * people, torch.device("cpu"))
    for number in range(people):
        frames.add(kept_person(plan, folder, number))
    return frames


def told(options: argparse.Namespace, found: dict[str, float]) -> pd.DataFrame:
    """A row of the table: the recipe and the scores of new people."""
    names = ("variant", "plain", "teacher", "appearance", "steps", "people", "large_people", "seed")
    recipe = {name: getattr(options, name) for name in names} | COMMON | parse_assignments(options.set)
    kept = (*names, "image_size", "width", "optimizer", "lr", "batch_size")
    return pd.DataFrame([{name: recipe[name] for name in kept} | found | {"commit": source_commit()}])


def header_of(options: argparse.Namespace, frames: list[FreshFrames], validation: CropData) -> dict[str, Any]:
    """What the checkpoint tells of its run."""
    assets = read_assets(options.assets).fingerprint if options.assets else None
    plans = [dataclasses.asdict(f.plan) | {"facekit": "ICT Face Model Light", "assets": assets} for f in frames]
    return {
        "data": {
            "names": [f"fresh-{f.plan.seed}" for f in frames],
            "rendered": plans,
            "training_people": sum(f.people for f in frames),
            "training_frames": sum(f.frames for f in frames),
            "training_subjects": [],  # nobody whom a data set holds
            "started_from": None if options.init is None else {"sha256": file_sha256(options.init)},
            "taught_by": None if options.teacher is None else taught_by(options.teacher),
            "validation_names": list(validation.names),
            "validation_subjects": [],
            "occurrence_level": validation.occurrence_level,
            "aligned": validation.aligned,
        },
        "seed": options.seed,
        "commit": source_commit(),
    }


def taught_by(teacher: str) -> dict[str, str]:
    """Which weights were learned from."""
    header = read_header(find_weights(teacher))
    return {"sha256": header["sha256"], "model": header["model"]}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--people", type=int, default=1500, help="seen in few pixels")
    parser.add_argument("--large-people", type=int, default=0, help="seen in 224 pixels")
    parser.add_argument("--variant", default="fvgg", help="fvgg, enet or eacnet")
    parser.add_argument("--teacher", help="weights of a ResNet-18 to learn from, such as resnet18")
    parser.add_argument("--init", type=Path, help="student.safetensors of an earlier run")
    parser.add_argument("--plain", action="store_true", help="without batch normalisation")
    parser.add_argument("--appearance", action="store_true", help="change colours, blur, erase, as the detector does")
    parser.add_argument("--clip", type=float, default=0.0, help="norm at which gradients are clipped; 0: never")
    parser.add_argument("--set", action="append", default=[], help="one setting of the model, setting=value")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=31, help="of training")
    parser.add_argument("--results", type=Path, help="table to add the recipe and its scores to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    frames = [frames_of(plan_of(options, SMALL), options.people, options.keep)] if options.people else []
    if options.large_people:
        frames.append(frames_of(plan_of(options, LARGE), options.large_people, options.keep))
    # Nobody's judge has been seen by the default detector.
    validation = people_of(plan_of(options, LARGE, 2), range(VALIDATION_PEOPLE), options.keep)
    settings = COMMON | {"variant": options.variant} | parse_assignments(options.set)
    config = make_config(EacNetConfig, settings, "settings")
    torch.manual_seed(options.seed)
    model = Student(config, not options.plain, options.teacher)
    if options.init is not None:
        known = {n: v for n, v in load_file(options.init).items() if n in model.state_dict()}
        model.load_state_dict(model.state_dict() | known)
    began, size = time.process_time(), config.image_size

    def source_of(stage: Stage, number: int) -> Mixed:
        augment = AugmentConfig(rotation_deg=10.0) if options.appearance else GEOMETRY
        return Mixed([FreshSource(f, stage, number, size, options.seed, augment, options.steps) for f in frames])

    def validate(trained: nn.Module, stage: Stage) -> dict[str, float]:
        found = scores(validation, predict_crops(trained, validation, size, bf16=True))
        text = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        print(f"{time.process_time() - began:.0f} s of one core: {text}", flush=True)
        return found

    loop = LoopSettings(seed=options.seed, clip_norm=options.clip, ema_decay=0.99, save_every_minutes=1e6)
    loop = dataclasses.replace(loop, validate_every_epochs=min(1.0, 200 / options.steps))
    options.out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(Hardware(accelerator="cpu"))
    student = train(model, source_of, options.out, loop, fabric, validate).model
    save_file({n: v.contiguous() for n, v in student.state_dict().items()}, options.out / "student.safetensors")
    network = student.plain()  # type: ignore[operator]
    header = header_of(options, frames, validation) | judged(network, validation, size)
    save_checkpoint(options.out / "model.safetensors", network, header)
    if options.results is not None:
        row = told(options, header["scores"]["validation"])
        before = [pd.read_csv(options.results)] if options.results.is_file() else []
        with write_atomically(options.results) as partial:
            pd.concat([*before, row]).to_csv(partial, index=False, float_format="%.5g", lineterminator="\n")


def main() -> int:
    torch.set_num_threads(1)
    try:
        run(parse())
    except UserError as error:
        print(f"train_student: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
