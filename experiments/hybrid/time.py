"""What the hybrid network's later stages gain on clips that begin anywhere, beside arithmetic on the CNN's scores.

    python experiments/hybrid/time.py --init runs/anet/model.safetensors --train out/clips/w7? \
        --valid out/clips/valid out/clips/valid-calm --test out/clips/test out/clips/test-worse

`time.sh` renders the clips and trains the CNN, on other people. What it says of each frame is computed once. Every
row learns from that with the settings of configs/hybrid_synthau.yaml and one thing changed. Thresholds are those of
the validation clips. Writes results/hybrid_time.csv, with 95% intervals over people, for every seed; "gain" is AUC
above a moving average of the CNN's scores. With `--rows corrections` the LSTMs correct the CNN's scores, and
results/hybrid_corrections.csv is written.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from clips import Clip, parser_of
from correct import ARITHMETIC, gain, judged, smoothed

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.synthau import load_crops
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models.hybrid import HybridNet
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import train
from actionunits.training.sequence_source import SequenceSource
from actionunits.training.settings import Settings, make_settings, read_config_file
from actionunits.training.start import start_from
from actionunits.training.validation import CropPredictions, neutral_logits, per_au_scores, scores, thresholds
from actionunits.weights.checkpoint_file import read_header

RESULTS = Path(__file__).parents[2] / "results"
LSTM, EQUATION_4 = {"variant": "lstm"}, {"variant": "lstm", "lstm_loss": "margin"}
PAPER: dict[str, dict[str, Any]] = {
    "LSTMs": LSTM,
    "LSTMs, Eq. (4)": EQUATION_4,
    "LSTMs, Eq. (4), one factor for all components": EQUATION_4 | {"component_scale": "first"},
    "fusion": {},
    "fusion, scores of unit length": {"fusion_scores": "unit"},
    "fusion, all from the same people": {"fusion_people": 0.0},
}
# The CNN has not seen the people of the clips, and no fusion follows: all of them are the LSTMs'.
ALL = LSTM | {"fusion_people": 0.0}
CORRECTING = ALL | {"lstm_says": "corrections"}
EACH = CORRECTING | {"lstm_reads": "each_score", "lstm_layers": 1, "lstm_units": 24, "lstm_dropout": 0.0}
EACH |= {"initial_range": 0.25, "lstm_lr": 8e-3, "lstm_epochs": 8, "change_weight": 1.0}
CORRECTIONS: dict[str, dict[str, Any]] = {
    "corrections from each score": EACH,
    "corrections from fc7": CORRECTING | {"lstm_epochs": 3},
    "corrections from fc7 and all scores": CORRECTING | {"lstm_reads": "fc7_and_scores", "lstm_epochs": 3},
    "LSTMs of fc7, no corrections": ALL | {"lstm_epochs": 3},
}
# Rows, and where they are written.
ROWS = {"paper": (PAPER, "hybrid_time.csv"), "corrections": (CORRECTIONS, "hybrid_corrections.csv")}


@dataclass(frozen=True)
class ReadData:
    """Labels of some clips, clip by clip in time order, and what the CNN says of their frames."""

    data: CropData
    fc7: torch.Tensor  # (N, D), of unit length
    scores: torch.Tensor  # (N, A)


def settings_of(changes: dict[str, Any]) -> Settings:
    return make_settings("hybrid", read_config_file("hybrid_synthau") | changes)


def started(changes: dict[str, Any], aus: tuple[int, ...], init: Path) -> HybridNet:
    """The network, with the CNN of a checkpoint."""
    model = HybridNet(settings_of(changes).model, aus)
    start_from(model, init)
    return model


@torch.no_grad()
def read(folders: list[Path], init: Path) -> ReadData:
    """Renders as the CNN sees them."""
    data = load_crops(folders, stored_size(settings_of({}).model.image_size))
    data = data.subset(np.lexsort((data.frame, data.clip)))
    model = started({}, data.aus, init).eval()
    with torch.autocast("cpu", torch.bfloat16):
        fc7 = [model.fc7(batch).float() for batch in plain_batches(data, model.config.image_size)]
    return ReadData(data, F.normalize(torch.cat(fc7), dim=1), torch.cat([model.cnn.scores(x) for x in fc7]))


def features_of(model: HybridNet, read_data: ReadData) -> torch.Tensor:
    """What the later stages read, (N, K + A)."""
    assert model.projection is not None
    return torch.cat([model.projection(read_data.fc7), read_data.scores], 1)


def trained(changes: dict[str, Any], shown: ReadData, init: Path, seed: int) -> HybridNet:
    """The network after its later stages."""
    settings = settings_of(changes)
    torch.manual_seed(seed)
    model = started(changes, shown.data.aus, init)
    assert model.projection is not None
    model.projection.fit([shown.fc7], settings.model.energy)
    features = features_of(model, shown).numpy()
    with tempfile.TemporaryDirectory() as out:
        result = train(
            model,
            lambda stage, number: SequenceSource(shown.data, stage, number, model, seed, features=features),
            Path(out),
            replace(settings.loop, seed=seed, ema_decay=0.98),
            make_fabric(Hardware(precision="32", accelerator="cpu")),
        )
    return result.model  # type: ignore[return-value]


@torch.no_grad()
def clips_of(shown: ReadData, model: HybridNet | None = None) -> list[Clip]:
    """What the network says of every clip, from its beginning; without one, what the CNN says."""
    data = shown.data
    if model is None:
        logit = shown.scores
    else:
        batch = data.batch(np.arange(len(data)), inputs=())
        sequence = torch.from_numpy(np.unique(data.clip, return_inverse=True)[1])
        logit = model(replace(batch, features=features_of(model, shown), sequence=sequence)).au_logit
    unknown = np.full(logit.shape, np.nan, np.float32)
    rows = np.split(np.arange(len(data)), np.flatnonzero(np.diff(data.clip)) + 1)
    said = logit.numpy()
    return [Clip(said[r], unknown[r], data.au_present[r] > 0, data.au_intensity[r]) for r in rows]


def always_present(clips: list[Clip]) -> list[Clip]:
    """Clips of whose every frame the same is said."""
    return [replace(clip, logit=np.zeros_like(clip.logit)) for clip in clips]


def keep(path: Path, model: HybridNet, shown: ReadData, valid: ReadData, init: Path, seed: int) -> None:
    """Save a network, with thresholds and neutral log-odds of the validation clips."""
    start, data = read_header(init), valid.data
    said = CropPredictions(np.concatenate([clip.logit for clip in clips_of(valid, model)]), None)
    fields = {
        "data": {
            "names": list(shown.data.names),
            "training_subjects": sorted(shown.data.present_subjects),
            "training_frames": len(shown.data),
            "started_from": {"sha256": start["sha256"], "names": start["data"]["names"]},
            "taught_by": start["data"].get("taught_by"),
            "validation_names": list(data.names),
            "validation_subjects": list(data.present_subjects),
            "occurrence_level": shown.data.occurrence_level,
            "aligned": shown.data.aligned,
        },
        "seed": seed,
        "commit": source_commit(),
        "thresholds": thresholds(data, said),
        "neutral_logit": neutral_logits(data, said),
        "scores": {"validation": scores(data, said), "validation_per_au": per_au_scores(data, said)},
    }
    save_checkpoint(path, model, fields)


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--init", type=Path, required=True, help="a CNN that saw other people")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--keep", type=Path, help="folder for the networks of every row's first seed, ROW.safetensors"
    )
    parser.add_argument("--rows", choices=ROWS, default="paper", help="what the LSTMs say")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen, file = ROWS[options.rows]
    try:
        shown, valid = read(options.train, options.init), read(options.valid, options.init)
        tests = {folder.name: read([folder], options.init) for folder in options.test}
        means = {name: [smoothed(clip) for clip in clips_of(test)] for name, test in tests.items()}
        rows = []

        def judge(row: str, seed: int | None, tuned: list[Clip], told: dict[str, list[Clip]], name: str) -> None:
            for test, clips in told.items():
                found = judged(ARITHMETIC[name], tuned, clips)
                found |= gain(clips, means[test]) if seed is not None else {}
                rows.append({"test": test, "people": len(clips), "row": row, "seed": seed} | found)
                print(test, row, seed, *(f"{key} {value:.3f}" for key, value in found.items()), flush=True)

        for name in ARITHMETIC:
            judge(f"CNN, {name}", None, clips_of(valid), {k: clips_of(test) for k, test in tests.items()}, name)
        floor, floors = always_present(clips_of(valid)), {k: always_present(clips) for k, clips in means.items()}
        judge("always present", None, floor, floors, next(iter(ARITHMETIC)))
        for row, changes in chosen.items():
            for seed in range(options.seeds):
                model = trained(changes, shown, options.init, seed)
                told = {k: clips_of(test, model) for k, test in tests.items()}
                judge(row, seed, clips_of(valid, model), told, next(iter(ARITHMETIC)))
                if options.keep is not None and seed == 0:
                    keep(options.keep / f"{row}.safetensors", model, shown, valid, options.init, seed)
            table = pd.DataFrame(rows).assign(training_clips=len(np.unique(shown.data.clip)), commit=source_commit())
            with write_atomically(RESULTS / file) as partial:
                table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")
    except UserError as error:
        print(f"time: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
