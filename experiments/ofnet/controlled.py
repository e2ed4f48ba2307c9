"""One thing changed at a time: the unit of pixels, where the AU loss reaches, what AU-Net reads; two upper bounds.

    SYNTH=(actionunits synth --facekit DIR --clips 1 --frames 9 --fps 3 --rates balanced --size 128 --flow)
    "${SYNTH[@]}" --subjects 228 --seed 51 --out out/train
    "${SYNTH[@]}" --subjects 120 --seed 52 --out out/test
    "${SYNTH[@]}" --subjects 60 --seed 53 --out out/valid
    DATA=(--train out/train --valid out/valid --test out/test)
    python experiments/ofnet/controlled.py "${DATA[@]}" --out out/controlled --seeds 3 --pairs results/ofnet_pairs.csv
    TOLD="OF-Net told the true motion"
    python experiments/ofnet/controlled.py "${DATA[@]}" --out out/mesh --seeds 1 --before 2000 --steps 2000 \
        --rows "$TOLD, separate" "$TOLD, separate, mesh" "$TOLD, joint" "$TOLD, joint, mesh" "mesh layers, no flow" \
        "AU-Net on the picture" --results results/ofnet_mesh.csv --pairs results/ofnet_mesh_pairs.csv

An eighth of the channels, unless `--width` says otherwise, and 64 pixels. OF-Net learns alone for `--before` steps,
from its three losses or, as an upper bound, from the true motion of the renders, which shows what a single picture
can tell; rows with the same losses go on from the same OF-Net. Then both networks, or AU-Net alone, learn for
`--steps` steps. What has no such beginning learns for as many steps in all. AU-Net on the true motion is the other
upper bound: what a motion can tell. With "mesh", OF-Net's encoder also reads the layers of MediaPipe's mesh network;
these layers without a flow are the rival. Leaves predictions of people whom no row has seen, OUT/ROW-SEED.parquet,
and the networks; a row that is there is not trained again. Writes scores and end-point errors relative to no motion,
results/ofnet_controlled.csv, where rows of other people, widths or steps stay; what begins with "seen" is of the
people of the first folder of `--train`. With `--pairs`, also the differences of pairs of rows, with intervals over
people and trainings.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from flow import NONE, no_motion
from torch import Tensor, nn

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import CropData, Rows, stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.true_flow import true_flows
from actionunits.evaluation.compare import MEAN, compare
from actionunits.evaluation.flow_error import flow_errors, summarise
from actionunits.evaluation.predictions import FramePredictions, read_predictions, write_predictions
from actionunits.models import find_model
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage
from actionunits.models.layers.mesh_maps import MeshMaps
from actionunits.models.ofnet import OfNet, OfNetConfig, loss
from actionunits.models.ofnet.two_frame import two_frame_flow
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train
from actionunits.training.settings import make_settings, read_config_file
from actionunits.training.source import CropSource
from actionunits.training.validation import predict_crops, scores

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "eacnet"))
from equal_steps import row_of, write
from rivals import always_present, judged
from students import add_rows

RESULTS = Path(__file__).parents[2] / "results"
SMALL = {"width": 8, "image_size": 64, "optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "warmup_steps": 20}
SMALL |= {"batch_size": 8, "epochs": 2, "warmup_epochs": 1}
AUGMENT = make_settings("ofnet", read_config_file("ofnet_bp4d")).augment  # Sec. IV-A: crops, turns and flips
PLAIN = {"pixel_scale": 1.0}
MESH = {"encoder": "mesh"}
MESH_FEATURES = 128  # of the layers of the mesh network, where no flow is between
NOTHING = {"pixel_weight": 0.0, "smooth_weight": 0.0, "dssim_weight": 0.0}
# Row: which of BEGINNINGS it goes on from, and its own settings.
ROWS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "joint": ("flow", {"variant": "joint"}),
    "joint, pixels of 0-1": ("flow, pixels of 0-1", {"variant": "joint"} | PLAIN),
    "joint, pixels of 0-1, AU loss at a hundredth": ("flow, pixels of 0-1", {"au_weight": 0.3} | PLAIN),
    "separate": ("flow", {"variant": "separate"}),
    "joint, no loss of flow": (None, {"variant": "joint"} | NOTHING),
    "OF-Net told the true motion, separate": ("told", {"variant": "separate"}),
    "AU-Net on the true motion": (None, {"variant": "dis"}),
    "AU-Net on DIS of two frames": (None, {"variant": "dis"}),
    "AU-Net on the picture": (None, {"variant": "dis"}),
    "ResNet-18": (None, {}),
    "HOG": (None, {}),
}
FIRST_ROWS = list(ROWS)
ROWS |= {
    "OF-Net told the true motion, joint": ("told", {"variant": "joint"}),
    "OF-Net told the true motion, separate, mesh": ("told, mesh", {"variant": "separate"} | MESH),
    "OF-Net told the true motion, joint, mesh": ("told, mesh", {"variant": "joint"} | MESH),
    "mesh layers, no flow": (None, {"variant": "joint"} | MESH),
}
PAIRS = (
    ("joint", "joint, pixels of 0-1"),
    ("joint", "separate"),
    ("joint", "joint, no loss of flow"),
    ("joint", "AU-Net on the picture"),
    ("joint", "ResNet-18"),
    ("OF-Net told the true motion, separate", "separate"),
    ("AU-Net on the true motion", "AU-Net on DIS of two frames"),
    ("OF-Net told the true motion, joint, mesh", "OF-Net told the true motion, joint"),
    ("OF-Net told the true motion, joint, mesh", "OF-Net told the true motion, separate, mesh"),
    ("OF-Net told the true motion, joint, mesh", "mesh layers, no flow"),
)


class Told(OfNet):
    """OF-Net that learns the motion itself, where the batch knows it."""

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Mean end-point error, pixels."""
        assert output.flow is not None and batch.flow is not None
        known = batch.flow.isfinite().all(1)
        error = (output.flow - batch.flow.nan_to_num()).norm(dim=1)
        return {"motion": torch.where(known, error, 0).sum() / known.sum().clamp(min=1)}


class ToldJointly(Told):
    """Both networks, the mean error of the motion in pixels as heavy as the mean loss of an AU."""

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Of the motion where the batch knows it, and of the AUs."""
        assert batch.au_present is not None and batch.au_present_valid is not None
        weight = self.config.au_weight
        occurrence = loss.au_loss(output.au_logit, batch.au_present, batch.au_present_valid)  # summed over AUs
        motion = len(self.aus) * super().losses(output, batch)["motion"]
        return {"motion": weight * motion, "occurrence": weight * occurrence}


class OnPicture(OfNet):
    """AU-Net on the picture in the place of a flow."""

    def __init__(self, config: OfNetConfig, aus: tuple[int, ...]) -> None:
        super().__init__(config, aus)
        first = self.au_net.blocks[0][0]  # type: ignore[index]
        self.au_net.blocks[0][0] = nn.Conv2d(3, first.out_channels, 3, padding=1, bias=False)  # type: ignore[index]

    def prediction_inputs(self) -> tuple[str, ...]:
        return ("image",)

    def flow(self, batch: Batch) -> Tensor:
        return batch.image


class OnMesh(OfNet):
    """The layers of the mesh network, as they are, read as TCAE and the default detector read them: no flow."""

    def __init__(self, config: OfNetConfig, aus: tuple[int, ...]) -> None:
        super().__init__(config, aus)
        self.of_net = None
        self.au_net = nn.ModuleDict(
            {"maps": MeshMaps(MESH_FEATURES, dropout=0.1), "output": nn.Linear(MESH_FEATURES, len(aus))}
        )

    def prediction_inputs(self) -> tuple[str, ...]:
        return ("image",)

    def forward(self, batch: Batch) -> Output:
        assert self.mesh is not None
        features = self.au_net["maps"](self.mesh(batch.image))
        return Output(self.au_net["output"](features).float())


def known_motion(folder: Path, size: int, margin: float) -> np.ndarray:
    """True motion of every frame to its anchor, (N, 2, size, size) float16, pixels; NaN where it is not known."""
    found = true_flows(folder, size, margin)
    flows = (np.where(known[..., None], flow, np.nan).transpose(2, 0, 1) for flow, known in found)
    return np.stack([flow.astype(np.float16) for flow in flows])


@dataclasses.dataclass(frozen=True)
class Data:
    """One part of the people, with each flow that a row reads."""

    crops: CropData  # flow: DIS
    true: CropData  # flow: the true motion; NaN where it is not known
    filled: CropData  # 0 there

    @classmethod
    def of(cls, folders: list[Path], size: int) -> Data:
        crops = load_data(folders, stored_size(size), aus=SYNTH_AUS, flow="dis", workers=1)
        flows = np.concatenate([known_motion(folder, crops.size, crops.margin) for folder in folders])
        parts = (Rows.of(values) for values in (flows, np.nan_to_num(flows)))
        return cls(crops, *(dataclasses.replace(crops, flow=part) for part in parts))

    def for_row(self, row: str) -> CropData:
        """What a row reads."""
        if row == "AU-Net on the true motion":
            return self.filled
        return self.true if KINDS.get(row) is ToldJointly else self.crops


KINDS: dict[str, type[OfNet]] = {
    "AU-Net on the picture": OnPicture,
    "OF-Net told the true motion, joint": ToldJointly,
    "OF-Net told the true motion, joint, mesh": ToldJointly,
    "mesh layers, no flow": OnMesh,
}
# An OF-Net that has learned alone: from what, and its own settings.
BEGINNINGS: dict[str, tuple[type[OfNet], dict[str, Any]]] = {
    "flow": (OfNet, {}),
    "flow, pixels of 0-1": (OfNet, PLAIN),
    "told": (Told, {}),
    "told, mesh": (Told, MESH),
}


def model_of(row: str, seed: int, width: int) -> Any:
    """The networks of a row with random weights."""
    torch.manual_seed(seed)
    if row in ("ResNet-18", "HOG"):
        entry = find_model(row.lower().replace("-", ""))
        adam = {name: SMALL[name] for name in ("optimizer", "lr", "schedule", "warmup_steps")}
        own = {"width": 16, **adam} if row == "ResNet-18" else {}
        return entry.model(entry.config(image_size=64, batch_size=8, epochs=1, **own), SYNTH_AUS)
    return KINDS.get(row, OfNet)(OfNetConfig(**SMALL | {"width": width} | ROWS[row][1]), SYNTH_AUS)


def last_stage(model: Any) -> Stage:
    """The stage that a row ends with."""
    stage: Stage = model.stages()[-1]
    return reads_motion(stage) if isinstance(model, Told) else stage


def reads_motion(stage: Stage) -> Stage:
    """The same with the true motion in the place of the anchor."""
    return dataclasses.replace(stage, inputs=("image", "flow"))


def learned(model: Any, stage: Stage, data: CropData, steps: int, seed: int, number: int, out: Path) -> Any:
    """The model after so many steps of one stage."""
    model.stages = lambda: [dataclasses.replace(stage, epochs=1)]
    loop = LoopSettings(seed=seed, ema_decay=0.98, save_every_minutes=1e6, log_every_steps=50)

    def source_of(stage: Stage, _: int) -> CropSource:
        source = CropSource(data, stage, number, model.config.image_size, seed, AUGMENT)
        source.steps_per_epoch = steps
        return source

    out.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(Hardware(accelerator="cpu", precision="bf16"))
    trained = train(model, source_of, out, loop, fabric).model
    del model.stages, trained.stages
    return trained


def beginning(kind: str, seed: int, data: Data, options: argparse.Namespace) -> dict[str, Tensor]:
    """Weights of an OF-Net that has learned alone."""
    torch.manual_seed(seed)
    network, settings = BEGINNINGS[kind]
    model = network(OfNetConfig(**SMALL | {"width": options.width} | settings), SYNTH_AUS)
    stage, crops = model.stages()[0], data.crops
    if network is Told:
        stage, crops = reads_motion(stage), data.true
    return learned(model, stage, crops, options.before, seed, 0, options.out / "run").state_dict()  # type: ignore[no-any-return]


def trained(row: str, seed: int, data: Data, options: argparse.Namespace, begun: dict[str, dict[str, Tensor]]) -> Any:
    """The networks of a row after all their steps."""
    model, before = model_of(row, seed, options.width), ROWS[row][0]
    steps = options.before + options.steps
    if before is not None:
        if before not in begun:
            begun[before] = beginning(before, seed, data, options)
        model.load_state_dict(begun[before])
        steps = options.steps
    return learned(model, last_stage(model), data.for_row(row), steps, seed, 1, options.out / "run").eval()


def errors_of_flow(networks: dict[tuple[str, int], OfNet], folder: Path, prefix: str) -> pd.DataFrame:
    """End-point errors relative to no motion: row, seed, and one column for each area, PREFIX_AREA."""
    estimators: dict[str, Callable[[Batch], Tensor]] = {
        "AU-Net on DIS of two frames/0": lambda batch: two_frame_flow("dis", batch.image, batch.anchor),
        NONE: no_motion,
    }
    estimators |= {f"{row}/{seed}": network.flow for (row, seed), network in networks.items()}
    table = summarise(flow_errors(folder, estimators, SMALL["image_size"]), NONE)
    wide = table[table["method"] != NONE].pivot(index="method", columns="area", values="ratio")
    wide = wide.add_prefix(f"{prefix}_")
    names = wide.index.str.rsplit("/", n=1)
    return wide.assign(row=names.str[0], seed=names.str[1].astype(int)).reset_index(drop=True)


def pairs_table(said: dict[str, list[FramePredictions]]) -> pd.DataFrame:
    """Mean differences over AUs of those PAIRS that have predictions, on the same frames."""
    rows = []
    for first, second in PAIRS:
        if first not in said or second not in said:
            continue
        found = compare(said[first], said[second], metric_names=("auc", "f1")).table
        rows.append(found[found["au"] == MEAN].assign(first=first, second=second, trainings=len(said[first])))
    return pd.concat(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "valid", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help="renders with their motion")
    parser.add_argument("--width", type=int, default=SMALL["width"], help="channels of the first layers")
    parser.add_argument("--before", type=int, default=250, help="steps of OF-Net alone")
    parser.add_argument("--steps", type=int, default=400, help="steps of AU-Net, or of both")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=FIRST_ROWS, help="some rows alone")
    parser.add_argument("--results", type=Path, default=RESULTS / "ofnet_controlled.csv", help="table to write")
    parser.add_argument("--pairs", type=Path, help="table of the differences of pairs to write")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = SMALL["image_size"]
    data, valid, test = (Data.of(folders, size) for folders in (options.train, options.valid, options.test))
    seen = load_data(options.train[0], stored_size(size), aus=SYNTH_AUS, workers=1)
    rows: list[dict[str, Any]] = [{"row": "always present", "seed": 0} | row_of(always_present(test.crops))]
    said: dict[str, list[FramePredictions]] = {}
    networks: dict[tuple[str, int], OfNet] = {}
    for seed in range(options.seeds):
        begun: dict[str, dict[str, Tensor]] = {}
        for row in options.rows:
            place = options.out / f"{row.replace(' ', '_').replace(',', '')}-{seed}.parquet"
            if not place.is_file():
                model = trained(row, seed, data, options, begun)
                torch.save(model.state_dict(), place.with_suffix(".pt"))
                about = {"run": row, "seed": seed}
                write_predictions(place, judged(model, test.for_row(row), valid.for_row(row), about))
            said.setdefault(row, []).append(read_predictions(place))
            rows.append({"row": row, "seed": seed} | row_of(said[row][-1]))
            model = model_of(row, seed, options.width).eval()
            if isinstance(model, OfNet) and model.prediction_inputs() == ("image",):
                model.load_state_dict(torch.load(place.with_suffix(".pt"), weights_only=True))
                rows[-1]["seen_auc"] = scores(seen, predict_crops(model, seen, size))["auc"]
                if model.of_net is not None:
                    networks[row, seed] = model
            print(f"{time.process_time():.0f} s {row} {seed}: AUC {rows[-1]['auc']:.3f}", flush=True)
    table = pd.DataFrame(rows)
    for folders, prefix in ((options.test, "flow"), (options.train, "seen_flow")):
        table = table.merge(errors_of_flow(networks, folders[0], prefix), how="left", on=["row", "seed"])
    counts = {"people": len(data.crops.subjects), "width": options.width}
    counts |= {"before": options.before, "steps": options.steps}
    add_rows(options.results, table.assign(**counts).to_dict("records"), ("row", "seed", *counts))
    if options.pairs is not None:
        write(pairs_table(said), options.pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
