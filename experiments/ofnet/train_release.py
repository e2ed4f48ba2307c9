"""Train OF-Net and AU-Net on rendered people, stage by stage, at one size after the other: how released weights came.

    DATA=(--facekit DIR --assets ASSETS --keep out/people)
    python experiments/ofnet/train_release.py "${DATA[@]}" --stage flow --size 64 --steps 500 --out runs/flow
    python experiments/ofnet/train_release.py "${DATA[@]}" --stage joint --size 64 --steps 1500 \
        --init runs/flow/model.safetensors --out runs/small

    python experiments/ofnet/train_release.py "${DATA[@]}" --stage joint --size 64 --steps 3000 \
        --init runs/small/model.safetensors --motion out/train out/more --out runs/told

The first frame of a rendered person is neutral and the anchor of all others. With `--motion`, folders of renders with
their true motion (controlled.py names the commands), half of every batch is of these people, whose motion OF-Net is
told; the losses that compare frame and anchor are then left out. Both networks are as the paper has them, with a
quarter of the channels; they are small enough to see the people of EAC-Net's released weights
(experiments/eacnet/train_student.py) in a fraction of a second each, so that a folder of them serves both.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from controlled import ToldJointly, known_motion

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, Rows, concatenate, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, as_crop_data, kept_person
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.models.contract import Stage
from actionunits.models.ofnet import OfNet, OfNetConfig
from actionunits.models.ofnet.model import AU_NET, BOTH, OF_NET
from actionunits.settings.checks import make_config
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import parse_assignments
from actionunits.training.source import CropSource
from actionunits.training.validation import judged

sys.path.insert(0, str(Path(__file__).parents[1]))
import students
from students import JUDGES, JUDGES_AFTER, LARGE, SMALL, plan_of

COMMON = {"width": 16, "optimizer": "adam", "lr": 1e-3, "batch_size": 16, "schedule": "cosine", "warmup_steps": 50}
COMMON |= {"epochs": 2, "warmup_epochs": 1}
LEARNS = {"flow": OF_NET, "joint": BOTH, "separate": AU_NET}  # whose parameters, in each stage


def seen(rows: FreshRows, size: int) -> FreshRows:
    """A person's pictures in as many pixels as all others."""
    images = rows.images
    if images.shape[1] != size:
        images = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in images])
    return dataclasses.replace(rows, images=images)


def with_anchors(plan: FreshPlan, people: int, folder: Path, size: int) -> CropData:
    """Frames of people, rendered where the folder does not have them; their first frames are neutral.

    size: width of the network's crop, pixels.
    """
    numbers = range(people)
    stored = stored_size(size)
    data = as_crop_data(plan, numbers, [seen(kept_person(plan, folder, number), stored) for number in numbers])
    first = np.flatnonzero(data.frame == 0)[data.clip]
    anchor = Rows((data.images,), np.zeros(len(data), np.int32), first)
    return dataclasses.replace(data, anchor=anchor, mesh=None, mesh_valid=None)


def with_motion(folders: list[Path], size: int) -> CropData:
    """Frames of renders with their true motion; NaN where it is not known."""
    data = load_data(folders, stored_size(size), aus=SYNTH_AUS, workers=1)
    motion = np.concatenate([known_motion(folder, data.size, data.margin) for folder in folders])
    return dataclasses.replace(data, flow=Rows.of(motion))


def without_motion(data: CropData) -> CropData:
    """The same frames, their motion unknown."""
    nothing = np.full((1, 2, data.size, data.size), np.nan, np.float16)
    first = np.zeros(len(data), np.int32)
    return dataclasses.replace(data, flow=Rows((nothing,), first, first))


def parse() -> argparse.Namespace:
    parser = students.parser_of(__doc__, large_people=850)
    parser.add_argument("--stage", choices=LEARNS, required=True)
    parser.add_argument("--size", type=int, default=128, help="width of the crop, pixels")
    parser.add_argument("--init", type=Path, help="checkpoint of the stage before")
    parser.add_argument("--motion", type=Path, nargs="+", default=[], help="renders whose true motion OF-Net is told")
    parser.add_argument("--seed", type=int, default=51, help="of training")
    options = parser.parse_args()
    if options.motion and options.stage != "joint":
        parser.error("--motion goes with --stage joint")
    return options


def model_of(options: argparse.Namespace) -> OfNet:
    """Both networks as the stage begins with them, with this stage alone."""
    variant = "separate" if options.stage == "separate" else "joint"
    settings = COMMON | {"variant": variant, "image_size": options.size} | parse_assignments(options.set)
    torch.manual_seed(options.seed)
    kind = ToldJointly if options.motion else OfNet
    model = kind(make_config(OfNetConfig, settings, "settings"), SYNTH_AUS)
    if options.init is not None:
        model.load_state_dict(load_checkpoint(options.init).model.state_dict())
    inputs = ("image",) if options.stage == "separate" else ("image", "flow" if options.motion else "anchor")
    stage = model._stage(options.stage, LEARNS[options.stage], 1, inputs)
    model.stages = lambda: [stage]  # type: ignore[method-assign]
    return model


def run(options: argparse.Namespace) -> None:
    plans = [plan_of(options, SMALL), plan_of(options, LARGE)]
    counts = (options.people, options.large_people)
    size = options.size
    people = zip(plans, counts, strict=True)
    training = concatenate([with_anchors(plan, count, options.keep, size) for plan, count in people if count])
    weight, told = None, ()
    if options.motion:
        renders = with_motion(options.motion, size)
        told = renders.present_subjects
        weight = np.repeat([1.0, len(training) / len(renders)], [len(training), len(renders)])
        training = concatenate([without_motion(training), renders])
    validation = with_anchors(plan_of(options, LARGE, JUDGES_AFTER), JUDGES, options.keep, size)

    def source_of(stage: Stage, number: int) -> CropSource:
        source = CropSource(training, stage, number, size, options.seed, AugmentConfig(rotation_deg=10.0), weight)
        source.steps_per_epoch = options.steps
        return source

    loop = LoopSettings(seed=options.seed, ema_decay=0.99, validate_every_epochs=min(1.0, 500 / options.steps))
    options.out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(Hardware(accelerator="cpu", precision="bf16"))
    shown = None if options.stage == "flow" else students.judge_of(validation, size)
    learned = train(model_of(options), source_of, options.out, loop, fabric, shown).model
    model = OfNet(learned.config, learned.aus).eval()  # what OF-Net was told is of training alone
    model.load_state_dict(learned.state_dict())
    header = students.header_of(options, plans, len(training.subjects), len(training), validation)
    header["data"]["training_subjects"] = list(told)
    save_checkpoint(options.out / "model.safetensors", model, header | judged(model, validation, size))


if __name__ == "__main__":
    sys.exit(students.as_command("train_release", lambda: run(parse())))
