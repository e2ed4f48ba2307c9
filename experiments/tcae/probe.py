"""What a frozen representation knows of action units, from 1%, 10% and 100% of the labels, on renders.

    python experiments/tcae/probe.py --data STUDIO WILD --checkpoints TCAE FABNET [--steps 2000] --out out/probe

STUDIO and WILD are folders of renders of people that no checkpoint was trained on. In each, people are dealt into
1000 to train on, 200 to tune on, and up to 800 to test on (`--people`, in this order); labels of a share of the
frames are kept, as `actionunits probe --labels` does it. Compared are the checkpoints' AU vectors; those of an
untrained encoder, whose batch norms have seen training pictures; and a ResNet-18 that is trained on the same labels
alone, for `--steps` steps. Thresholds come from the tuning people. Writes results/tcae_probe.csv: scores with
intervals over people, and differences to the first checkpoint on the same frames with those of paired draws
(`actionunits compare`).
"""

from __future__ import annotations

import argparse
import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import center_crop
from actionunits.evaluation import regression
from actionunits.evaluation.compare import MEAN, compare
from actionunits.evaluation.divisions import Fold
from actionunits.evaluation.predictions import FramePredictions
from actionunits.evaluation.probe import labelled_share
from actionunits.evaluation.protocols import run_name, score_frames, threshold_of_aus
from actionunits.files import write_atomically
from actionunits.models import find_model
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings, read_config_file
from actionunits.training.validation import predict_crops

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "tcae_probe.csv"
SHARES = (0.01, 0.1, 1.0)
REPLICATES = 500
UNTRAINED = "untrained"


def parts_of(folder: Path, size: int, people: list[int]) -> list[CropData]:
    """Training, tuning and test people of a folder, in the order of their names."""
    data = load_data([folder], stored_size(size))
    names = sorted(data.subjects)
    edges = np.minimum(np.cumsum([0, *people]), len(names))
    return [data.of_subjects(names[a:b]) for a, b in pairwise(edges)]


def untrained(like: Any, data: CropData, path: Path) -> Path:
    """A checkpoint of random weights, whose batch norms know the mean and spread of what passes through them."""
    if not path.exists():
        torch.manual_seed(0)
        model = find_model("tcae").model(dataclasses.replace(like.config, au_rates=()), ()).train()
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = None  # a plain mean over the batches
        rows = np.random.default_rng(0).permutation(len(data))[:2048]
        with torch.no_grad():
            for start in range(0, len(rows), 128):
                batch = center_crop(data.batch(rows[start : start + 128]), like.config.image_size, data.margin)
                model.features(batch)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, model, {"data": {"names": [], "training_subjects": []}, "seed": 0, "commit": ""})
    return path


def probed(init: Path, fold: Fold, out: Path) -> Path:
    """Checkpoint of a representation with a probe for the fold."""
    if not (out / CHECKPOINT_FILE).exists():
        regression.transfer("tcae", fold, init, out)
    return out / CHECKPOINT_FILE


def supervised(fold: Fold, size: int, steps: int, out: Path) -> Path:
    """Checkpoint of a ResNet-18 that learned from the fold's labels alone."""
    if not (out / CHECKPOINT_FILE).exists():
        values = read_config_file("resnet18_small")
        batch = min(values["batch_size"], len(fold.training) // 2)
        epochs = -(-steps // (len(fold.training) // batch))
        values |= {"image_size": size, "batch_size": batch, "epochs": epochs, "validate_every_epochs": 1e6}
        settings = make_settings("resnet18", values)
        run("resnet18", settings, fold.training, fold.validation, out, make_fabric(Hardware("32", "cpu")))
    return out / CHECKPOINT_FILE


def outputs(path: Path, test: CropData) -> FramePredictions:
    """What a checkpoint says of the test frames."""
    loaded = load_checkpoint(path)
    predictions = predict_crops(loaded.model, test, loaded.model.config.image_size)
    return FramePredictions.of(test, predictions, threshold_of_aus(test.aus, loaded.header["thresholds"]))


def rows_of(look: str, share: float, said: dict[str, FramePredictions], labelled: int) -> list[dict[str, Any]]:
    """Scores of every system, and the differences of the others from the first, with 95% intervals."""
    rows = []
    first, *others = said
    for name, frames in said.items():
        result = score_frames(frames, REPLICATES)
        about = {"data": look, "labels": share, "labelled_frames": labelled, "test_people": result.subjects}
        about |= {"test_frames": result.frames, "commit": source_commit(), "run": name, "against": ""}
        for metric in ("f1", "auc"):
            low, high = result.intervals[metric]
            rows.append(about | {"metric": metric, "value": result.means[metric], "low": low, "high": high})
        if name in others:
            table = compare(said[first], frames, metric_names=("f1", "auc"), replicates=REPLICATES, flips=10).table
            for row in table[table["au"] == MEAN].itertuples():
                named = {"metric": row.metric, "value": row.difference, "low": row.low, "high": row.high}
                rows.append(about | {"run": first, "against": name} | named)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoints", type=Path, nargs="+", required=True)
    parser.add_argument("--people", type=int, nargs=3, default=[1000, 200, 800])
    parser.add_argument("--steps", type=int, default=2000, help="of training each ResNet-18; 0 for none")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints; finished ones are read")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    like = load_checkpoint(options.checkpoints[0]).model
    size = like.config.image_size
    rows: list[dict[str, Any]] = []
    for folder in options.data:
        train, tune, test = parts_of(folder, size, options.people)
        look = train.names[0]
        place = options.out / look
        inits = {run_name(path): path for path in options.checkpoints}
        inits[UNTRAINED] = untrained(like, train, place / UNTRAINED / CHECKPOINT_FILE)
        for share in SHARES:
            fold = Fold(f"{share:g}", labelled_share(train, share), labelled_share(tune, share), None)
            said = {
                name: outputs(probed(init, fold, place / f"{name}-{share:g}"), test) for name, init in inits.items()
            }
            if options.steps:
                path = supervised(fold, size, options.steps, place / f"resnet18-{share:g}")
                said["resnet18"] = outputs(path, test)
            rows += rows_of(look, share, said, len(fold.training))
            table = pd.DataFrame(rows)
            with write_atomically(options.results) as temporary:
                table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
