"""Released weights on a hundred rendered people whom none of them has seen.

    python experiments/eacnet/new_people.py --facekit DIR --assets ASSETS --keep out/people \
        --results results/eacnet_new_people.csv eacnet resnet18

The people are those whom `equal_steps.py` tests. Intervals are over people; F1 is of the thresholds of 60 others.
Crops come without meshes, so that of the default detector the image branch alone answers.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from equal_steps import FRAMES, SEED, SIZES_PX, write
from rivals import always_present, judged

from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.evaluation.protocols import score_frames
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.locate import find_weights


def in_pixels_of(data: CropData, image_size: int) -> CropData:
    """The crops as a network of this size would get them: averaged first where it has less than half their pixels.

    Bilinear sampling, which cuts out the network's crop, would skip pixels; registration averages them too.
    """
    size = stored_size(image_size)
    if data.size <= 2 * size:
        return data
    images = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in data.images]
    return dataclasses.replace(data, images=np.stack(images))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="names of released weights, or files")
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--results", type=Path, required=True, help="table to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED, 256, options.assets, FRAMES, wild_share=0.5, sizes_px=SIZES_PX)
    test, valid = (
        kept_crop_data(dataclasses.replace(plan, seed=SEED + k), range(count), options.keep)
        for k, count in ((1, 100), (2, 60))
    )
    test, valid = (dataclasses.replace(part, mesh=None, mesh_valid=None) for part in (test, valid))
    said = {}
    for name in options.weights:
        model = load_checkpoint(find_weights(name)).model
        seen = (in_pixels_of(part, model.config.image_size) for part in (test, valid))
        said[name] = judged(model, *seen, {})
    rows: list[dict[str, Any]] = []
    for name, frames in (said | {"always present": always_present(test)}).items():
        found = score_frames(frames, 400)
        row = {"reader": name, "people": found.subjects, "frames": found.frames}
        row |= {metric: found.means.get(metric, np.nan) for metric in ("auc", "f1", "icc")}
        rows.append(row | {"auc_low": found.intervals["auc"][0], "auc_high": found.intervals["auc"][1]})
        print(rows[-1], flush=True)
    write(pd.DataFrame(rows), options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
