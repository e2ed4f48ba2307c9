"""A probe for the released TCAE, and what it comes to on rendered people whom it has not seen.

    python experiments/tcae/release.py runs/tcae/model.safetensors --facekit DIR --assets ASSETS --keep out/people \
        --out runs/tcae-probe

The probe is fitted to the labels of 400 people of train_on_renders.py whom the network has not seen, and tuned on 60.
Beside it stands the released detector's image branch, whose renders are of the same kind but of other people.
Intervals of AUC draw people. Writes OUT/model.safetensors, for experiments/released_rows.py, and
results/tcae_new_people.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from train_on_renders import SEED, STORED, VALIDATED

from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.evaluation import regression
from actionunits.evaluation.divisions import Fold
from actionunits.evaluation.predictions import FramePredictions
from actionunits.evaluation.protocols import score_frames, threshold_of_aus
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.validation import CropPredictions, predict_crops
from actionunits.weights.locate import find_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "eacnet"))
from rivals import always_present

RESULTS = Path(__file__).parents[2] / "results" / "tcae_new_people.csv"
TRAIN, TUNE, TEST = range(VALIDATED.stop, 1440), range(1440, 1500), range(120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--out", type=Path, required=True, help="folder of the network with its probe")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED, STORED, options.assets)
    other = dataclasses.replace(plan, seed=SEED + 1)
    train, tune, test = (
        dataclasses.replace(kept_crop_data(of, numbers, options.keep), mesh=None, mesh_valid=None)
        for of, numbers in ((plan, TRAIN), (plan, TUNE), (other, TEST))
    )
    regression.transfer("tcae", Fold("renders", train, tune, None), options.network, options.out)
    said: dict[str, Any] = {}
    for name, path in (("`tcae`", options.out / CHECKPOINT_FILE), ("`resnet18`", find_weights("resnet18"))):
        loaded = load_checkpoint(path)
        found = predict_crops(loaded.model, test, loaded.model.config.image_size, bf16=True)
        order = [loaded.aus.index(au) for au in test.aus]
        found = CropPredictions(found.au_logit[:, order], None)
        said[name] = FramePredictions.of(test, found, threshold_of_aus(test.aus, loaded.header["thresholds"]))
    said["always present"] = always_present(test)
    rows = []
    for name, frames in said.items():
        result = score_frames(frames, 400)
        low, high = result.intervals["auc"]
        row = {"reader": name, "people": result.subjects, "frames": result.frames, "auc": result.means["auc"]}
        rows.append(row | {"auc_low": low, "auc_high": high, "f1": result.means["f1"], "commit": source_commit()})
    table = pd.DataFrame(rows)
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
