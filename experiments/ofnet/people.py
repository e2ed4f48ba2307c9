"""Scores and errors of flow of trained weights on people whom they know and on others: into results/ofnet_people.csv.

    python experiments/ofnet/people.py ofnet --seen out/train --new out/test --valid out/valid --before 8000 \\
        --steps 10000

The folders are those of controlled.py, `--seen` one that the weights were trained on, if there is any. F1 is of the
thresholds of the `--valid` people; steps are told, since a checkpoint knows those of its last run alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from controlled import errors_of_flow

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import load_data, subject_names
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.validation import predict_crops, scores
from actionunits.weights.locate import find_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "eacnet"))
from equal_steps import RESULTS, row_of
from rivals import judged
from students import add_rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name of released weights, or a file")
    for name in ("seen", "new", "valid"):
        parser.add_argument(f"--{name}", type=Path, required=name != "seen", help="renders with their motion")
    parser.add_argument("--row", default="released weights", help="name in the table")
    parser.add_argument("--before", type=int, required=True, help="steps of OF-Net alone")
    parser.add_argument("--steps", type=int, required=True, help="steps of both networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(find_weights(options.weights))
    model, told = checkpoint.model, checkpoint.header
    refuse_seen_subjects(told, subject_names(options.new), options.weights)
    size = model.config.image_size

    def crops_of(folder: Path) -> CropData:
        return load_data(folder, stored_size(size), aus=checkpoint.aus, workers=1)

    row = {"row": options.row, "seed": 0} | row_of(judged(model, crops_of(options.new), crops_of(options.valid), {}))
    folders = {"flow": options.new}
    if options.seen is not None:
        folders["seen_flow"] = options.seen
        seen = crops_of(options.seen)
        row["seen_auc"] = scores(seen, predict_crops(model, seen, size))["auc"]
    for prefix, folder in folders.items():
        errors = errors_of_flow({(options.row, 0): model}, folder, prefix).set_index("row")
        row |= errors.loc[options.row].to_dict()
    row |= {"people": told["data"]["training_people"], "width": model.config.width}
    row |= {"before": options.before, "steps": options.steps}
    print(row)
    add_rows(RESULTS / "ofnet_people.csv", [row], ("row", "seed", "people", "width", "before", "steps"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
