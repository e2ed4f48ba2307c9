"""Does RE-Net's graph help where action units go together? Two sets of rendered people, in three folds.

    python experiments/renet/relations.py --facekit DIR --assets DIR --people-folder DIR

`balanced` draws action units that hardly go together, `together` draws them with the rates and correlations of BP4D
(`synth --rates`). Networks have a quarter of the width, 48 pixels and the twelve action units of BP4D, and learn
occurrence alone. All start from one ResNet-18 of other people, with a last layer at random. In each fold a third of
the people are tested on and the others trained on; for a seed and a fold all rows see the same pictures in the same
order. Runs that are in the folder already are not run again. Writes results/renet_relations.csv (AUC of every run),
results/renet_relations_tests.csv (differences, intervals over people) and results/renet_new_au.csv (Table 6).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from labels import BODY, KEPT_SIZE, people, trained

from actionunits.aus import DATASET_AUS, au_label
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data
from actionunits.datasets.sampling.augment import augment
from actionunits.files import write_atomically
from actionunits.models.batch import Batch
from actionunits.models.renet.graph import SMALLEST_SUM
from actionunits.scores import bootstrap, metrics
from actionunits.scores.relations import label_relations
from actionunits.synth.motion import Rates
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.labels import with_relations
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file
from actionunits.training.source import step_seed
from actionunits.training.validation import predict_crops

RESULTS = Path(__file__).parents[2] / "results"
AUS = DATASET_AUS["bp4d"]
FOLDS, SIZE = 3, 48
NEAR = 1.3  # networks see the middle of the registered crop this much larger, as the released ones do
COMMON = [f"image_size={SIZE}", "magnification=1", f"middle_size={SIZE}", "width=16", "lr=1e-3", "batch_size=8"]
COMMON += ["warmup_steps=20", "ema_decay=0.98", "epochs=1", "validate_every_epochs=9"]
RENET = ["tasks=occurrence", "aus_per_step=all"]
RESNET = [*BODY[2], "intensity_weight=0", "dropout=0"]
# Name -> model and settings.
ROWS: dict[str, tuple[str, list[str]]] = {
    "ResNet-18": ("resnet18", RESNET),
    "RE-Net": ("renet", RENET),
    "RE-Net without the graph": ("renet", [*RENET, "variant=unrelated"]),
    "RE-Net, learned relations": ("renet", [*RENET, "variant=learnable"]),
}
SETS: tuple[Rates, ...] = ("together", "balanced")
SEEDS = 3
UNSEEN = "RE-Net without AU"
RARE = (1, 2, 4, 15, 23, 24)  # below a quarter of the frames in BP4D
NEW_AUS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24)
REPLICATES = 400


class Shown:
    """The batches of one seed, augmented once for all rows."""

    def __init__(self, data: CropData, steps: int, seed: int, settings: Settings) -> None:
        self.steps_per_epoch = steps
        self._batches = []
        for step in range(steps):
            generator = torch.Generator().manual_seed(step_seed(seed, 0, step))
            rows = torch.randint(len(data), (settings.model.batch_size,), generator=generator).numpy()
            self._batches.append(
                augment(data.batch(rows, inputs=("image",)), SIZE, generator, settings.augment, data.margin)
            )

    def batches(self, start: int) -> Generator[Batch, None, None]:
        yield from self._batches[start:]


def settings_of(model: str, changes: Sequence[str]) -> Settings:
    """Those of configs/MODEL_synthau.yaml, small, for one epoch."""
    return make_settings(model, read_config_file(f"{model}_synthau") | parse_assignments([*COMMON, *changes]))


@dataclasses.dataclass(frozen=True)
class Fold:
    """One fold of one set of people."""

    rates: Rates
    number: int
    training: CropData
    test: CropData


def crops(options: argparse.Namespace, rates: Rates, numbers: range) -> CropData:
    """Frames of some people."""
    plan = FreshPlan(options.facekit, options.seed_of_people, KEPT_SIZE, options.assets, rates=rates)
    found = people(plan, options.people_folder, numbers, options.workers, stored_size(SIZE), NEAR)
    return as_crop_data(plan, numbers, found).of_aus(AUS)


def folds_of(data: CropData, rates: Rates) -> list[Fold]:
    """Every third person is tested on, and of them every second frame."""
    owner = data.subject % FOLDS
    return [
        Fold(rates, k, data.subset(owner != k), data.subset((owner == k) & (data.frame % 2 == 1)))
        for k in range(FOLDS)
    ]


def answers(fold: Fold, name: str, seed: int, shown: Shown, options: argparse.Namespace) -> np.ndarray:
    """Log-odds (N, A) of a row for the fold's test frames; it is trained where the folder does not have them."""
    run = options.people_folder / "run"
    path = run / f"{fold.rates}-{fold.number}-{seed}-{name}.npy"
    if path.is_file():
        return np.load(path)
    model, changes = row_of(name)
    settings = with_relations(settings_of(model, changes), fold.training)
    if name.startswith(UNSEEN):
        settings = summable(settings)
    result = trained(model, settings, AUS, lambda stage, number: shown, seed, run, run / "body.safetensors")
    logit = predict_crops(result.model, fold.test, SIZE, bf16=True).au_logit
    with write_atomically(path) as partial, open(partial, "wb") as file:
        np.save(file, logit)
    auc = metrics.auc(fold.test.au_present, logit, fold.test.au_present_valid)
    print(f"{fold.rates}, fold {fold.number}, seed {seed}, {name}: {np.nanmean(auc):.4f}", flush=True)
    return logit


def row_of(name: str) -> tuple[str, list[str]]:
    """Of ROWS, or RE-Net with one AU left out."""
    if not name.startswith(UNSEEN):
        return ROWS[name]
    return "renet", [*RENET, f"unseen_aus=[{name.removeprefix(UNSEEN)}]"]


def summable(settings: Settings) -> Settings:
    """Eq. (5) by absolute values where the sum of relations that it divides by vanishes."""
    w = np.array(settings.model.relations).reshape(len(AUS), -1)
    w[:, [AUS.index(au) for au in settings.model.unseen_aus]] = 0
    if np.abs(w.sum(1)).min() >= SMALLEST_SUM:
        return settings
    return dataclasses.replace(settings, model=dataclasses.replace(settings.model, relation_sum="absolute"))


def train_body(options: argparse.Namespace) -> None:
    """The ResNet-18 that all rows start from, of people whom no row sees."""
    run = options.people_folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    if (run / "body.safetensors").is_file():
        return
    data = crops(options, "balanced", range(options.people, options.people + options.body_people))
    settings = settings_of("resnet18", [*RESNET, "batch_size=64"])
    shown = Shown(data, options.body_steps, 99, settings)
    result = trained("resnet18", settings, AUS, lambda stage, number: shown, 99, run)
    save_checkpoint(run / "body.safetensors", result.model, {"data": {}}, "float32")


def drawn_auc(fold: Fold, logit: np.ndarray) -> np.ndarray:
    """AUC of all test people, then of people drawn with replacement, (1 + REPLICATES, A)."""
    owners, subject = np.unique(fold.test.subject, return_inverse=True)
    draws = bootstrap.draw_subjects(len(owners), REPLICATES, fold.number)
    draws = np.concatenate([np.ones((1, len(owners)), np.int64), draws])
    return bootstrap.auc(draws, subject, fold.test.au_present, logit, fold.test.au_present_valid)


def difference(
    drawn: dict[tuple[str, int, int], np.ndarray], first: str, second: str, aus: Sequence[int]
) -> dict[str, Any]:
    """Mean over folds, seeds and AUs of the AUC of one row less another's; drawn: by row, seed and fold.

    The interval is over people, the spread over seeds.
    """
    columns = [AUS.index(au) for au in aus]
    seeds = sorted(
        {seed for name, seed, _ in drawn if name == first} & {seed for name, seed, _ in drawn if name == second}
    )

    def of_seeds(name: str) -> np.ndarray:
        """(seeds, 1 + REPLICATES)."""
        folds = [[np.nanmean(drawn[name, s, k][:, columns], 1) for k in range(FOLDS)] for s in seeds]
        return np.mean(folds, 1)

    a, b = of_seeds(first), of_seeds(second)
    low, high = np.quantile((a - b).mean(0)[1:], [0.025, 0.975])
    found = {"first": first, "second": second, "a": a[:, 0].mean(), "b": b[:, 0].mean()}
    found |= {"difference": found["a"] - found["b"], "low": low, "high": high}
    return found | {"sd_of_seeds": (a - b)[:, 0].std(ddof=1) if len(seeds) > 1 else np.nan}


def new_au(fold: Fold, au: int, shown: Shown, options: argparse.Namespace) -> dict[str, Any]:
    """An AU left out and read by its relations (Table 6), beside its nearest known AU read in its place."""
    column = AUS.index(au)
    related = label_relations(fold.training.au_present, fold.training.au_present_valid, AUS)[column]
    nearest = int(np.argsort(-related)[1])
    left_out = answers(fold, f"{UNSEEN}{au}", 0, shown, options)
    read = {"unseen": left_out[:, column], "nearest": left_out[:, nearest]}
    read["trained"] = answers(fold, "RE-Net", 0, shown, options)[:, column]
    # In the place of the AU itself, so that its labels judge all three.
    place = np.zeros((len(left_out), len(AUS)))
    drawn = {}
    for name, logit in read.items():
        place[:, column] = logit
        drawn[name] = drawn_auc(fold, place)[:, column]
    found = {"rates": fold.rates, "au": au_label(au), "nearest": au_label(AUS[nearest]), "r": related[nearest]}
    for name, values in drawn.items():
        low, high = np.nanquantile(values[1:], [0.025, 0.975])
        found |= {f"auc_{name}": values[0], f"low_{name}": low, f"high_{name}": high}
    gain = drawn["unseen"] - drawn["nearest"]
    low, high = np.nanquantile(gain[1:], [0.025, 0.975])
    return found | {"less_nearest": gain[0], "low": low, "high": high}


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """A table in the folder of results."""
    with write_atomically(RESULTS / name) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.4f")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--people-folder", type=Path, required=True, help="rendered people and runs, kept there")
    parser.add_argument("--people", type=int, default=360, help="of each set")
    parser.add_argument("--body-people", type=int, default=600, help="others, for the ResNet-18 that all start from")
    parser.add_argument("--body-steps", type=int, default=500, help="of that ResNet-18")
    parser.add_argument("--steps", type=int, default=150, help="of each row")
    parser.add_argument("--seed-of-people", type=int, default=31)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def of_set(folds: Sequence[Fold], options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the first two tables for one set of people."""
    table, tests = [], []
    drawn = {}
    for seed in range(SEEDS):
        for fold in folds:
            shown = Shown(fold.training, options.steps, seed, settings_of("renet", RENET))
            for name in ROWS:
                values = drawn_auc(fold, answers(fold, name, seed, shown, options))
                drawn[name, seed, fold.number] = values
                about = {"rates": fold.rates, "row": name, "seed": seed, "fold": fold.number}
                for au, rate, auc in zip(AUS, fold.test.au_present.mean(0), values[0], strict=True):
                    table.append(about | {"au": au_label(au), "rate": rate, "auc": auc})
    for other in (name for name in ROWS if name != "RE-Net"):
        for aus, which in ((AUS, "all"), (RARE, "rare")):
            tests.append({"rates": folds[0].rates, "aus": which, **difference(drawn, "RE-Net", other, aus)})
    return table, tests


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    train_body(options)
    table, tests, left_out = [], [], []
    for rates in SETS:
        folds = folds_of(crops(options, rates, range(options.people)), rates)
        more, differences = of_set(folds, options)
        table, tests = table + more, tests + differences
        write("renet_relations.csv", table)
        write("renet_relations_tests.csv", tests)
        shown = Shown(folds[0].training, options.steps, 0, settings_of("renet", RENET))
        left_out += [new_au(folds[0], au, shown, options) for au in NEW_AUS]
        write("renet_new_au.csv", left_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
