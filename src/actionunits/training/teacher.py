"""What a trained model says of the training crops, for a smaller one to learn from (distillation).

Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015. Deviation: of each crop once, without
augmentation, so that a teacher costs one pass over the data and not one for every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actionunits.aus import au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.errors import UserError
from actionunits.models.config_contract import LearnsFromTeacher
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.validation import CropPredictions, predict_crops


def check_teacher(path: Path, header: dict[str, Any], config: Any, aus: Sequence[int]) -> None:
    """Raises UserError where a model with this config cannot learn from a teacher, or they share no AU."""
    if not isinstance(config, LearnsFromTeacher) or not config.teacher_weight:
        raise UserError("this model does not learn from a teacher; train resnet18, with teacher_weight above 0")
    if not set(header["aus"]) & set(aus):
        raise UserError(f"{path} knows none of {', '.join(map(au_label, aus))}; take a teacher of the data's AUs")


def teach(path: Path, training: CropData, device: torch.device, bf16: bool = False) -> CropPredictions:
    """Outputs of the teacher for all training rows and the data's AUs; NaN for those that it does not know."""
    loaded = load_checkpoint(path)
    model = loaded.model.to(device, memory_format=torch.channels_last)
    said = predict_crops(model, training, model.config.image_size, device=device, bf16=bf16)
    columns = [loaded.aus.index(au) if au in loaded.aus else -1 for au in training.aus]

    def in_order(values: np.ndarray) -> np.ndarray:
        unknown = np.full((len(values), 1), np.nan, values.dtype)
        return np.concatenate([values, unknown], 1)[:, columns]

    return CropPredictions(
        in_order(said.au_logit), None if said.au_intensity is None else in_order(said.au_intensity)
    )
