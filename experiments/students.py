"""What the scripts share that train one small network on rendered people and keep it for release."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data, kept_person
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.files import file_sha256, write_atomically
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.runtime.provenance import source_commit
from actionunits.synth.assets import read_assets
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.validation import judged, predict_crops, scores
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

# People whom the default detector and RE-Net learned from, seen in few pixels; and people for 224 pixels.
SMALL = {"seed": 31, "crop_size": 167}
LARGE = {"seed": 41, "crop_size": 256, "frames": 8, "wild_share": 0.5, "sizes_px": (192, 288)}
JUDGES_AFTER, JUDGES = 2, 60  # seeds behind that of LARGE, and people, whom no released detector has learned from
STEPS_BETWEEN_LOOKS = 200  # at the validation people


def parser_of(description: str | None, large_people: int) -> argparse.ArgumentParser:
    """The options that all of them have; large_people: how many are seen in more pixels unless an option says so."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--people", type=int, default=1500, help="seen in few pixels")
    parser.add_argument("--large-people", type=int, default=large_people, help="seen in more pixels")
    parser.add_argument("--set", action="append", default=[], help="one setting of the model, setting=value")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    return parser


def add_teacher_options(parser: argparse.ArgumentParser) -> None:
    """Options of a network that learns beside another one, and of the table that says what came of it."""
    parser.add_argument("--teacher", help="weights of a ResNet-18 to learn from, such as resnet18")
    parser.add_argument("--seed", type=int, default=31, help="of training")
    parser.add_argument("--results", type=Path, help="table to add the recipe and its scores to")


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


def training_frames(options: argparse.Namespace) -> list[FreshFrames]:
    """The frames of the people whom the options ask for, those in few pixels first."""
    asked = ((SMALL, options.people), (LARGE, options.large_people))
    return [frames_of(plan_of(options, chosen), people, options.keep) for chosen, people in asked if people]


def judging_people(options: argparse.Namespace) -> CropData:
    """The people whom a network is judged on while it learns."""
    return kept_crop_data(plan_of(options, LARGE, JUDGES_AFTER), range(JUDGES), options.keep)


def header_of(
    options: argparse.Namespace, plans: Sequence[FreshPlan], people: int, frames: int, validation: CropData
) -> dict[str, Any]:
    """What the checkpoint tells of its run on so many people and frames."""
    assets = read_assets(options.assets).fingerprint if options.assets else None
    made_with = {"facekit": "ICT Face Model Light", "assets": assets}
    teacher = getattr(options, "teacher", None)
    return {
        "data": {
            "names": [f"fresh-{plan.seed}" for plan in plans],
            "rendered": [dataclasses.asdict(plan) | made_with for plan in plans],
            "training_people": people,
            "training_frames": frames,
            "training_subjects": [],  # nobody whom a data set holds
            "started_from": None if options.init is None else {"sha256": file_sha256(options.init)},
            "taught_by": None if teacher is None else taught_by(teacher),
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


class Mixed:
    """Batches of several sources by turns."""

    def __init__(self, sources: list[FreshSource]) -> None:
        self.sources, self.steps_per_epoch = sources, sources[0].steps_per_epoch

    def batches(self, start: int) -> Generator[Batch, None, None]:
        step = start
        while True:
            yield self.sources[step % len(self.sources)].batch(step)
            step += 1


def judge_of(validation: CropData, size: int) -> Callable[[nn.Module, Stage], dict[str, float]]:
    """What the loop asks for scores of the validation people, in crops of this size; it prints them as well."""
    began = time.process_time()

    def validate(trained: nn.Module, stage: Stage) -> dict[str, float]:
        found = scores(validation, predict_crops(trained, validation, size, bf16=True))
        text = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        print(f"{time.process_time() - began:.0f} s of one core: {text}", flush=True)
        return found

    return validate


def learn(
    model: nn.Module,
    options: argparse.Namespace,
    frames: list[FreshFrames],
    validation: CropData,
    augment: AugmentConfig,
    loop: LoopSettings,
) -> nn.Module:
    """The model after its steps on the frames. loop: what is special of it; the rest comes from the options."""
    size = model.config.image_size

    def source_of(stage: Stage, number: int) -> Mixed:
        return Mixed([FreshSource(f, stage, number, size, options.seed, augment, options.steps) for f in frames])

    looks = min(1.0, STEPS_BETWEEN_LOOKS / options.steps)
    loop = dataclasses.replace(loop, seed=options.seed, ema_decay=0.99, save_every_minutes=1e6)
    loop = dataclasses.replace(loop, validate_every_epochs=looks)
    options.out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(Hardware(accelerator="cpu"))
    return train(model, source_of, options.out, loop, fabric, judge_of(validation, size)).model


def keep(
    network: nn.Module, options: argparse.Namespace, frames: list[FreshFrames], validation: CropData
) -> dict[str, float]:
    """Write the network that has learned to model.safetensors, and return its scores of the validation people."""
    plans, people, count = [f.plan for f in frames], sum(f.people for f in frames), sum(f.frames for f in frames)
    header = header_of(options, plans, people, count, validation)
    header |= judged(network, validation, network.config.image_size)
    save_checkpoint(options.out / "model.safetensors", network, header)
    return header["scores"]["validation"]


def add_rows(table: Path, rows: list[dict[str, Any]], named_by: Sequence[str] = ()) -> None:
    """Add rows to a table of results, which is made where there is none.

    named_by: columns; a row that agrees with a new one in all of them gives way to it.
    """
    before = [pd.read_csv(table)] if table.is_file() else []
    joined = pd.concat([*before, pd.DataFrame(rows).assign(commit=source_commit())])
    if named_by:
        joined = joined.drop_duplicates(list(named_by), keep="last")
    with write_atomically(table) as partial:
        joined.to_csv(partial, index=False, float_format="%.5g", lineterminator="\n")


def as_command(name: str, run: Callable[[], None]) -> int:
    """Exit code of a script that does this on one thread."""
    torch.set_num_threads(1)
    try:
        run()
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
