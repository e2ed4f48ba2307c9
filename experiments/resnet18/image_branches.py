"""Image branches of the default detector put together from trained parts, before it is released.

All of it changes weights alone; the layers stay as the model has them.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.layers.mesh_body import MeshBody
from actionunits.training.checkpoint import Checkpoint


@torch.no_grad()
def beside(model: Any, other: Any, batches: list[Batch], share: float) -> Any:
    """One model whose image branch is the mean of two, each divided by its spread over the batches.

    model: a ResNet-18, which also gives the landmark branch; other: the mesh network's layers alone, which have this
    share in the mean. Raises UserError for a model that has such layers already.
    """
    if model.config.mesh_features:
        raise UserError("--beside wants the weights of a ResNet-18 without the mesh network's layers")
    branches = (model.image, other.image)
    said = [torch.cat([branch(batch.image) for batch in batches]) for branch in branches]
    spreads = []
    for values in said:
        odds, strength, *_ = (block.std(0) for block in values.chunk(4, dim=1))
        spreads.append(torch.cat([odds, strength, strength, strength]))
    factors = [part * spreads[0] / spread for part, spread in zip((1 - share, share), spreads, strict=True)]
    features = {"mesh_features": other.config.mesh_features, "mesh_dropout": other.config.mesh_dropout}
    joined = type(model)(dataclasses.replace(model.config, **features), model.aus).eval()
    heads = [branch.head for branch in branches]
    parts = zip(factors, heads, strict=True)
    weight, bias = zip(*((f[:, None] * head.weight, f * head.bias) for f, head in parts), strict=True)
    inside = ("image.mesh_body.", "image.maps.")
    weights = {name: value for name, value in other.state_dict().items() if name.startswith(inside)}
    weights |= model.state_dict() | {"image.head.weight": torch.cat(weight, 1), "image.head.bias": sum(bias)}
    joined.load_state_dict(weights)
    return joined


def averaged(checkpoints: Sequence[Checkpoint]) -> Any:
    """The model of several checkpoints with the mean of their weights, where they began with the same ones.

    Raises UserError for models of different shapes.
    """
    models = [checkpoint.model for checkpoint in checkpoints]
    weights = [model.state_dict() for model in models]
    if any(model.config != models[0].config for model in models):
        raise UserError("--beside: only trainings with the same settings can be averaged")
    mean = {
        name: torch.stack([own[name].float() for own in weights]).mean(0).to(first.dtype)
        for name, first in weights[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]


@torch.no_grad()
def reaching(layers: Any, reach: float) -> Any:
    """The same with the mesh network's layers `reach` times as far from MediaPipe's weights.

    Ilharco et al., "Editing models with task arithmetic", ICLR 2023, scale what training has added in this way.
    """
    begun, further = MeshBody().state_dict(), copy.deepcopy(layers)
    trained = layers.image.mesh_body.state_dict()
    further.image.mesh_body.load_state_dict({name: torch.lerp(begun[name], trained[name], reach) for name in begun})
    return further


@torch.no_grad()
def without_resnet(model: Any) -> Any:
    """The model with the mesh network's layers as its only image branch. Raises UserError where it has none."""
    kept = model.config.mesh_features
    if not kept:
        raise UserError("--without-resnet wants weights with the layers of the mesh network, or --beside")
    alone = type(model)(dataclasses.replace(model.config, width=0), model.aus).eval()
    weights = model.state_dict() | {"image.head.weight": model.image.head.weight[:, -kept:]}
    alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
    return alone


def with_settings(model: Any, **settings: Any) -> Any:
    """The same weights with some other settings, none of which changes a layer."""
    changed = type(model)(dataclasses.replace(model.config, **settings), model.aus).eval()
    changed.load_state_dict(model.state_dict())
    return changed
