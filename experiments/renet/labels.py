"""RE-Net beside ResNet-18 at equal labels, pictures and steps: what the graph, the rows and one label a step do.

    python experiments/renet/labels.py --facekit DIR --assets DIR --people-folder DIR

People are rendered into the folder once, and read from it the next time. Networks have a quarter of the width and 56
pixels. A ResNet-18 is trained first. Every row starts from its convolutions and normalisations, with a last layer at
random, and sees the same pictures in the same order for each seed. "One label" hides
all labels of a batch but those of one action unit, which RE-Net with one AU a step reads alone. Writes
results/renet_labels.csv: mean AUC, F1 and ICC over the action units of people whom no row has seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import multiprocessing

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, as_crop_data, kept_person
from actionunits.files import write_atomically
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.runtime.processes import be_a_worker
from actionunits.runtime.provenance import source_commit
from actionunits.scores.relations import label_relations
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.fresh_source import FreshFrames, FreshSource
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.labels import with_relations
from actionunits.training.loop import BatchSource, TrainResult, train
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file
from actionunits.training.source import step_seed
from actionunits.training.start import start_from
from actionunits.training.validation import predict_crops, scores

OUT = Path(__file__).parents[2] / "results" / "renet_labels.csv"
KEPT_SIZE = 167  # of the crops in the folder: those that the default detector trains on
COMMON = ["image_size=73", "magnification=1.3", "middle_size=56", "width=16", "lr=1e-3", "batch_size=64"]
BODY = ("ResNet-18", "resnet18", ["ccc_weight=0", "sides=false", "landmark_branch=false"], False)
# Name, model, settings, and whether a batch of a model for all AUs tells the labels of one AU alone.
ROWS = (
    ("ResNet-18, all labels", *BODY[1:]),
    ("ResNet-18, one label", *BODY[1:3], True),
    ("RE-Net, one AU a step", "renet", [], False),
    ("RE-Net, one AU, then all (1/5)", "renet", ["all_aus_share=0.2"], False),
    ("RE-Net without the graph", "renet", ["variant=unrelated"], False),
    ("RE-Net, scale 1 and bias 0", "renet", ["variant=plain"], False),
    ("RE-Net, learned relations", "renet", ["variant=learnable"], False),
    ("RE-Net, shared last layer", "renet", ["head=shared"], False),
)


def small_person(plan: FreshPlan, folder: Path, size: int, magnification: float, number: int) -> FreshRows:
    """One person of a plan, with the middle of each crop, this much larger, in `size` pixels."""
    rows = kept_person(plan, folder, number)
    edge = round(plan.crop_size * (1 - 1 / magnification) / 2)
    inside = slice(edge, plan.crop_size - edge)
    images = [cv2.resize(image[inside, inside], (size, size), interpolation=cv2.INTER_AREA) for image in rows.images]
    return dataclasses.replace(rows, images=np.stack(images))


def people(
    plan: FreshPlan, folder: Path, numbers: Sequence[int], workers: int, size: int, magnification: float = 1.0
) -> list[FreshRows]:
    """Some people of a plan, rendered into the folder where they are not there; see `small_person`."""
    one = partial(small_person, plan, folder, size, magnification)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        return list(pool.map(one, numbers, chunksize=8))


class OneLabel:
    """Batches of `source` in which a single AU, drawn anew for each, has labels."""

    def __init__(self, source: BatchSource, seed: int, aus: int) -> None:
        """aus: how many the batches have."""
        self.source, self.seed, self.aus, self.steps_per_epoch = source, seed, aus, source.steps_per_epoch

    def batches(self, start: int) -> Generator[Batch, None, None]:
        for step, batch in enumerate(self.source.batches(start), start):
            chosen = np.random.default_rng(step_seed(self.seed, 9, step)).integers(self.aus)
            only = torch.zeros(self.aus, dtype=torch.bool)
            only[chosen] = True
            assert batch.au_present_valid is not None and batch.au_intensity_valid is not None
            present, intensity = batch.au_present_valid & only, batch.au_intensity_valid & only
            yield dataclasses.replace(batch, au_present_valid=present, au_intensity_valid=intensity)


def settings_of(model: str, changes: list[str], steps: int) -> Settings:
    """Those of configs/MODEL_synthau.yaml, small, for so many steps of five epochs."""
    words = [*COMMON, "epochs=5", "ema_decay=0.99", f"validate_every_epochs={2 * steps}", *changes]
    return make_settings(model, read_config_file(f"{model}_synthau") | parse_assignments(words))


def trained(
    model_name: str,
    settings: Settings,
    aus: tuple[int, ...],
    source_of: Callable[[Stage, int], BatchSource],
    seed: int,
    out: Path,
    start: Path | None = None,
) -> TrainResult:
    """A network trained to its last step; start: the ResNet-18 that lends its body."""
    torch.manual_seed(seed)
    model = find_model(model_name).model(settings.model, aus)
    if start is not None:
        start_from(model, start, body_only=True)
    fabric = make_fabric(Hardware(precision="bf16", devices="1"))
    result = train(model, source_of, out, dataclasses.replace(settings.loop, seed=seed), fabric)
    if not result.finished:
        raise KeyboardInterrupt
    return result


def train_row(
    row: tuple[str, str, list[str], bool],
    frames: FreshFrames,
    shown: CropData,
    test: CropData,
    steps: int,
    seed: int,
    out: Path,
    start: Path | None = None,
) -> dict[str, Any]:
    """Scores of one row on people whom it has not seen; start: the ResNet-18 that lends its body.

    The network is left in `out`.
    """
    name, model_name, changes, one_label = row
    settings = with_relations(settings_of(model_name, changes, steps), shown)
    size = settings.model.image_size

    def source_of(stage: Stage, number: int) -> FreshSource | OneLabel:
        source = FreshSource(frames, stage, number, size, seed, settings.augment, steps // 5)
        return OneLabel(source, seed, len(SYNTH_AUS)) if one_label else source

    began = time.process_time()
    result = trained(model_name, settings, SYNTH_AUS, source_of, seed, out, start)
    seconds = time.process_time() - began
    save_checkpoint(out / "model.safetensors", result.model, {"data": {}}, "float32")
    found = scores(test, predict_crops(result.model, test, size))
    print(f"{name}, seed {seed}: {found} {seconds:.0f} s", flush=True)
    return {"row": name, "seed": seed, "steps": result.steps, "cpu_s": round(seconds), **found}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--people-folder", type=Path, required=True, help="rendered people, kept there")
    parser.add_argument("--people", type=int, default=1360)
    parser.add_argument("--test-people", type=int, default=120)
    parser.add_argument("--body-steps", type=int, default=3000, help="of the ResNet-18 that all rows start from")
    parser.add_argument("--steps", type=int, default=600, help="of each row")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seed-of-people", type=int, default=31)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    (options.people_folder / "run").mkdir(parents=True, exist_ok=True)
    size = stored_size(73)
    plan = FreshPlan(options.facekit, options.seed_of_people, KEPT_SIZE, options.assets)
    unseen = dataclasses.replace(plan, seed=plan.seed + 1)
    trained = people(plan, options.people_folder, range(options.people), options.workers, size)
    frames = FreshFrames(dataclasses.replace(plan, crop_size=size), plan.frames * len(trained), torch.device("cpu"))
    for rows in trained:
        frames.add(rows)
    shown = as_crop_data(plan, range(options.people), trained)
    test = as_crop_data(
        unseen,
        range(options.test_people),
        people(unseen, options.people_folder, range(options.test_people), options.workers, size),
    )
    related = np.abs(label_relations(shown.au_present, shown.au_present_valid, shown.aus))
    mean_r = (related.sum() - len(related)) / (related.size - len(related))
    print(f"{frames.frames} frames, {len(test)} to test on, mean |r| of labels {mean_r:.2f}", flush=True)
    run = options.people_folder / "run"
    train_row(BODY, frames, shown, test, options.body_steps, 99, run)
    body = (run / "model.safetensors").rename(run / "body.safetensors")
    table = []
    for seed in options.seeds:
        for row in ROWS:
            table.append(train_row(row, frames, shown, test, options.steps, seed, run, body))
            with write_atomically(options.out) as temporary:
                pd.DataFrame(table).assign(commit=source_commit()).to_csv(temporary, index=False, float_format="%.4f")
    return 0


if __name__ == "__main__":
    sys.exit(main())
