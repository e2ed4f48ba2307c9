"""ResNet-18, DRML and HOG on the frames of `equal_steps.py`, after as many steps, beside "always present".

    python experiments/eacnet/rivals.py --facekit DIR --assets ASSETS --keep out/people --out out/rivals

As the VGG-19 of the three networks did, each first sees the people of `train_student.py`, then those of
`equal_steps.py`, without changes of appearance. Writes results/eacnet_rivals.csv; with `--rows`, the other rows stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from equal_steps import FRAMES, RESULTS, SEED, SIZES_PX, row_of
from low_groups import GEOMETRY

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.evaluation.predictions import FramePredictions, write_predictions
from actionunits.models import find_model
from actionunits.models.contract import Stage
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.validation import CropPredictions, predict_crops, thresholds

sys.path.insert(0, str(Path(__file__).parents[1]))
from students import SMALL, add_rows, frames_of, plan_of

ADAM = {"optimizer": "adamw", "lr": 2e-3, "batch_size": 32, "epochs": 1, "schedule": "cosine", "warmup_steps": 50}
RESNET = {"image_size": 150, "magnification": 4 / 3, "middle_size": 112, "width": 16, "ccc_weight": 0.5}
DRML = {"image_size": 122, "width": 16, "dense_units": (512, 256), "dropout": 0.2, "weight_decay": 0.0}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet-18": ("resnet18", RESNET | ADAM | {"weight_decay": 0.05}),
    "DRML": ("drml", DRML | ADAM | {"lr": 5e-4}),
    "HOG": ("hog", {"batch_size": 32, "epochs": 1}),
}


def trained(model: Any, parts: list[tuple[FreshFrames, int]], seed: int, out: Path) -> Any:
    """The model after so many steps on the frames of each part, one part after the other."""
    loop = LoopSettings(seed=seed, clip_norm=0.0, ema_decay=0.99, save_every_minutes=1e6)
    size = model.config.image_size
    out.mkdir(parents=True, exist_ok=True)
    for frames, steps in parts:

        def source_of(stage: Stage, number: int, frames: FreshFrames = frames, steps: int = steps) -> FreshSource:
            return FreshSource(frames, stage, number, size, seed, GEOMETRY, steps)

        model = train(model, source_of, out, loop, make_fabric(Hardware(accelerator="cpu"))).model
    return model.eval()


def judged(model: Any, test: CropData, valid: CropData, about: dict[str, Any]) -> FramePredictions:
    """Predictions for the test people, with thresholds of the validation people."""
    size = model.config.image_size
    chosen = thresholds(valid, predict_crops(model, valid, size))
    return FramePredictions.of(test, predict_crops(model, test, size), np.array(list(chosen.values())), about=about)


def always_present(test: CropData) -> FramePredictions:
    """Every action unit is called present in every frame."""
    nothing = CropPredictions(np.zeros(test.au_present.shape, np.float32), None)
    return FramePredictions.of(test, nothing, np.zeros(len(test.aus)), about={"run": "always present", "seed": 0})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--before", type=int, default=800, help="steps of train_student.py")
    parser.add_argument("--steps", type=int, default=600, help="of the three stages of equal_steps.py")
    parser.add_argument("--before-people", type=int, default=1500)
    parser.add_argument("--people", type=int, default=850)
    parser.add_argument("--test-people", type=int, default=100)
    parser.add_argument("--valid-people", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED, 256, options.assets, FRAMES, wild_share=0.5, sizes_px=SIZES_PX)
    test, valid = (
        kept_crop_data(dataclasses.replace(plan, seed=SEED + k), range(count), options.keep)
        for k, count in ((1, options.test_people), (2, options.valid_people))
    )
    parts = [
        (frames_of(plan_of(options, SMALL), options.before_people, options.keep), options.before),
        (frames_of(plan, options.people, options.keep), options.steps),
    ]
    rows = [{"row": "always present", "seed": 0, "steps": 0} | row_of(always_present(test))]
    for name in options.rows.split(","):
        key, settings = ROWS[name]
        for seed in range(options.seeds):
            torch.manual_seed(seed)
            entry = find_model(key)
            model = trained(entry.model(entry.config(**settings), SYNTH_AUS), parts, seed, options.out / "run")
            frames = judged(model, test, valid, {"run": name, "seed": seed})
            write_predictions(options.out / f"{name}-{seed}.parquet", frames)
            rows.append({"row": name, "seed": seed, "steps": options.before + options.steps} | row_of(frames))
            print(f"{time.process_time():.0f} s {rows[-1]}", flush=True)
    add_rows(RESULTS / "eacnet_rivals.csv", rows, ("row", "seed"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
