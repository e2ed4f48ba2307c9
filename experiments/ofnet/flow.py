"""Errors of learned and of computed flow on renders, whose true motion is known, and the pictures of both.

    actionunits synth --facekit KIT --out DIR --subjects 12 --clips 2 --frames 32 --fps 8 --seed 19 --flow
    python experiments/ofnet/flow.py DIR --joint CHECKPOINT,... --separate CHECKPOINT,...

The end-point error, in pixels of the registered crop, of no motion, of DIS and TV-L1 between frame and first frame,
and of the flow that OF-Net estimates from the frame alone, trained jointly and separately: over all pixels whose true
motion is known, and near AU centres. Several checkpoints (of folds) each count the same. The people of DIR must be
nobody that a checkpoint was trained on, which their names tell. Writes results/ofnet_flow.csv,
docs/img/flow_wheel.png (Fig. 4) and docs/img/flow_grid.jpg (Fig. 3).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from actionunits.datasets.crops.load import split_paths
from actionunits.datasets.crops.synthau import load_crops, subject_names
from actionunits.datasets.crops.true_flow import true_flows
from actionunits.evaluation.flow_error import Estimator, flow_errors, summarise
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.files import write_atomically
from actionunits.models.batch import Batch
from actionunits.models.ofnet.two_frame import two_frame_flow
from actionunits.reports.flow_colours import colour_wheel
from actionunits.reports.flow_grid import flow_figure, flows_of, load_flow_model
from actionunits.reports.image_file import save_figure, save_image
from actionunits.runtime.provenance import source_commit
from actionunits.weights.checkpoint_file import read_header

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "ofnet_flow.csv"
PICTURES = ROOT / "docs" / "img"
NONE = "no motion"
GRID_ROWS = 4


def no_motion(batch: Batch) -> torch.Tensor:
    return torch.zeros(len(batch.image), 2, *batch.image.shape[2:])


def mean_errors(folder: Path, models: dict[str, list[Any]], size: int) -> pd.DataFrame:
    """`flow_errors` of all methods; of several checkpoints of one recipe the mean per frame."""
    estimators: dict[str, Estimator] = {
        NONE: no_motion,
        "DIS, two frames": lambda batch: two_frame_flow("dis", batch.image, batch.anchor),
        "TV-L1, two frames": lambda batch: two_frame_flow("tvl1", batch.image, batch.anchor),
    }
    recipe_of = {}
    for recipe, ours in models.items():
        for k, model in enumerate(ours):
            name = f"{recipe}/{k}"
            recipe_of[name], estimators[name] = recipe, model.flow
    errors = flow_errors(folder, estimators, size)
    return errors.assign(method=errors["method"].replace(recipe_of))


def draw(folder: Path, models: dict[str, Any], size: int) -> None:
    """Frames of four people with strong motion, their true flow, and that of all methods."""
    data = load_crops(folder, size, margin=0.0)
    true = np.stack([np.where(known[..., None], flow, np.nan) for flow, known in true_flows(folder, size)])
    moved = np.nan_to_num(np.hypot(true[..., 0], true[..., 1])).mean((1, 2))
    rows = [int(np.flatnonzero(data.subject == s)[moved[data.subject == s].argmax()]) for s in range(GRID_ROWS)]
    assert data.anchor is not None
    images, anchors = list(data.images[rows]), list(data.anchor[np.array(rows)])
    flows = {"true motion": true[rows], **flows_of(images, anchors, models)}
    save_figure(flow_figure(images, anchors, ["frame"] * len(rows), flows), PICTURES / "flow_grid.jpg")
    save_image(colour_wheel(240), PICTURES / "flow_wheel.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--joint", type=split_paths, required=True)
    parser.add_argument("--separate", type=split_paths, required=True)
    arguments = parser.parse_args()
    paths = {"OF-Net, joint": arguments.joint, "OF-Net, separate": arguments.separate}
    for path in (path for ours in paths.values() for path in ours):
        refuse_seen_subjects(read_header(path), subject_names(arguments.folder), str(path))
    models = {recipe: [load_flow_model(path) for path in ours] for recipe, ours in paths.items()}
    (size,) = {model.config.image_size for ours in models.values() for model in ours}
    table = summarise(mean_errors(arguments.folder, models, size), NONE).assign(
        image_size=size, commit=source_commit()
    )
    print(table.to_string(index=False, float_format="%.3f"))
    with write_atomically(RESULTS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    draw(arguments.folder, {recipe: ours[0] for recipe, ours in models.items()}, size)


if __name__ == "__main__":
    main()
