"""How much the landmark branch counts beside the image branch: written into weights, and compared on other people.

    python experiments/resnet18/landmark_branch.py runs/a/model.safetensors --valid DIR,DIR --out b.safetensors
    python experiments/resnet18/landmark_branch.py b.safetensors --data DIR,DIR

The first writes a checkpoint with the given shares; thresholds, neutral log-odds and the factors that give the mean
of both branches the spread of the true intensities are measured anew on the validation sets. It prints what other
shares would score there. The second prints mean AUC and ICC(3,1) on unseen people, of the checkpoint as it is and for
all shares without such factors, and writes results/landmark_branch.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.synthau import load_crops
from actionunits.errors import UserError
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.training import validation
from actionunits.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from actionunits.weights.locate import find_weights

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
# Presence has what renders of new people would have: the real clip of the card does not tell the shares apart.
# Intensity has the plain mean. Renders would have less; they cannot say what it is worth on real faces, where the
# landmarks come from the same finder as in training, and the pixels do not.
RELEASED_SHARE, RELEASED_INTENSITY_SHARE = 0.3, 0.5
OUT = Path(__file__).parents[2] / "results" / "landmark_branch.csv"


def crops(checkpoint: Checkpoint, folders: Sequence[str]) -> CropData:
    return load_crops(folders, stored_size(checkpoint.model.config.image_size), meshes=True, progress=True)


def by_share(checkpoint: Checkpoint, data: CropData) -> dict[float, dict[str, float]]:
    """Scores for every share of the landmark branch; leaves the model at the last one."""
    found = {}
    for share in SHARES:
        set_share(checkpoint, share)
        found[share] = scores_of(checkpoint, data)
        print(f"share {share}: " + ", ".join(f"{k} {v:.4f}" for k, v in found[share].items()), flush=True)
    return found


def predict(checkpoint: Checkpoint, data: CropData) -> validation.CropPredictions:
    return validation.predict_crops(checkpoint.model, data, checkpoint.model.config.image_size)


def scores_of(checkpoint: Checkpoint, data: CropData) -> dict[str, float]:
    return validation.scores(data, predict(checkpoint, data))


def set_share(
    checkpoint: Checkpoint, share: float, intensity_share: float | None = None, scale: tuple[float, ...] = ()
) -> None:
    changed = {"landmark_weight": share, "landmark_intensity_weight": intensity_share, "intensity_scale": scale}
    checkpoint.model.config = dataclasses.replace(checkpoint.model.config, **changed)


def spread_ratios(data: CropData, intensity: np.ndarray) -> tuple[float, ...]:
    """Standard deviation of each AU's true intensity over that of the predicted one, on frames where it is known."""
    ratios = []
    for column in range(len(data.aus)):
        known = data.au_intensity_valid[:, column]
        ratios.append(data.au_intensity[known, column].std() / intensity[known, column].std())
    return tuple(round(float(ratio), 3) for ratio in ratios)


def compare(checkpoint: Checkpoint, name: str, folders: Sequence[str]) -> pd.DataFrame:
    """A row per data set and share, on people that were not seen in training."""
    rows = []
    for folder in folders:
        data = crops(checkpoint, [folder])
        refuse_seen_subjects(checkpoint.header, data.subjects, name)
        given = checkpoint.model.config
        found = [("as released", scores_of(checkpoint, data))]
        found += [(f"{share:.2f}", scores) for share, scores in by_share(checkpoint, data).items()]
        checkpoint.model.config = given
        for share, scores in found:
            about = {"data": Path(folder).name, "landmark_share": share}
            rows.append(about | {metric: scores[metric] for metric in ("auc", "icc")})
    return pd.DataFrame(rows)


def write(checkpoint: Checkpoint, folders: Sequence[str], shares: tuple[float, float], out: Path) -> None:
    """Write the checkpoint with shares of the landmark branch, and what it makes of the validation people."""
    data = crops(checkpoint, folders)
    by_share(checkpoint, data)
    set_share(checkpoint, *shares)
    intensity = predict(checkpoint, data).au_intensity
    assert intensity is not None
    set_share(checkpoint, *shares, spread_ratios(data, intensity))
    predictions = predict(checkpoint, data)
    fields = {name: checkpoint.header[name] for name in ("data", "seed", "commit")}
    fields["thresholds"] = validation.thresholds(data, predictions)
    fields["neutral_logit"] = validation.neutral_logits(data, predictions)
    fields["scores"] = {
        "validation": {name: round(value, 4) for name, value in validation.scores(data, predictions).items()},
        "validation_per_au": validation.per_au_scores(data, predictions),
    }
    save_checkpoint(out, checkpoint.model, fields, "float16")
    print(f"{out}: shares {shares}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name or file of weights with a landmark branch")
    parser.add_argument("--data", help="folders of renders to compare shares on, with commas between")
    parser.add_argument("--valid", help="the validation sets of the weights, for thresholds")
    parser.add_argument("--share", type=float, default=RELEASED_SHARE, help="of the landmarks in presence, 0 to 1")
    parser.add_argument("--intensity-share", type=float, default=RELEASED_INTENSITY_SHARE, help="in intensity")
    parser.add_argument("--out", type=Path, help="file to write the weights with this share to")
    options = parser.parse_args()
    if bool(options.data) == bool(options.valid and options.out):
        parser.error("give either --data, or --valid and --out")
    try:
        checkpoint = load_checkpoint(find_weights(options.weights))
        if not getattr(checkpoint.model.config, "landmark_branch", False):
            raise UserError(f"{options.weights} has no landmark branch")
        checkpoint.model.to(memory_format=torch.channels_last)  # two thirds of the time on a CPU
        if options.valid:
            write(checkpoint, options.valid.split(","), (options.share, options.intensity_share), options.out)
        else:
            table = compare(checkpoint, options.weights, options.data.split(","))
            table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    except UserError as error:
        print(f"landmark_branch: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
