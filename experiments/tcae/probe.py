"""What a frozen representation knows of action units, from 1%, 10% and 100% of the labels, on renders.

    python experiments/tcae/probe.py runs/tcae/model.safetensors runs/fabnet/model.safetensors \
        --facekit DIR --assets ASSETS --keep out/people

Compared are the AU vectors of the checkpoints; those of an untrained network like the first, whose batch norms have
seen training pictures, and which has the layers of MediaPipe's mesh network where the first one has; the last maps of
these layers by themselves, and HOG of the same pixels, of both the 128 first principal components; and what the
released detector's last layer reads, which has learned from the labels of 12,000 people. Nobody who trains, tunes or
tests a probe was seen by the checkpoints; nobody who tests one by the detector either.

Each seed deals the people anew into 150 to train on and 30 to tune on, draws the share of the frames whose labels are
known, and starts another untrained network. People of both looks train one probe; the 120 to test on are told by
look. Writes results/tcae_probe.csv: mean AUC and F1 over action units, by seed; `always present` is the floor of F1.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from train_on_renders import SEED, STORED, VALIDATED

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import STREAM, FreshPlan, kept_crop_data
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.evaluation.probe_fit import fit_probe
from actionunits.files import write_atomically
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.contract import HasFeatures, TransfersByProbe
from actionunits.models.layers.mesh_body import MeshBody
from actionunits.models.layers.probe import Probe
from actionunits.runtime.provenance import source_commit
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.locate import find_weights

RESULTS = Path(__file__).parents[2] / "results" / "tcae_probe.csv"
SHARES = (0.01, 0.1, 1.0)
FIRST, TRAIN, TUNE, TEST = VALIDATED.stop, 150, 30, 120
COMPONENTS = 128  # of HOG and of the mesh network's maps
UNTRAINED, HOG, DETECTOR, ALWAYS = "untrained", "HOG", "released detector", "always present"
LAYERS = "layers of the mesh network"


class Descriptor(TransfersByProbe):
    """A probe on features of any kind."""

    def __init__(self, features: int, aus: int) -> None:
        self.probe = Probe(features, aus)

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        return self.probe.norm, self.probe.weight, self.probe.intercept

    @torch.no_grad()
    def logits(self, features: np.ndarray) -> np.ndarray:
        return self.probe.eval()(torch.from_numpy(features)).numpy()


def untrained(like: Any, data: CropData, seed: int) -> Any:
    """Random weights, and batch norms that know the mean and spread of what passes through them."""
    torch.manual_seed(seed)
    model = find_model("tcae").model(dataclasses.replace(like.config, au_rates=()), ()).train()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # a plain mean over the batches
    rows = np.random.default_rng(seed).permutation(len(data))[:1024]
    features(model, data.subset(rows))
    return model.eval()


@torch.no_grad()
def features(model: Any, data: CropData) -> np.ndarray:
    """What a linear layer reads of every plain crop, (N, D) float32."""
    found = []
    for batch in plain_batches(data, model.config.image_size):
        with torch.autocast("cpu", torch.bfloat16):
            found.append(model.features(batch).float().numpy())
    return np.concatenate(found)


class MeshLayers(HasFeatures):
    """The last maps of MediaPipe's layers."""

    def __init__(self, image_size: int) -> None:
        self.config = find_model("tcae").config(image_size=image_size)
        self.body = MeshBody()

    def features(self, batch: Batch) -> torch.Tensor:
        return self.body(batch.image)[-1].flatten(1)


def components(model: Any, parts: list[CropData]) -> list[np.ndarray]:
    """Principal components of a model's features, of the first part's frames."""
    raw = [features(model, part) for part in parts]
    mean = raw[0].mean(0)
    axes = np.linalg.svd(raw[0] - mean, full_matrices=False)[2][:COMPONENTS]
    return [((values - mean) @ axes.T).astype(np.float32) for values in raw]


def is_wild(data: CropData, plan: FreshPlan) -> np.ndarray:
    """Which rows are of people of the wild look, (N,) bool."""
    numbers = [int(name.split("-")[1]) for name in data.subjects]
    wild = np.array([np.random.default_rng((plan.seed, STREAM, k)).random() < plan.wild_share for k in numbers])
    return wild[data.subject]


def scores(logits: dict[str, np.ndarray], tune: CropData, test: CropData, rows: np.ndarray) -> dict[str, float]:
    """Mean AUC, and F1 at the best thresholds of the tuning people, over the rows of the test people."""
    present, known = test.au_present[rows], test.au_present_valid[rows]
    threshold = metrics.best_f1_threshold(tune.au_present, logits["tune"], tune.au_present_valid)
    detected = logits["test"][rows] >= np.nan_to_num(threshold, nan=np.inf)
    return {
        "auc": metrics.mean_over_aus(metrics.auc(present, logits["test"][rows], known)),
        "f1": metrics.mean_over_aus(metrics.f1(present, detected, known)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED, STORED, options.assets)
    test_plan = dataclasses.replace(plan, seed=SEED + 1)
    people, test = (
        dataclasses.replace(kept_crop_data(of, numbers, options.keep), mesh=None, mesh_valid=None)
        for of, numbers in ((plan, range(FIRST, FIRST + TRAIN + TUNE)), (test_plan, range(TEST)))
    )
    models = {path.parent.name: load_checkpoint(path).model for path in options.checkpoints}
    like = next(iter(models.values()))
    named = {name: [features(model, part) for part in (people, test)] for name, model in models.items()}
    size = like.config.image_size
    hog = find_model("hog").model(find_model("hog").config(image_size=size), (1,))
    for name, model in ((HOG, hog), (LAYERS, MeshLayers(size))):
        named[name] = components(model, [people, test])
    detector = load_checkpoint(find_weights("resnet18")).model
    named[DETECTOR] = [features(detector, part) for part in (people, test)]
    wild = is_wild(test, test_plan)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        names = np.random.default_rng(seed).permutation(people.subjects)
        mine, tuning = (
            np.isin(np.array(people.subjects)[people.subject], part) for part in (names[:TRAIN], names[TRAIN:])
        )
        named[UNTRAINED] = [features(untrained(like, people, seed), part) for part in (people, test)]
        for share in SHARES:
            drawn = [np.flatnonzero(part) for part in (mine, tuning)]
            drawn = [labelled_rows(part, share, seed) for part in drawn]
            train, tune = (people.subset(part) for part in drawn)
            said = {ALWAYS: {"tune": np.zeros(tune.au_present.shape), "test": np.zeros(test.au_present.shape)}}
            for name, (known, new) in named.items():
                probe = Descriptor(known.shape[1], len(people.aus))
                fit_probe(probe, known[drawn[0]], train, known[drawn[1]], tune)
                said[name] = {"tune": probe.logits(known[drawn[1]]), "test": probe.logits(new)}
            for look, chosen in (("studio", ~wild), ("wild", wild)):
                about = {
                    "look": look,
                    "labels": share,
                    "labelled_frames": len(train),
                    "test_frames": int(chosen.sum()),
                }
                for name, logits in said.items():
                    rows.append(about | {"seed": seed, "representation": name} | scores(logits, tune, test, chosen))
        table = pd.DataFrame(rows).assign(commit=source_commit())
        with write_atomically(RESULTS) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    shown = table.groupby(["look", "labels", "representation"], sort=False)[["auc", "f1"]].mean()
    print(shown.round(3).to_string())


def labelled_rows(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A share of the rows at random, in order; at least two."""
    count = max(2, round(share * len(rows)))
    return np.sort(np.random.default_rng((seed, 5)).permutation(rows)[:count])


if __name__ == "__main__":
    main()
