"""Train on people who are rendered meanwhile, on one accelerator; several runs see the same frames.

    python experiments/resnet18/train_on_renders.py --facekit DIR --minutes 8 --out runs/release \
        --run detector=resnet18:batch_size=1024,lr=2e-3 --run fast=resnet18:width=32 --run renet=renet

Every `--run NAME=MODEL[:setting=value,...]` has the settings of configs/MODEL_synthau.yaml but for those named, and a
process of its own. All other cores render. Frames stay in the memory of the accelerator: 3 bytes for a pixel of the
stored crop. Each run leaves OUT/NAME/model.safetensors, with thresholds of validation people.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data, kept_person
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.contract import Stage
from actionunits.runtime.processes import be_a_worker
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource, Rendering
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.labels import with_relations
from actionunits.training.loop import BatchSource, train
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file
from actionunits.training.start import start_from
from actionunits.training.validation import judged, predict_crops, scores
from actionunits.weights.checkpoint_file import read_header

sys.path.insert(0, str(Path(__file__).parents[1]))
import students

STEPS_PER_EPOCH = 1000
UNBOUNDED = 1_000_000  # epochs; the clock ends a run
FIRST_FRAMES = 8000  # rendered before training begins


def settings_of(text: str) -> tuple[str, str, Settings]:
    """Name, model and settings of a `--run`."""
    name, _, rest = text.partition("=")
    model, _, changes = rest.partition(":")
    words = [word for word in changes.split(",") if word]
    return name, model, make_settings(model, read_config_file(f"{model}_synthau") | parse_assignments(words))


def render_validation(plan: FreshPlan, people: int, workers: int, folder: Path | None = None) -> CropData:
    """Crops of people whom no run trains on."""
    numbers = range(people)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        return as_crop_data(plan, numbers, list(pool.map(partial(kept_person, plan, folder), numbers)))


def train_one(text: str, frames: FreshFrames, validation: CropData, options: argparse.Namespace) -> None:
    """One run from its start to its checkpoint."""
    name, model_name, settings = settings_of(text)
    # The relations of validation people stand for those of all: the same plan draws both.
    settings = with_relations(settings, validation)
    fabric = make_fabric(Hardware(precision=options.precision, devices="1"))
    torch.manual_seed(options.seed)
    model = find_model(model_name).model(settings.model, SYNTH_AUS)
    if options.init is not None and settings.model.width == read_header(options.init)["config"]["width"]:
        start_from(model, options.init, settings.loop.init_body_only)
    loop = dataclasses.replace(settings.loop, seed=options.seed, max_minutes=options.minutes, log_every_steps=200)
    loop = dataclasses.replace(loop, save_every_minutes=UNBOUNDED, validate_every_epochs=1)
    size, in_bf16 = settings.model.image_size, options.precision == "bf16"
    began = time.monotonic()

    def source_of(stage: Stage, number: int) -> BatchSource:
        return FreshSource(frames, stage, number, size, options.seed, settings.augment, STEPS_PER_EPOCH)

    def validate(network: torch.nn.Module, stage: Stage) -> dict[str, float]:
        found = scores(validation, predict_crops(network, validation, size, device=fabric.device, bf16=in_bf16))
        text = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
        minutes = (time.monotonic() - began) / 60
        print(f"{minutes:.1f} min {name} {stage.name}: {text} ({frames.frames} frames)", flush=True)
        return found

    out = options.out / name
    out.mkdir(parents=True, exist_ok=True)
    result = train(_without_end(model), source_of, out, loop, fabric, validate)
    header = students.header_of(options, [frames.plan], frames.people, frames.frames, validation)
    header |= judged(result.model, validation, size, fabric.device)
    save_checkpoint(out / "model.safetensors", result.model, header, "float16")
    print(f"{name}: {result.steps} steps, {result.images_per_s:.0f} images/s", flush=True)


def _without_end(model: Any) -> Any:
    """The model with stages that only the clock ends."""
    stages = [dataclasses.replace(stage, epochs=UNBOUNDED) for stage in model.stages() if stage.epochs > 0]
    model.stages = lambda: stages
    return model


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--minutes", type=float, required=True, help="of training, beside the first renders")
    parser.add_argument("--run", action="append", required=True, help="NAME=MODEL[:setting=value,...]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="checkpoint that the runs of its width start from")
    parser.add_argument("--capacity", type=int, default=300_000, help="frames to render at most")
    parser.add_argument("--first-frames", type=int, default=FIRST_FRAMES, help="rendered before training begins")
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count(), help="processes that render")
    parser.add_argument("--validation-people", type=int, default=150)
    parser.add_argument("--keep", type=Path, help="folder of rendered people, for the next run with the same code")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--seed", type=int, default=21)
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    try:
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
        crop = stored_size(max(settings_of(text)[2].model.image_size for text in options.run))
        plan = FreshPlan(options.facekit, options.seed, crop, options.assets)
        began = time.monotonic()
        unseen = dataclasses.replace(plan, seed=options.seed + 1)
        validation = render_validation(unseen, options.validation_people, options.workers, options.keep)
        frames = FreshFrames(plan, options.capacity, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        rendering = Rendering(frames, options.workers, options.keep)
        rendering.wait_for(min(options.first_frames, options.capacity))
        print(f"{frames.frames} frames after {time.monotonic() - began:.0f} s", flush=True)
        spawn = multiprocessing.get_context("spawn")
        runs = [spawn.Process(target=train_one, args=(text, frames, validation, options)) for text in options.run]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        rendering.stop()
    except UserError as error:
        print(f"train_on_renders: {error}", file=sys.stderr)
        return 2
    return max(abs(run.exitcode or 0) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
