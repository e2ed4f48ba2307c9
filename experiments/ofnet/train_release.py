"""Train OF-Net and AU-Net on rendered people, stage by stage, at one size after the other: how released weights came.

    DATA=(--facekit DIR --assets ASSETS --keep out/people)
    python experiments/ofnet/train_release.py "${DATA[@]}" --stage flow --size 64 --steps 500 --out runs/flow
    python experiments/ofnet/train_release.py "${DATA[@]}" --stage joint --size 64 --steps 1500 \
        --init runs/flow/model.safetensors --out runs/small

The first frame of a rendered person is neutral and the anchor of all others. Both networks are as the paper has them,
with a quarter of the channels; they are small enough to see the people of EAC-Net's released weights
(experiments/eacnet/train_student.py) in a fraction of a second each, so that a folder of them serves both.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, Rows, concatenate
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, as_crop_data, kept_person
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.files import file_sha256
from actionunits.models.contract import Stage
from actionunits.models.ofnet import OfNet, OfNetConfig
from actionunits.runtime.provenance import source_commit
from actionunits.settings.checks import make_config
from actionunits.synth.assets import read_assets
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import parse_assignments
from actionunits.training.source import CropSource
from actionunits.training.validation import judged, predict_crops, scores

sys.path.insert(0, str(Path(__file__).parents[1] / "eacnet"))
from train_student import LARGE, SMALL, VALIDATION_PEOPLE, plan_of

STORED = SMALL["crop_size"]  # pixels: enough around 128
COMMON = {"width": 16, "optimizer": "adam", "lr": 1e-3, "batch_size": 16, "schedule": "cosine", "warmup_steps": 50}
COMMON |= {"epochs": 2, "warmup_epochs": 1}
SHARE_OF_NETWORKS = {"flow": "of_net.", "joint": "", "separate": "au_net."}  # what learns in each stage


def seen(rows: FreshRows) -> FreshRows:
    """A person's pictures in as many pixels as all others."""
    size = (STORED, STORED)
    images = rows.images
    if images.shape[1] != STORED:
        images = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    return dataclasses.replace(rows, images=images)


def with_anchors(plan: FreshPlan, people: int, folder: Path) -> CropData:
    """Frames of people, rendered where the folder does not have them; their first frames are neutral."""
    numbers = range(people)
    data = as_crop_data(plan, numbers, [seen(kept_person(plan, folder, number)) for number in numbers])
    first = np.flatnonzero(data.frame == 0)[data.clip]
    anchor = Rows((data.images,), np.zeros(len(data), np.int32), first)
    return dataclasses.replace(data, anchor=anchor, mesh=None, mesh_valid=None)


def header_of(options: argparse.Namespace, training: CropData, plans: list[FreshPlan]) -> dict[str, Any]:
    """What the checkpoint tells of its run."""
    assets = read_assets(options.assets).fingerprint if options.assets else None
    told = [dataclasses.asdict(plan) | {"facekit": "ICT Face Model Light", "assets": assets} for plan in plans]
    return {
        "data": {
            "names": list(training.names),
            "rendered": told,
            "training_people": len(training.subjects),
            "training_frames": len(training),
            "training_subjects": [],  # nobody whom a data set holds
            "started_from": None if options.init is None else {"sha256": file_sha256(options.init)},
            "validation_names": [f"fresh-{LARGE['seed'] + 2}"],
            "validation_subjects": [],
            "occurrence_level": training.occurrence_level,
            "aligned": training.aligned,
        },
        "seed": options.seed,
        "commit": source_commit(),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--people", type=int, default=1500, help="seen in few pixels")
    parser.add_argument("--large-people", type=int, default=850, help="seen in more")
    parser.add_argument("--stage", choices=SHARE_OF_NETWORKS, required=True)
    parser.add_argument("--size", type=int, default=128, help="width of the crop, pixels")
    parser.add_argument("--init", type=Path, help="checkpoint of the stage before")
    parser.add_argument("--set", action="append", default=[], help="one setting of the model, setting=value")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=51, help="of training")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    return parser.parse_args()


def model_of(options: argparse.Namespace) -> OfNet:
    """Both networks as the stage begins with them, with this stage alone."""
    variant = "separate" if options.stage == "separate" else "joint"
    settings = COMMON | {"variant": variant, "image_size": options.size} | parse_assignments(options.set)
    torch.manual_seed(options.seed)
    model = OfNet(make_config(OfNetConfig, settings, "settings"), SYNTH_AUS)
    if options.init is not None:
        model.load_state_dict(load_checkpoint(options.init).model.state_dict())
    inputs = ("image",) if options.stage == "separate" else ("image", "anchor")
    stage = model._stage(options.stage, SHARE_OF_NETWORKS[options.stage], 1, inputs)
    model.stages = lambda: [stage]  # type: ignore[method-assign]
    return model


def run(options: argparse.Namespace) -> None:
    plans = [plan_of(options, SMALL), plan_of(options, LARGE)]
    counts = (options.people, options.large_people)
    parts = [with_anchors(plan, count, options.keep) for plan, count in zip(plans, counts, strict=True) if count]
    training = concatenate(parts)
    validation = with_anchors(plan_of(options, LARGE, 2), VALIDATION_PEOPLE, options.keep)
    began, size = time.process_time(), options.size

    def source_of(stage: Stage, number: int) -> CropSource:
        source = CropSource(training, stage, number, size, options.seed, AugmentConfig(rotation_deg=10.0))
        source.steps_per_epoch = options.steps
        return source

    def validate(trained: nn.Module, stage: Stage) -> dict[str, float]:
        found = scores(validation, predict_crops(trained, validation, size, bf16=True))
        text = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        print(f"{time.process_time() - began:.0f} s of one core: {text}", flush=True)
        return found

    loop = LoopSettings(seed=options.seed, ema_decay=0.99, validate_every_epochs=min(1.0, 250 / options.steps))
    options.out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(Hardware(accelerator="cpu", precision="bf16"))
    shown = None if options.stage == "flow" else validate
    model = train(model_of(options), source_of, options.out, loop, fabric, shown).model
    del model.stages  # type: ignore[attr-defined]
    header = header_of(options, training, plans) | judged(model, validation, size)
    save_checkpoint(options.out / "model.safetensors", model, header)


def main() -> int:
    torch.set_num_threads(1)
    try:
        run(parse())
    except UserError as error:
        print(f"train_release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
