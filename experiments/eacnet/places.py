"""What wrong landmarks, and faces that lie elsewhere than in training, do to FVGG, E-Net and EAC-Net.

    python experiments/eacnet/places.py --facekit DIR --assets ASSETS --keep out/people --runs out/equal

The networks are those of `equal_steps.py`, all seeds, and so are the test people. Landmarks are moved by normal
noise whose standard deviation, in x and in y, is a share of the distance of the inner eye corners: every point by
itself, or the whole face by one shift, as when a finder slips. Faces are turned, or shifted by a share of the crop,
and their landmarks with them: what one network makes of faces that nobody registered. Training turned them by up to
10 degrees and shifted them by up to 0.05. Writes results/eacnet_places.csv and docs/img/eacnet_places.png.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from equal_steps import FRAMES, SEED, SIZES_PX, write
from low_groups import AboveLowGroups, LowMaps, View, low_maps, plain_view, predict
from torch import Tensor

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.datasets.sampling.augment import Geometry, apply_geometry, apply_geometry_to_landmarks
from actionunits.models.batch import Batch
from actionunits.models.eacnet.centers import INNER_EYE_CORNERS
from actionunits.reports.palette import BLUE, BLUISH_GREEN, VERMILLION
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
NETWORKS = {"FVGG": BLUISH_GREEN, "E-Net": BLUE, "EAC-Net": VERMILLION}
NOISES = (0.025, 0.05, 0.1, 0.2)  # of the distance of the inner eye corners
DEGREES = (10, 20, 30, 45)
SHIFTS = (0.05, 0.1, 0.15)  # of the crop's width
LANDMARKS = ("each landmark", "all landmarks")
KINDS = {
    "each landmark": "error of each landmark, % of the inner eye distance",
    "all landmarks": "shift of all landmarks, % of the inner eye distance",
    "turned": "faces turned by, degrees",
    "shifted": "faces shifted by, % of the crop",
}


def moved(maps: LowMaps, noise: float, together: bool) -> LowMaps:
    """The maps with landmarks that are off by `noise` times the distance of the inner eye corners."""
    left, right = (maps.landmarks[:, :, point] for point in INNER_EYE_CORNERS)
    scale = (right - left).norm(dim=-1)[..., None, None]
    frames, points = maps.landmarks.shape[1:3]
    drawn = np.random.default_rng(0).normal(0, noise, (1, frames, 1 if together else points, 2))
    return dataclasses.replace(maps, landmarks=maps.landmarks + scale * torch.from_numpy(drawn).float())


def view_of(size: int, margin: float, turn_deg: float, shift: float) -> View:
    """Crops turned to either side, or shifted in any direction, by so much."""
    generator = torch.Generator().manual_seed(0)

    def view(stored: Batch) -> Batch:
        rows = len(stored.image)
        side = 2.0 * torch.randint(2, (rows,), generator=generator) - 1
        away: Tensor = 2 * torch.pi * torch.rand(rows, generator=generator)
        to = shift * torch.stack([away.cos(), away.sin()], -1)
        turned = side * torch.deg2rad(torch.tensor(turn_deg))
        geometry = Geometry(torch.zeros(rows, dtype=torch.bool), turned, torch.ones(rows), to)
        assert stored.landmarks is not None
        landmarks = apply_geometry_to_landmarks(stored.landmarks, geometry, margin)
        image = apply_geometry(stored.image, geometry, size, margin)
        return dataclasses.replace(stored, image=image, landmarks=landmarks)

    return view


def conditions(model: AboveLowGroups, test: CropData) -> list[tuple[str, float, LowMaps]]:
    """Kind, amount and what networks then see of the test people."""
    picture, size = model.whole(), model.config.image_size
    plain = low_maps(picture, test, [plain_view(picture, test)])
    found = [(kind, 0.0, plain) for kind in KINDS]
    for together, kind in zip((False, True), LANDMARKS, strict=True):
        found += [(kind, 100 * noise, moved(plain, noise, together)) for noise in NOISES]
    for degrees in DEGREES:
        found.append(("turned", degrees, low_maps(picture, test, [view_of(size, test.margin, degrees, 0.0)])))
    for shift in SHIFTS:
        found.append(("shifted", 100 * shift, low_maps(picture, test, [view_of(size, test.margin, 0.0, shift)])))
    return found


def network(path: Path) -> AboveLowGroups:
    """A stored network, of maps of its low groups."""
    stored = load_checkpoint(path).model
    model = AboveLowGroups(stored.config, stored.aus)
    model.load_state_dict(model.state_dict() | stored.state_dict())
    return model.eval()


def measure(runs: Path, test: CropData) -> pd.DataFrame:
    """A row per network, seed, kind and amount."""
    rows: list[dict[str, Any]] = []
    cases: list[tuple[str, float, LowMaps]] = []
    plain = np.nan
    for name in NETWORKS:
        for path in sorted(runs.glob(f"{name}-[0-9].safetensors")):
            model = network(path)
            cases = cases or conditions(model, test)
            for kind, amount, maps in cases:
                if name == "FVGG" and amount and kind in LANDMARKS:
                    auc = plain  # it reads none
                else:
                    logit = predict(model, maps.whole()).au_logit
                    auc = metrics.mean_over_aus(metrics.auc(test.au_present, logit, test.au_present_valid))
                plain = auc if not amount else plain
                rows.append({"network": name, "seed": path.stem[-1], "kind": kind, "amount": amount, "auc": auc})
            print(f"{path.stem}: {rows[-1]}", flush=True)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    """AUC over the amount, the mean over seeds; bands reach from the worst to the best seed."""
    figure, axes = plt.subplots(1, len(KINDS), figsize=(13, 3.2), layout="constrained", sharey=True)
    for ax, (kind, label) in zip(axes, KINDS.items(), strict=True):
        for name, colour in NETWORKS.items():
            rows = table[(table["network"] == name) & (table["kind"] == kind)]
            auc = rows.groupby("amount")["auc"].agg(["mean", "min", "max"])
            tint = np.array(colour) / 255
            ax.plot(auc.index, auc["mean"], marker="o", ms=3, color=tint, label=name)
            ax.fill_between(auc.index, auc["min"], auc["max"], color=tint, alpha=0.2, linewidth=0)
        ax.set_xlabel(label, fontsize=8)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("AUC, mean over AUs")
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--test-people", type=int, default=100)
    parser.add_argument("--every", type=int, default=4, help="of the test frames, every so many is used")
    parser.add_argument("--runs", type=Path, required=True, help="what equal_steps.py left")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED + 1, 256, options.assets, FRAMES, wild_share=0.5, sizes_px=SIZES_PX)
    test = kept_crop_data(plan, range(options.test_people), options.keep)
    table = measure(options.runs, test.subset(np.arange(0, len(test), options.every)))
    write(table, ROOT / "results" / "eacnet_places.csv")
    draw(table, ROOT / "docs" / "img" / "eacnet_places.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
