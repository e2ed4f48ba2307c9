"""How much the landmark branch should count beside the image branch: on validation people, and on others.

    python benchmarks/landmark_branch.py runs/a/model.safetensors --valid DIR,DIR --out b.safetensors
    python benchmarks/landmark_branch.py b.safetensors --data DIR,DIR

The first chooses the share on the validation sets, and writes a checkpoint with it, thresholds and neutral log-odds
measured anew. The second prints mean AUC and ICC(3,1) on unseen people for all shares and writes
results/landmark_branch.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from actionunits.datasets.crops import CropData, stored_size
from actionunits.datasets.synthau import load_crops
from actionunits.errors import UserError
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.training import validation
from actionunits.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from actionunits.weights.locate import find_weights

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
# The landmarks come from the same finder on renders and on real faces, pixels do not: of shares that are as good as
# the best on renders, up to this difference of the score (mean of AUC and ICC), the largest is taken.
AS_GOOD = 0.005
OUT = Path(__file__).parents[1] / "results" / "landmark_branch.csv"


def crops(checkpoint: Checkpoint, folders: Sequence[str]) -> CropData:
    return load_crops(folders, stored_size(checkpoint.model.config.image_size), meshes=True, progress=True)


def by_share(checkpoint: Checkpoint, data: CropData) -> dict[float, dict[str, float]]:
    """Scores for every share of the landmark branch; leaves the model at the last one."""
    found = {}
    for share in SHARES:
        set_share(checkpoint, share)
        predictions = validation.predict_crops(checkpoint.model, data, checkpoint.model.config.image_size)
        found[share] = validation.scores(data, predictions)
        print(f"share {share}: " + ", ".join(f"{k} {v:.4f}" for k, v in found[share].items()), flush=True)
    return found


def set_share(checkpoint: Checkpoint, share: float) -> None:
    checkpoint.model.config = dataclasses.replace(checkpoint.model.config, landmark_weight=share)


def compare(checkpoint: Checkpoint, name: str, folders: Sequence[str]) -> pd.DataFrame:
    """A row per data set and share, on people that were not seen in training."""
    rows = []
    for folder in folders:
        data = crops(checkpoint, [folder])
        refuse_seen_subjects(checkpoint.header, data.subjects, name)
        for share, found in by_share(checkpoint, data).items():
            rows.append(
                {"data": Path(folder).name, "landmark_share": share, "auc": found["auc"], "icc": found["icc"]}
            )
    return pd.DataFrame(rows)


def choose(checkpoint: Checkpoint, folders: Sequence[str], out: Path) -> None:
    """Write the checkpoint with the largest share that is as good as the best on validation people."""
    data = crops(checkpoint, folders)
    found = by_share(checkpoint, data)
    target = max(scores["score"] for scores in found.values()) - AS_GOOD
    best = max(share for share, scores in found.items() if scores["score"] >= target)
    set_share(checkpoint, best)
    predictions = validation.predict_crops(checkpoint.model, data, checkpoint.model.config.image_size)
    fields = {name: checkpoint.header[name] for name in ("data", "seed", "commit")}
    fields["thresholds"] = validation.thresholds(data, predictions)
    fields["neutral_logit"] = validation.neutral_logits(data, predictions)
    fields["scores"] = {
        "validation": {name: round(value, 4) for name, value in found[best].items()},
        "validation_per_au": validation.per_au_scores(data, predictions),
    }
    save_checkpoint(out, checkpoint.model, fields, "float16")
    print(f"{out}: share {best}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name or file of weights with a landmark branch")
    parser.add_argument("--data", help="folders of renders to compare shares on, with commas between")
    parser.add_argument("--valid", help="the validation sets of the weights, to choose the share on")
    parser.add_argument("--out", type=Path, help="file to write the weights with the chosen share to")
    options = parser.parse_args()
    if bool(options.data) == bool(options.valid and options.out):
        parser.error("give either --data, or --valid and --out")
    try:
        checkpoint = load_checkpoint(find_weights(options.weights))
        if not getattr(checkpoint.model.config, "landmark_branch", False):
            raise UserError(f"{options.weights} has no landmark branch")
        checkpoint.model.to(memory_format=torch.channels_last)  # two thirds of the time on a CPU
        if options.valid:
            choose(checkpoint, options.valid.split(","), options.out)
        else:
            table = compare(checkpoint, options.weights, options.data.split(","))
            table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    except UserError as error:
        print(f"landmark_branch: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
