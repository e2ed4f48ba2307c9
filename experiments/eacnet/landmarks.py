"""F1 and AUC of E-Net and EAC-Net on landmarks with errors: results/eacnet_landmarks.csv and its plot in docs/img/.

    python experiments/eacnet/landmarks.py --runs out/eacnet-table3 --data out/bp4d-crops [--every 4] [--seeds 2]

The networks are those of `actionunits reproduce eacnet-table3`; each fold's people are tested by their own fold's
network. Landmarks are moved by normal noise whose standard deviation, in x and in y, is a share of the distance of
the inner eye corners: every point by itself, or the whole face by one shift, as when a detector slips. FVGG reads no
landmarks. Scores are over all test frames together, with the thresholds of the checkpoints; intervals draw people
with replacement, 95%.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from actionunits.datasets.crops.crop_data import CropData
from actionunits.evaluation.predictions import FramePredictions, concatenate
from actionunits.evaluation.protocols import score_frames, threshold_of_aus
from actionunits.evaluation.questions import Question, load_protocol
from actionunits.files import write_atomically
from actionunits.models.eacnet.centers import INNER_EYE_CORNERS
from actionunits.reports.palette import BLUE, VERMILLION
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.settings import make_settings
from actionunits.training.validation import predict_crops

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "eacnet_landmarks.csv"
PLOT = ROOT / "docs" / "img" / "eacnet_landmarks.png"
NETWORKS = {"FVGG": "eacnet-fvgg", "E-Net": "eacnet-enet", "EAC-Net": "eacnet"}
NOISES = (0.02, 0.04, 0.06, 0.08, 0.10)  # of the distance of the inner eye corners
KINDS = ("every point by itself", "all points together")
REPLICATES = 200


def moved(data: CropData, noise: float, kind: str, seed: int) -> CropData:
    """The data with landmarks that are off by `noise` times the distance of the inner eye corners."""
    assert data.landmarks is not None
    left, right = (data.landmarks[:, point] for point in INNER_EYE_CORNERS)
    scale = np.linalg.norm(right - left, axis=1)[:, None, None]
    points = data.landmarks.shape[1] if kind == KINDS[0] else 1
    shift = np.random.default_rng(seed).normal(0, noise, (len(data), points, 2))
    return dataclasses.replace(data, landmarks=(data.landmarks + scale * shift).astype(np.float32))


def scored(folder: Path, tests: dict[str, CropData], noise: float, kind: str, seed: int) -> dict[str, float]:
    """Scores of one network over the test people of all folds."""
    parts = []
    for fold, test in tests.items():
        checkpoint = load_checkpoint(folder / f"fold-{fold}" / "model.safetensors")
        data = moved(test.of_aus(checkpoint.aus), noise, kind, seed) if noise else test.of_aus(checkpoint.aus)
        outputs = predict_crops(checkpoint.model, data, checkpoint.model.config.image_size)
        thresholds = threshold_of_aus(data.aus, checkpoint.header["thresholds"])
        parts.append(FramePredictions.of(data, outputs, thresholds, fold))
    result = score_frames(concatenate(parts), REPLICATES)
    row = {name: result.means[name] for name in ("f1", "auc")}
    for name in ("f1", "auc"):
        row[f"{name}_low"], row[f"{name}_high"] = result.intervals[name]
    return row | {"frames": result.frames, "people": result.subjects}


def measure(runs: Path, data: Path, every: int, seeds: int) -> pd.DataFrame:
    """A row per network, kind, noise and seed."""
    first = load_checkpoint(runs / NETWORKS["FVGG"] / "fold-1" / "model.safetensors")
    settings = make_settings("eacnet", {"image_size": first.model.config.image_size})
    protocol = load_protocol(Question("folds", (data,), aus=first.aus), settings)
    tests = {f.name: f.test.subset(np.arange(0, len(f.test), every)) for f in protocol.folds if f.test is not None}
    rows = []
    for network, name in NETWORKS.items():
        plain = scored(runs / name, tests, 0.0, KINDS[0], 0)
        rows += [{"network": network, "kind": kind, "noise": 0.0, "seed": 0, **plain} for kind in KINDS]
        levels = [(kind, n, s) for kind in KINDS for n in NOISES for s in range(seeds)] if network != "FVGG" else []
        for kind, noise, seed in levels:
            row = scored(runs / name, tests, noise, kind, seed)
            rows.append({"network": network, "kind": kind, "noise": noise, "seed": seed, **row})
            print(*rows[-1].values(), flush=True)
    return pd.DataFrame(rows).assign(commit=source_commit())


def draw(table: pd.DataFrame) -> None:
    """F1 and AUC over noise; bands are intervals over people, means over seeds."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    colors = {"E-Net": np.array(BLUE) / 255, "EAC-Net": np.array(VERMILLION) / 255}
    for ax, metric in zip(axes, ("f1", "auc"), strict=True):
        flat = table[table["network"] == "FVGG"][metric].iloc[0]
        ax.axhline(flat, color="0.4", label="FVGG, reads no landmarks")
        for network, color in colors.items():
            for kind, style in zip(KINDS, ("-", "--"), strict=True):
                part = table[(table["network"] == network) & (table["kind"] == kind)]
                mean = part.groupby("noise")[[metric, f"{metric}_low", f"{metric}_high"]].mean()
                percent = 100 * mean.index
                ax.plot(percent, mean[metric], style, marker="o", ms=3, color=color, label=f"{network}, {kind}")
                if kind == KINDS[0]:
                    ax.fill_between(percent, mean[f"{metric}_low"], mean[f"{metric}_high"], color=color, alpha=0.12)
        ax.set_xlabel("error of landmarks, % of the inner eye distance")
        ax.set_ylabel({"f1": "F1, mean over AUs", "auc": "AUC, mean over AUs"}[metric])
        ax.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of `actionunits reproduce eacnet-table3`")
    parser.add_argument("--data", type=Path, required=True, help="its prepared data")
    parser.add_argument("--every", type=int, default=4, help="of the test frames, every so many is used")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = measure(arguments.runs, arguments.data, arguments.every, arguments.seeds)
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.5g", lineterminator="\n")
    draw(table)


if __name__ == "__main__":
    main()
