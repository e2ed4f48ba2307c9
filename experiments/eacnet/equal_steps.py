"""FVGG, E-Net and EAC-Net after equally many steps, from one VGG-19, on the same frames, with several seeds.

    python experiments/eacnet/equal_steps.py --facekit DIR --assets ASSETS --keep out/people \
        --start runs/vgg/model.safetensors --out out/equal

The paper's order is three stages, each from the network before: a network that comes later has then trained longer.
Here every row has three stages of as many steps. The VGG-19 is that of an FVGG of `train_student.py`. As in the
paper, FVGG trains groups 4 and 5, E-Net groups 3 to 5, and EAC-Net its crops alone; what groups 1 and 2 make of a
frame is computed once.
Leaves predictions of people whom no row has seen, OUT/ROW-SEED.parquet, and the networks; a row whose predictions are
there is not trained again. Writes results/eacnet_equal.csv, and, with intervals over people and trainings, the
differences of pairs of rows in results/eacnet_pairs.csv.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from low_groups import (
    AboveLowGroups,
    LowMaps,
    LowSource,
    changed_views,
    low_maps,
    plain_view,
    predict,
    start_network,
)
from torch import Tensor

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.evaluation.compare import MEAN, compare
from actionunits.evaluation.predictions import FramePredictions, read_predictions, write_predictions
from actionunits.evaluation.protocols import score_frames
from actionunits.files import write_atomically
from actionunits.models.contract import Stage
from actionunits.models.eacnet import EacNetConfig
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.validation import thresholds

RESULTS = Path(__file__).parents[2] / "results"
PAIRS = (
    ("E-Net", "FVGG"),
    ("EAC-Net", "E-Net"),
    ("EAC-Net", "FVGG"),
    ("EAC-Net", "EAC-Net without upscaling"),
    ("EAC-Net", "crops without attention"),
    ("crops without attention", "FVGG"),
    ("EAC-Net, crops from the first step", "FVGG"),
    ("EAC-Net, crops from the first step", "E-Net"),
)
FRAMES = 8  # of each person
SIZES_PX = (192, 288)  # of the pictures: the crops hold what the network's 224 pixels show
SEED = 41  # of the people; those of the next two test and choose thresholds
COMMON = {
    "width": 8,
    "magnification": 4 / 3,
    "middle_size": 168,  # 224 / magnification: the crop is cut, not stretched
    "crop_units": 64,
    "dropout": 0.2,
    "optimizer": "adam",
    "lr": 1e-3,
    "batch_size": 32,
    "schedule": "cosine",
    "warmup_steps": 20,
    "epochs": 1,
}
# Row: its stages. The last one is not the paper's: crops from the first step, and what lies below them trains too.
ROWS: dict[str, tuple[str, ...]] = {
    "FVGG": ("fvgg", "fvgg", "fvgg"),
    "E-Net": ("fvgg", "enet", "enet"),
    "EAC-Net": ("fvgg", "enet", "eacnet"),
    "EAC-Net without upscaling": ("fvgg", "enet", "eacnet plain"),
    "crops without attention": ("fvgg", "fvgg", "eacnet blind"),
    "EAC-Net, crops from the first step": ("eacnet open", "eacnet open", "eacnet open"),
}


class Blind(AboveLowGroups):
    """EAC-Net that crops group 4 as FVGG has it."""

    def enhanced(self, x: Tensor, centers: Tensor | None) -> Tensor:
        return super().enhanced(x, None)


def next_network(model: AboveLowGroups, kind: str, seed: int) -> AboveLowGroups:
    """What a stage begins with: the network before, and its crops anew where they see something else."""
    special = kind.partition(" ")[2]
    wanted = Blind if special == "blind" else AboveLowGroups
    config = dataclasses.replace(model.config, upscale=special != "plain", train_enet=special == "open")
    if type(model) is wanted and config == model.config:
        return copy.deepcopy(model)
    torch.manual_seed(seed)
    other = wanted(config, SYNTH_AUS)
    weights = {n: v for n, v in model.state_dict().items() if not n.startswith(("cropping.", "crop_head."))}
    other.load_state_dict(other.state_dict() | weights)
    return other


def trained(
    model: AboveLowGroups, kind: str, number: int, maps: LowMaps, steps: int, seed: int, out: Path
) -> AboveLowGroups:
    """The network after one more stage."""
    model = next_network(model, kind, seed)
    stage = model._stage(kind.partition(" ")[0])
    model.stages = lambda: [stage]  # type: ignore[method-assign]
    loop = LoopSettings(seed=seed, clip_norm=0.0, ema_decay=0.98, save_every_minutes=1000, log_every_steps=50)

    def source_of(stage: Stage, _: int) -> LowSource:
        return LowSource(maps, stage, number, seed, steps)

    out.mkdir(parents=True, exist_ok=True)
    return train(model, source_of, out, loop, make_fabric(Hardware(accelerator="cpu"))).model  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Data:
    """What all rows learn from and are judged on."""

    train: LowMaps
    valid: CropData
    valid_maps: LowMaps
    test: CropData
    test_maps: LowMaps


def judged(model: AboveLowGroups, data: Data, about: dict[str, object]) -> FramePredictions:
    """Predictions for the test people, with thresholds of the validation people."""
    chosen = thresholds(data.valid, predict(model, data.valid_maps.whole()))
    return FramePredictions.of(
        data.test, predict(model, data.test_maps.whole()), np.array(list(chosen.values())), about=about
    )


def row_of(frames: FramePredictions, replicates: int = 400) -> dict[str, float]:
    """Mean scores over AUs, with intervals over people."""
    found = score_frames(frames, replicates)
    told = {name: found.means[name] for name in ("auc", "f1", "accuracy")}
    return told | {f"{m}_{b}": found.intervals[m][k] for m in ("auc", "f1") for k, b in enumerate(("low", "high"))}


def write(table: pd.DataFrame, path: Path) -> None:
    """A table of results with the commit."""
    with write_atomically(path) as partial:
        table.assign(commit=source_commit()).to_csv(partial, index=False, float_format="%.5g", lineterminator="\n")


def pairs_table(said: dict[str, list[FramePredictions]]) -> pd.DataFrame:
    """Mean differences over AUs of PAIRS, on the same frames."""
    rows = []
    for first, second in PAIRS:
        if first in said and second in said:
            found = compare(said[first], said[second], metric_names=("auc", "f1")).table
            means = found[found["au"] == MEAN]
            rows.append(means.assign(first=first, second=second, trainings=len(said[first])))
    return pd.concat(rows) if rows else pd.DataFrame()


def data_of(options: argparse.Namespace, model: AboveLowGroups) -> Data:
    """Rendered people: those to learn from, two hundred others to be judged on."""
    plan = FreshPlan(options.facekit, SEED, 256, options.assets, FRAMES, wild_share=0.5, sizes_px=SIZES_PX)
    test, valid, train_on = (
        kept_crop_data(dataclasses.replace(plan, seed=SEED + k), range(count), options.keep)
        for k, count in ((1, options.test_people), (2, options.valid_people), (0, options.people))
    )
    picture = model.whole()
    learned = low_maps(picture, train_on, changed_views(picture, train_on, options.versions))
    valid_maps, test_maps = (low_maps(picture, part, [plain_view(picture, part)]) for part in (valid, test))
    return Data(learned, valid, valid_maps, test, test_maps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--start", type=Path, required=True, help="FVGG whose VGG-19 all rows start from")
    parser.add_argument("--people", type=int, default=850)
    parser.add_argument("--test-people", type=int, default=100)
    parser.add_argument("--valid-people", type=int, default=60)
    parser.add_argument("--versions", type=int, default=3, help="of each frame: other places, turns and sizes")
    parser.add_argument("--steps", type=int, default=200, help="of each of the three stages")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lr", type=float, default=COMMON["lr"])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = load_checkpoint(options.start).model.vgg.state_dict()
    config = EacNetConfig(**(COMMON | {"lr": options.lr}))  # type: ignore[arg-type]
    data = data_of(options, start_network(config, weights, 0))
    print(f"{data.train.maps.shape[1]} frames, {time.process_time():.0f} s of one core", flush=True)
    rows: list[dict[str, Any]] = []
    said: dict[str, list[FramePredictions]] = {}
    for seed in range(options.seeds):
        done: dict[tuple[str, ...], AboveLowGroups] = {(): start_network(config, weights, seed)}
        for row in ROWS:
            place = options.out / f"{row.replace(' ', '_')}-{seed}.parquet"
            stages = ROWS[row]
            if not place.is_file():
                for count in range(1, len(stages) + 1):
                    if stages[:count] not in done:
                        model, kind = done[stages[: count - 1]], stages[count - 1]
                        run = options.out / "run"
                        done[stages[:count]] = trained(model, kind, count, data.train, options.steps, seed, run)
                model = done[stages].eval()
                save_checkpoint(place.with_suffix(".safetensors"), model.whole(), {"seed": seed})
                write_predictions(place, judged(model, data, {"run": row, "seed": seed}))
            frames = read_predictions(place)
            rows.append({"row": row, "seed": seed, "steps": len(stages) * options.steps} | row_of(frames))
            print(f"{time.process_time():.0f} s {row} {seed}: AUC {rows[-1]['auc']:.3f}", flush=True)
            said.setdefault(row, []).append(frames)
    write(pd.DataFrame(rows), RESULTS / "eacnet_equal.csv")
    write(pairs_table(said), RESULTS / "eacnet_pairs.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
