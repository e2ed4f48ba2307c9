"""Does the released detector read real faces better mirrored, moved, or with shares of its own for every AU?

    python experiments/resnet18/readings.py --faces FACES

Each way changes only how the branches of the released weights are read. Shares are fitted on the other people: a
logistic regression of presence on both branches, whose weights for an AU are held near those of all by a prior.
Writes the mean AUC of presence to results/detector_readings.csv.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from release import coded_batches
from result_files import write_results
from scipy.optimize import minimize
from torch import Tensor

from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import CodedFaces, read_coded_faces
from actionunits.models.batch import Batch
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.locate import find_weights

MOVES_PX = ((4.0, 0.0), (-4.0, 0.0), (0.0, 4.0), (0.0, -4.0))
ZOOMS = (0.95, 1.06)
SPREADS = (0.3, 0.5, 0.8)  # of the logarithm of an AU's own weights about those of all
OFFSET_SD, FOLDS = 0.5, 10


def placed(image: Tensor, x_px: float, y_px: float, zoom: float) -> Tensor:
    """Crops (B, 3, S, S) moved and enlarged; what lies beyond the border is its last pixel."""
    move = torch.tensor([[zoom, 0, 2 * x_px / image.shape[-1]], [0, zoom, 2 * y_px / image.shape[-1]]])
    grid = F.affine_grid(move.expand(len(image), 2, 3), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def image_ways(model: torch.nn.Module, batches: list[Batch]) -> dict[str, np.ndarray]:
    """Log-odds (N, A) of the image branch: of the crop, and means with mirrored and with moved crops."""
    image = torch.cat([batch.image for batch in batches])

    def odds(crops: Tensor) -> np.ndarray:
        return model.image(crops)[:, : len(model.aus)].numpy()

    with torch.inference_mode():
        plain, mirrored = odds(image), odds(image.flip(-1))
        moved = [odds(placed(image, x, y, 1.0)) for x, y in MOVES_PX] + [odds(placed(image, 0, 0, z)) for z in ZOOMS]
    return {
        "as released": plain,
        "with the mirrored crop": (plain + mirrored) / 2,
        "with six moved crops": (plain + np.mean(moved, 0)) / 2,
        "with both": (plain + mirrored + 2 * np.mean(moved, 0)) / 4,
    }


def fitted_weights(
    branches: np.ndarray, faces: CodedFaces, rows: np.ndarray, start: np.ndarray, sd: float
) -> np.ndarray:
    """Weights (A, 2) of both branches' log-odds (N, A, 2) for every AU, fitted on the rows (N,) bool.

    start: (A, 2) weights to begin with; sd: how far those of an AU may well differ, as a logarithm.
    """
    present, valid, x = faces.present[rows], faces.valid[rows], branches[rows]
    aus = branches.shape[1]

    def weights(values: np.ndarray) -> np.ndarray:
        return start * np.exp(values[0] + values[2 + aus :].reshape(aus, 2))

    def loss(values: np.ndarray) -> float:
        odds = (x * weights(values)).sum(-1) + values[1] + values[2 : 2 + aus]
        cost = np.logaddexp(0, odds) - present * odds
        prior = ((values[2 : 2 + aus] / OFFSET_SD) ** 2).sum() + ((values[2 + aus :] / sd) ** 2).sum()
        return float(cost[valid].sum() + prior / 2)

    return weights(minimize(loss, np.zeros(2 + 3 * aus), method="L-BFGS-B").x)


def own_shares(branches: np.ndarray, faces: CodedFaces, start: np.ndarray, sd: float) -> np.ndarray:
    """Scores (N, A) with weights for every AU that were fitted on other people."""
    score = np.zeros(branches.shape[:2])
    for fold in np.array_split(np.random.default_rng(0).permutation(np.unique(faces.person)), FOLDS):
        tested = np.isin(faces.person, fold)
        score[tested] = (branches[tested] * fitted_weights(branches, faces, ~tested, start, sd)).sum(-1)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    options = parser.parse_args()
    try:
        faces = read_coded_faces(options.faces)
        model = load_checkpoint(find_weights("resnet18")).model.eval()
        batches = coded_batches(faces, model.config.image_size)
    except UserError as error:
        print(f"readings: {error}", file=sys.stderr)
        return 2
    with torch.inference_mode():
        landmarks = torch.cat([model(batch).landmarks.au_logit for batch in batches]).numpy()
    share = model.landmark_shares[0].numpy()

    def row(reading: str, passes: int, score: np.ndarray) -> dict[str, object]:
        auc = metrics.auc(faces.present, score, faces.valid)
        return {
            "reading": reading,
            "image_passes": passes,
            "auc": metrics.mean_over_aus(auc),
            "au04": auc[faces.aus.index(4)],
        }

    images = image_ways(model, batches)
    rows = [
        row(name, passes, (1 - share) * odds + share * landmarks)
        for (name, odds), passes in zip(images.items(), (1, 2, 7, 8), strict=True)
    ]
    branches = np.stack([images["as released"], landmarks], -1)
    for sd in SPREADS:
        score = own_shares(branches, faces, np.stack([1 - share, share], -1), sd)
        rows.append(row(f"shares of each AU, prior {sd}", 1, score))
    write_results(pd.DataFrame(rows), "detector_readings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
