"""What the LSTMs of `configs/hybrid_small.yaml` learn, and what each of the paper's rules does to them at that size.

    python experiments/hybrid/lstm.py --data out/long-bp4d-crops --init out/anet/model.safetensors

`tables.sh` gives the data and the CNN, which saw other people. The LSTMs learn on the training people of the
first published fold and are judged on its test people. All runs see the same components of fc7, computed once. A
linear layer in the place of the LSTMs, in the same stage, tells what single frames give. AUC with 95% intervals over
people: of all frames, of the first ten of each clip, and of the later ones. Writes results/hybrid_lstm.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from actionunits.aus import DATASET_AUS
from actionunits.datasets.crops.crop_data import CropData
from actionunits.evaluation.protocols import score
from actionunits.evaluation.questions import Question, load_protocol
from actionunits.files import write_atomically
from actionunits.models.batch import Batch, Output
from actionunits.models.hybrid import HybridNet
from actionunits.models.hybrid.loss import cross_entropy
from actionunits.models.hybrid.lstm import LstmState
from actionunits.runtime.provenance import source_commit
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import train
from actionunits.training.sequence_source import SequenceSource, frame_features
from actionunits.training.settings import Settings, make_settings, read_config_file
from actionunits.training.start import start_from
from actionunits.training.validation import CropPredictions

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "hybrid_lstm.csv"
FIRST = 10  # frames of a clip
CONTEXT, QUIET, RANGE = {"context_frames": 10}, {"least_active": 1.5}, {"initial_range": 0.08}
LINEAR, ENTROPY, FEW = "linear layer", "cross-entropy", "a quarter of the clips"
RUNS: dict[str, dict[str, Any]] = {
    "LSTMs": {},
    "the first 10 frames of a clip are no part of the loss": CONTEXT,
    "clips with fewer than 1.5 AUs per frame are left out": QUIET,
    "weights start within 0.08": RANGE,
    "these three": CONTEXT | QUIET | RANGE,
    "these three, and RMSProp": CONTEXT | QUIET | RANGE | {"lstm_optimizer": "rmsprop", "lstm_lr": 1e-3},
    "a margin of 1": {"margin": 1.0},
    FEW: {"lstm_epochs": 160},  # as many steps
    ENTROPY: {},
    LINEAR: {"lstm_lr": 3e-2},
    f"{LINEAR}, {ENTROPY}": {"lstm_lr": 3e-2},
}


class FrameByFrame(nn.Module):
    """A linear layer in the place of the LSTMs."""

    def __init__(self, features: int, aus: int) -> None:
        super().__init__()
        self.output = nn.Linear(features, aus)

    def begin(self, sequences: int) -> LstmState:
        return LstmState(torch.zeros(0, sequences, 0), torch.zeros(0, sequences, 0))

    def forward(self, frames: Tensor, lengths: list[int], state: LstmState) -> tuple[Tensor, LstmState]:
        return self.output(frames), state


def entropy_of_known(output: Output, batch: Batch) -> dict[str, Tensor]:
    """The loss of the other two stages."""
    assert batch.au_present is not None and batch.au_present_valid is not None
    return {"cross_entropy": cross_entropy(output.au_logit, batch.au_present, batch.au_present_valid)}


def settings_of(run: str) -> Settings:
    values = read_config_file("hybrid_small")
    return make_settings("hybrid", values | {"variant": "lstm"} | RUNS[run])


def trained(run: str, start: HybridNet, data: CropData, features: np.ndarray) -> HybridNet:
    """The network after the stage of the LSTMs."""
    settings = settings_of(run)
    if run == FEW:
        few = np.isin(data.clip, np.unique(data.clip)[::4])
        data, features = data.subset(few), features[few]
    torch.manual_seed(settings.loop.seed)
    model = HybridNet(settings.model, data.aus)
    model.first_stage = start.first_stage
    assert model.projection is not None and start.projection is not None
    model.cnn.load_state_dict(start.cnn.state_dict())
    model.projection.load_state_dict(start.projection.state_dict())
    if run.startswith(LINEAR):
        model.lstm = FrameByFrame(model.projection.outputs, len(data.aus))  # type: ignore[assignment]
    if run.endswith(ENTROPY):
        model.losses = entropy_of_known  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as out:
        result = train(
            model,
            lambda stage, number: SequenceSource(data, stage, number, model, settings.loop.seed, features=features),
            Path(out),
            settings.loop,
            make_fabric(Hardware(precision="32", accelerator="cpu")),
        )
    return result.model  # type: ignore[return-value]


@torch.no_grad()
def outputs(model: HybridNet, data: CropData, features: np.ndarray) -> np.ndarray:
    """Logits of every row, each clip from its beginning. data: clip by clip, in the order of frames."""
    batch = data.batch(np.arange(len(data)), inputs=())
    sequence = torch.from_numpy(np.unique(data.clip, return_inverse=True)[1])
    return model(dataclasses.replace(batch, features=torch.from_numpy(features), sequence=sequence)).au_logit.numpy()


def places(data: CropData) -> np.ndarray:
    """Number of every row in its clip, (N,). data: as of `outputs`."""
    starts = np.flatnonzero(np.diff(data.clip, prepend=-1))
    return np.arange(len(data)) - np.repeat(starts, np.diff(starts, append=len(data)))


def rows_of(run: str, data: CropData, au_logit: np.ndarray) -> list[dict[str, Any]]:
    """AUC of all frames, of the first of every clip, and of those after them. data: as of `outputs`."""
    place, found = places(data), []
    for frames, chosen in (("all", place >= 0), ("first", place < FIRST), ("later", place >= FIRST)):
        some = CropPredictions(au_logit[chosen], None)
        result = score(data.subset(chosen), some, np.full(some.au_logit.shape, 0.5))
        low, high = result.intervals["auc"]
        about = {"run": run, "frames": frames, "people": result.subjects, "number": result.frames}
        found.append(about | {"auc": result.means["auc"], "low": low, "high": high, "commit": source_commit()})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="checkpoint of a CNN that saw other people")
    options = parser.parse_args()
    settings = settings_of("LSTMs")
    fold = load_protocol(Question("folds", (options.data,), aus=DATASET_AUS["bp4d"]), settings).folds[0]
    assert fold.test is not None
    parts = [d.subset(np.lexsort((d.frame, d.clip))) for d in (fold.training, fold.test)]
    start = HybridNet(settings.model, fold.training.aus)
    start_from(start, options.init)
    features = [frame_features(start, part, "cpu") for part in parts]
    # All rendered clips begin with a resting face, which a state can know.
    place = np.repeat(places(parts[1])[:, None].clip(max=FIRST), len(parts[1].aus), 1).astype(np.float32)
    rows = rows_of("the place in the clip alone", parts[1], place)
    rows += rows_of("CNN", parts[1], features[1][:, -len(parts[1].aus) :])
    for run in RUNS:
        model = trained(run, start, parts[0], features[0])
        rows += rows_of(run, parts[1], outputs(model, parts[1], features[1]))
        print(run, *(f"{row['frames']} {row['auc']:.3f}" for row in rows[-3:]), flush=True)
    with write_atomically(RESULTS) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
