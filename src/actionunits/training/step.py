"""One step of training: losses of a batch and their gradient, of the whole at once or part by part."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from actionunits.models.batch import Batch


class LossStep(nn.Module):
    """Forward pass and losses as one module of plain tensors, as Fabric and DDP need it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, **fields: Tensor) -> dict[str, Tensor]:
        batch = Batch(**fields)
        return self.model.losses(self.model(batch), batch)


def batch_fields(batch: Batch) -> dict[str, Tensor]:
    """The tensors of a batch by name, pictures in the layout that convolutions are fastest in."""
    fields = {name: value for name, value in vars(batch).items() if value is not None}
    return {
        name: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
        for name, value in fields.items()
    }


def backward(fabric: Fabric, loss_step: Any, batch: Batch, parts: int = 1) -> dict[str, Tensor]:
    """Named losses of a batch; adds their gradient to the parameters'.

    loss_step: a LossStep that Fabric has set up. In several parts, a loss is the mean over the parts, weighed by
    their rows; batch statistics are a part's own, and what a model draws at random is drawn for each part. The rows
    of a sequence would be torn apart: training/run.py refuses that.
    """
    fields = batch_fields(batch)
    rows = len(batch.image)
    split = {name: value.chunk(parts) for name, value in fields.items()}
    pieces = [{name: values[k] for name, values in split.items()} for k in range(len(split["image"]))]
    total: dict[str, Tensor] = {}
    for k, piece in enumerate(pieces):
        share = len(piece["image"]) / rows
        with fabric.no_backward_sync(loss_step, enabled=k < len(pieces) - 1):
            losses = {name: share * value for name, value in loss_step(**piece).items()}
            fabric.backward(torch.stack(list(losses.values())).sum())
        total = {name: total.get(name, 0) + value.detach() for name, value in losses.items()}
    return total
