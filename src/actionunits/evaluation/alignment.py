"""One network on the same faces twice: as the pictures show them, and registered (EAC-Net, Sec. IV-C, Table V).

The network is trained on faces as they are. 3,000 test frames are drawn at random from all folds, and each fold's
network reads those of its own test people from both preparations of the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from actionunits.datasets.crops.crop_data import CropData
from actionunits.errors import UserError
from actionunits.evaluation.crossval import BATCH_SIZE, FoldOutputs
from actionunits.evaluation.predictions import FramePredictions
from actionunits.evaluation.protocols import predict
from actionunits.training import run_folder
from actionunits.training.checkpoint import load_checkpoint

FRAMES = 3000  # Sec. IV-C
Key = tuple[str, str, int]  # person, file of the clip, frame


def tested_twice(
    outputs: Sequence[FoldOutputs], folders: Sequence[Path], registered: CropData, device: torch.device, seed: int = 0
) -> tuple[list[FoldOutputs], list[FoldOutputs]]:
    """Outputs for the drawn frames as they are and registered. folders: of the trained folds, in their order.

    registered: the same data with registered faces. Raises UserError where it is not, or shares no frame.
    """
    if not registered.aligned:
        raise UserError("the second folder must hold registered faces; prepare the same data without --no-align")
    place = {key: row for row, key in enumerate(_keys_of_crops(registered))}
    shared = [(k, row, key) for k, fold in enumerate(outputs) for row, key in _keys(fold.frames) if key in place]
    if not shared:
        raise UserError("the two folders have no test frame in common; prepare both from the same data set")
    count = min(FRAMES, len(shared))
    chosen = np.sort(np.random.default_rng((seed, 3)).permutation(len(shared))[:count])
    plain, upright = [], []
    for k, (fold, folder) in enumerate(zip(outputs, folders, strict=True)):
        own = [shared[c] for c in chosen if shared[c][0] == k]
        frames = fold.frames.select(np.array([row for _, row, _ in own], np.int64))
        rows = np.array([place[key] for *_, key in own], np.int64)
        data = registered.of_aus(fold.frames.aus).subset(rows)
        model = load_checkpoint(folder / run_folder.CHECKPOINT_FILE).model.to(device)
        said = predict(model, data, BATCH_SIZE, device, progress=False)
        again = FramePredictions.of(data, said, fold.frames.thresholds, fold.name, fold.frames.about)
        plain.append(dataclasses.replace(fold, frames=frames))
        upright.append(dataclasses.replace(fold, frames=again))
    return plain, upright


def _keys(frames: FramePredictions) -> list[tuple[int, Key]]:
    return [
        (row, (person, Path(clip).name, frame)) for row, (_, person, clip, frame) in enumerate(frames.frame_keys())
    ]


def _keys_of_crops(data: CropData) -> list[Key]:
    people, clips = (np.array(names, object) for names in (data.subjects, data.clips))
    named = zip(people[data.subject], clips[data.clip], data.frame.tolist(), strict=True)
    return [(person, Path(clip).name, frame) for person, clip, frame in named]
