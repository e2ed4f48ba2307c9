"""Whether mixed precision changes what a probe gets out of TCAE: training in float32 and in bfloat16, seed by seed.

    python experiments/tcae/precision.py CHECKPOINT [--seeds 3] [--epochs 6] --out out/precision

A TCAE that has found both movements trains on with configs/tcae_small.yaml on data/synthau-mini/wild without labels,
four fifths of its people; then the probe is fitted on half of the people of data/synthau-mini/studio, tuned on a
sixth and tested on a third (every other frame). Finished runs in OUT are read. Writes results/tcae_precision.csv.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import pandas as pd
import torch

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.evaluation import regression
from actionunits.evaluation.divisions import Fold
from actionunits.evaluation.predictions import FramePredictions
from actionunits.evaluation.protocols import score_frames, threshold_of_aus
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings, read_config_file
from actionunits.training.validation import predict_crops

ROOT = Path(__file__).parents[2]
MINI = ROOT / "data" / "synthau-mini"


def divided(data: CropData, *ends: float) -> list[CropData]:
    """People in the order of their names, up to each of these fractions."""
    names = sorted(data.subjects)
    edges = [0, *(int(end * len(names)) for end in ends)]
    return [data.of_subjects(names[a:b]) for a, b in pairwise(edges)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = read_config_file("tcae_small") | {
        "epochs": options.epochs,
        "au_first_share": 0.0,
    }
    size = values["image_size"]
    videos = divided(load_data([MINI / "wild"], stored_size(size), aus=()), 0.8, 1)
    train, tune, test = divided(load_data([MINI / "studio"], stored_size(size), every=2), 1 / 2, 2 / 3, 1)
    rows = []
    for seed in range(options.seeds):
        settings = make_settings("tcae", values | {"seed": seed})
        for precision in ("32", "bf16"):
            out = options.out / f"{precision}-{seed}"
            if not (out / CHECKPOINT_FILE).exists():
                run("tcae", settings, *videos, out, make_fabric(Hardware(precision, "cpu")), init=options.checkpoint)
            fold = Fold("probe", train, tune, None)
            regression.transfer("tcae", fold, out / CHECKPOINT_FILE, out / "probe")
            probe = load_checkpoint(out / "probe" / CHECKPOINT_FILE)
            thresholds = threshold_of_aus(test.aus, probe.header["thresholds"])
            result = score_frames(FramePredictions.of(test, predict_crops(probe.model, test, size), thresholds))
            low, high = result.intervals["f1"]
            score = {"f1": result.means["f1"], "low": low, "high": high, "auc": result.means["auc"]}
            rows.append(
                {"seed": seed, "precision": precision, "test_people": result.subjects, "commit": source_commit()}
                | score
            )
    table = pd.DataFrame(rows)
    with write_atomically(ROOT / "results" / "tcae_precision.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
