"""Errors of learned and of computed flow on renders, whose true motion is known, and the pictures of both.

    actionunits synth --facekit KIT --out DIR --subjects 120 --clips 1 --frames 9 --fps 3 --rates balanced --seed 52 \
        --size 128 --flow
    python experiments/ofnet/flow.py DIR --weights ofnet

The end-point error, in pixels of the registered crop, of no motion, of DIS and, where OpenCV has it, TV-L1 between
frame and first frame, and of the flow that OF-Net estimates from the frame alone: over all pixels whose true
motion is known, and near AU centres. Nobody of DIR may be among the people whom the weights were trained on, which
names tell.
Writes results/ofnet_flow.csv, docs/img/flow_wheel.png (Fig. 4) and docs/img/flow_grid.jpg (Fig. 3).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from actionunits.datasets.crops.synthau import load_crops, subject_names
from actionunits.datasets.crops.true_flow import true_flows
from actionunits.evaluation.flow_error import Estimator, flow_errors, summarise
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.files import write_atomically
from actionunits.models.batch import Batch
from actionunits.models.contract import EstimatesFlow
from actionunits.models.ofnet.two_frame import has_tvl1, two_frame_flow
from actionunits.reports.flow_colours import colour_wheel
from actionunits.reports.flow_grid import COMPUTED, flow_figure, flows_of, load_flow_model
from actionunits.reports.image_file import save_figure, save_image
from actionunits.runtime.provenance import source_commit
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "ofnet_flow.csv"
PICTURES = ROOT / "docs" / "img"
NONE, OURS = "no motion", "OF-Net, one frame"
GRID_ROWS = 4


def no_motion(batch: Batch) -> torch.Tensor:
    return torch.zeros(len(batch.image), 2, *batch.image.shape[2:])


def errors_of(folder: Path, model: EstimatesFlow, size: int) -> pd.DataFrame:
    """`flow_errors` of all methods."""
    estimators: dict[str, Estimator] = {NONE: no_motion}
    for name, method in COMPUTED.items():
        if method != "tvl1" or has_tvl1():
            estimators[name] = partial(computed, method)
    return flow_errors(folder, estimators | {OURS: model.flow}, size)


def computed(method: str, batch: Batch) -> torch.Tensor:
    assert batch.anchor is not None
    return two_frame_flow(method, batch.image, batch.anchor)


def draw(folder: Path, model: EstimatesFlow, size: int) -> None:
    """Frames of four people with strong motion, their true flow, and that of all methods."""
    data = load_crops(folder, size, margin=0.0)
    true = np.stack([np.where(known[..., None], flow, np.nan) for flow, known in true_flows(folder, size)])
    moved = np.nan_to_num(np.hypot(true[..., 0], true[..., 1])).mean((1, 2))
    rows = [int(np.flatnonzero(data.subject == s)[moved[data.subject == s].argmax()]) for s in range(GRID_ROWS)]
    assert data.anchor is not None
    images, anchors = list(data.images[rows]), list(data.anchor[np.array(rows)])
    flows = {"true motion": true[rows], **flows_of(images, anchors, {OURS: model})}
    save_figure(flow_figure(images, anchors, ["frame"] * len(rows), flows), PICTURES / "flow_grid.jpg")
    save_image(colour_wheel(240), PICTURES / "flow_wheel.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="ofnet", help="name of released weights, or a file")
    arguments = parser.parse_args()
    path = find_weights(arguments.weights)
    refuse_seen_subjects(read_header(path), subject_names(arguments.folder), str(path))
    model = load_flow_model(path)
    size: int = model.config.image_size  # type: ignore[attr-defined]
    table = summarise(errors_of(arguments.folder, model, size), NONE).assign(image_size=size, commit=source_commit())
    print(table.to_string(index=False, float_format="%.3f"))
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    draw(arguments.folder, model, size)


if __name__ == "__main__":
    main()
