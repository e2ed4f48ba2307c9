"""How long a fold trains, from the arithmetic of its networks: an estimate, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from actionunits.datasets.crops.crop_data import CropData
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.config_contract import flow_method
from actionunits.models.contract import Stage
from actionunits.training.labels import row_weight, with_label_rates, with_relations
from actionunits.training.optim import set_trainable
from actionunits.training.settings import Settings

GPU_FLOPS = 2e13  # of one GPU, sustained; what a large one does in TF32
FORWARD_AND_BACKWARD = 3  # times the forward pass
_ROWS = 2  # of the batch that is counted
# Operations for a picture in all epochs, by model, settings and whether there are labels; folds and tables share it.
_counted: dict[tuple[str, str, bool], float] = {}


def training_hours(model_name: str, settings: Settings, trainings: Sequence[CropData]) -> list[float]:
    """Hours of one GPU for each training of a network, all stages with their full number of epochs.

    Loading of data is left out, and so are stages over time, which read stored features. Raises UserError where the
    labels or settings do not allow the training.
    """
    hours = []
    for training in trainings:
        weight = row_weight(settings, training)
        shown = len(training) if weight is None else float(weight.sum())
        key = (model_name, repr(settings.model), bool(training.aus))
        if key not in _counted:
            own = with_relations(with_label_rates(settings, training), training)
            model = find_model(model_name).model(own.model, training.aus)
            stages = [stage for stage in model.stages() if stage.sequences is None and stage.epochs]
            _counted[key] = sum(forward_flops(model, stage, own) * stage.epochs for stage in stages)
        hours.append(_counted[key] * FORWARD_AND_BACKWARD * shown / GPU_FLOPS / 3600)
    return hours


def forward_flops(model: Any, stage: Stage, settings: Settings) -> float:
    """Floating-point operations of a stage's forward pass for one picture, or for one picture of a pair."""
    set_trainable(model, stage)
    size = settings.model.image_size
    image = torch.rand(_ROWS, 3, size, size)
    pairs = "target" in stage.inputs
    batch = Batch(
        image=image,
        target=image if pairs else None,
        anchor=image if "anchor" in stage.inputs else None,
        flow=torch.zeros(_ROWS, 2, size, size) if flow_method(settings.model) else None,
        landmarks=torch.rand(_ROWS, 68, 2) if "landmarks" in stage.inputs else None,
        mesh=torch.rand(_ROWS, 478, 3) if "mesh" in stage.inputs else None,
        mesh_valid=torch.ones(_ROWS, dtype=torch.bool) if "mesh" in stage.inputs else None,
    )
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(batch)
    return counter.get_total_flops() / (_ROWS * (1 + pairs))
