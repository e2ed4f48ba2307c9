"""Train the detector on people who are rendered meanwhile, on one accelerator; several variants see the same frames.

    python experiments/resnet18/train_on_renders.py --facekit DIR --minutes 8 --out runs/release \
        --run detector --run fast:width=32

Every run of `--run NAME[:setting=value,...]` has the settings of configs/resnet18_synthau.yaml but for those named.
All cores render; the runs take turns on the accelerator. Frames stay in its memory: 3 bytes a pixel of the stored
crop. Each run leaves OUT/NAME/model.safetensors, with thresholds of validation people.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data, render_person
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.contract import Stage
from actionunits.runtime.processes import be_a_worker
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import BatchSource, LoopSettings, train
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file
from actionunits.training.start import start_from
from actionunits.training.validation import judged, predict_crops, scores

MODEL, CONFIG = "resnet18", "resnet18_synthau"
STEPS_PER_EPOCH = 1000
FIRST_FRAMES = 8000  # rendered before training begins


def settings_of(text: str) -> tuple[str, Settings]:
    """Name and settings of a `--run`."""
    name, _, changes = text.partition(":")
    words = [word for word in changes.split(",") if word]
    return name, make_settings(MODEL, read_config_file(CONFIG) | parse_assignments(words))


def render_validation(plan: FreshPlan, people: int, workers: int) -> CropData:
    """Crops of people whom no run trains on."""
    numbers = range(people)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        return as_crop_data(plan, numbers, list(pool.map(partial(render_person, plan), numbers)))


def train_one(
    name: str, settings: Settings, frames: FreshFrames, validation: CropData, options: argparse.Namespace
) -> None:
    """One run from its start to its checkpoint."""
    fabric = make_fabric(Hardware(precision=options.precision, devices="1"))
    torch.manual_seed(options.seed)
    model = find_model(MODEL).model(settings.model, SYNTH_AUS)
    if options.init is not None and settings.model.width == 64:
        start_from(model, options.init, body_only=True)
    loop = dataclasses.replace(
        settings.loop, seed=options.seed, max_minutes=options.minutes, save_every_minutes=1e6, log_every_steps=100
    )
    size = settings.model.image_size
    in_bf16 = options.precision == "bf16"
    began = time.monotonic()

    def source_of(stage: Stage, number: int) -> BatchSource:
        stage = dataclasses.replace(stage, epochs=1_000_000)
        return FreshSource(frames, stage, number, size, options.seed, settings.augment, STEPS_PER_EPOCH)

    def validate(network: torch.nn.Module, stage: Stage) -> dict[str, float]:
        found = scores(validation, predict_crops(network, validation, size, device=fabric.device, bf16=in_bf16))
        minutes = (time.monotonic() - began) / 60
        print(f"{name} {stage.name} {minutes:.1f} min, {frames.frames} frames: {found}", flush=True)
        return found

    out = options.out / name
    out.mkdir(parents=True, exist_ok=True)
    result = train(model, source_of, out, LoopSettings(**vars(loop)), fabric, validate)
    header = {
        "data": {
            "names": [f"fresh-{frames.plan.seed}"],
            "rendered": dataclasses.asdict(dataclasses.replace(frames.plan, facekit="ICT Face Model Light")),
            "training_people": frames.people,
            "training_frames": frames.frames,
            "training_subjects": [],  # nobody whom a data set holds
            "validation_names": list(validation.names),
            "validation_subjects": [],
            "occurrence_level": validation.occurrence_level,
            "aligned": validation.aligned,
        },
        "seed": options.seed,
        "commit": source_commit(),
        **judged(result.model, validation, size, fabric.device),
    }
    save_checkpoint(out / "model.safetensors", result.model, header, "float16")
    print(
        f"{name}: {result.steps} steps, {result.images_per_s:.0f} images/s, {header['scores']['validation']}",
        flush=True,
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--minutes", type=float, required=True, help="of training, beside the first renders")
    parser.add_argument("--run", action="append", required=True, help="NAME[:setting=value,...]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="checkpoint whose body the runs of its width start from")
    parser.add_argument("--capacity", type=int, default=300_000, help="frames to render at most")
    parser.add_argument("--workers", type=int, default=max(1, multiprocessing.cpu_count() - 1))
    parser.add_argument("--validation-people", type=int, default=150)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--seed", type=int, default=21)
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    try:
        runs = [settings_of(text) for text in options.run]
        crop = stored_size(max(settings.model.image_size for _, settings in runs))
        plan = FreshPlan(options.facekit, options.seed, crop)
        began = time.monotonic()
        validation = render_validation(
            dataclasses.replace(plan, seed=options.seed + 1), options.validation_people, options.workers
        )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        frames = FreshFrames(plan, options.capacity, device)
        frames.start(options.workers, FIRST_FRAMES)
        print(
            f"{frames.frames} frames and {len(validation)} for validation in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        threads = [
            threading.Thread(target=train_one, args=(name, settings, frames, validation, options))
            for name, settings in runs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        frames.stop()
    except UserError as error:
        print(f"train_on_renders: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
