"""Tables VI and VII at equal steps: a linear regression on the features of the networks of `equal_steps.py`.

    python experiments/eacnet/transfer.py --facekit DIR --keep out/people --runs out/equal

The networks learned from people with photographed skins and light. The regression is fitted and tested on 600 other
people of another look, without any, in three folds, with thresholds of each fold's validation people. Features of an
FVGG with random weights are regressed in the same way. Writes results/eacnet_transfer.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from equal_steps import COMMON, FRAMES, RESULTS, ROWS, SEED, SIZES_PX, row_of, write
from rivals import always_present

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.evaluation.divisions import seeded_folds
from actionunits.evaluation.predictions import FramePredictions, concatenate
from actionunits.evaluation.regression import LOGIT_PER_LABEL, features_of, regress
from actionunits.models.eacnet import EacNet, EacNetConfig
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.validation import CropPredictions, thresholds

SEED_OF_OTHERS = SEED + 10
FOLDS = 3
KEPT = ("FVGG", "E-Net", "EAC-Net", "EAC-Net, crops from the first step")


def networks(runs: Path) -> Iterator[tuple[str, int, Any]]:
    """Name, seed of training, and network of all that are compared."""
    for name in (row for row in ROWS if row in KEPT):
        for path in sorted(runs.glob(f"{name.replace(' ', '_')}-[0-9].safetensors")):
            yield name, int(path.stem.rpartition("-")[2]), load_checkpoint(path).model.eval()
    torch.manual_seed(SEED)
    yield "FVGG, random weights", 0, EacNet(EacNetConfig(**COMMON, variant="fvgg"), SYNTH_AUS).eval()


def transferred(model: Any, data: CropData) -> FramePredictions:
    """Predictions for everybody, each by a regression on other people's features."""
    features = features_of(model, data)
    row_of_frame = {key: row for row, key in enumerate(keys(data))}
    parts = []
    for fold in seeded_folds(data, FOLDS).folds:
        assert fold.test is not None
        rows = [[row_of_frame[key] for key in keys(part)] for part in (fold.training, fold.validation, fold.test)]
        weight, bias = regress(features[rows[0]], fold.training.au_present, fold.training.au_present_valid)
        valid, test = (
            CropPredictions((LOGIT_PER_LABEL * (features[r] @ weight.T + bias - 0.5)).astype(np.float32), None)
            for r in rows[1:]
        )
        chosen = np.array(list(thresholds(fold.validation, valid).values()))
        parts.append(FramePredictions.of(fold.test, test, chosen, fold.name))
    return concatenate(parts)


def keys(data: CropData) -> list[tuple[str, int]]:
    """What names a frame: its person and its number."""
    return list(zip(np.array(data.subjects)[data.subject], data.frame.tolist(), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--runs", type=Path, required=True, help="folder of equal_steps.py")
    parser.add_argument("--people", type=int, default=600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED_OF_OTHERS, 256, frames=FRAMES, wild_share=0.5, sizes_px=SIZES_PX)
    data = kept_crop_data(plan, range(options.people), options.keep)
    rows = [{"row": "always present", "seed": 0} | row_of(always_present(data))]
    for name, seed, model in networks(options.runs):
        rows.append({"row": name, "seed": seed} | row_of(transferred(model, data)))
        print(rows[-1], flush=True)
    write(pd.DataFrame(rows), RESULTS / "eacnet_transfer.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
