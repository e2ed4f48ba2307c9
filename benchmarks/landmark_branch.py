"""What the landmark branch adds to the image branch, on people that neither was trained on.

    python benchmarks/landmark_branch.py resnet18 --data data/synthau-mini/studio,data/synthau-mini/wild

Prints mean AUC and ICC(3,1) over the action units for shares 0 (image alone) to 1 (landmarks alone) of the landmark
branch, per data set, and writes results/landmark_branch.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import pandas as pd

from actionunits.datasets.crops import stored_size
from actionunits.datasets.synthau import load_crops
from actionunits.errors import UserError
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.validation import predict_crops, scores
from actionunits.weights.locate import find_weights

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
OUT = Path(__file__).parents[1] / "results" / "landmark_branch.csv"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name or file of weights with a landmark branch")
    parser.add_argument("--data", required=True, help="folders of renders, with commas between")
    options = parser.parse_args()
    try:
        checkpoint = load_checkpoint(find_weights(options.weights))
        rows = []
        for folder in options.data.split(","):
            data = load_crops([folder], stored_size(checkpoint.model.config.image_size), meshes=True, progress=True)
            refuse_seen_subjects(checkpoint.header, data.subjects, options.weights)
            for share in SHARES:
                checkpoint.model.config = dataclasses.replace(checkpoint.model.config, landmark_weight=share)
                found = scores(data, predict_crops(checkpoint.model, data, checkpoint.model.config.image_size))
                rows.append({"data": Path(folder).name, "landmark_share": share, "auc": found["auc"], "icc": found["icc"]})
                print(rows[-1], flush=True)
    except UserError as error:
        print(f"landmark_branch: {error}", file=sys.stderr)
        return 2
    pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
