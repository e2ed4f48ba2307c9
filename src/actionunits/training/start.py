"""Weights to start from: a run that goes on from a checkpoint, on other data or for other action units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from actionunits.errors import UserError
from actionunits.training.checkpoint import load_checkpoint


def start_from(model: nn.Module, path: Path | str, body_only: bool = False) -> dict[str, Any]:
    """Give `model` the weights of a checkpoint and return its header.

    An output layer (`model.au_outputs`) gets the rows of the AUs that both know, and a table of pairs of AUs
    (`model.au_pairs`, where there are such) their rows and columns; those of other AUs keep their random start.
    A model that can (`take_resnet`) also starts from the convolutions and normalisations of a resnet18; with
    body_only, a resnet18 does so too. A run without labels leaves output layers empty, and one that starts from it
    draws all of their rows anew. Raises UserError for another kind of model, other widths, or no common AU.
    """
    checkpoint = load_checkpoint(path)
    source = checkpoint.model
    prefix = getattr(source, "resnet_prefix", None)
    if (body_only or type(source) is not type(model)) and prefix is not None and hasattr(model, "take_resnet"):
        named = source.state_dict().items()
        model.take_resnet({name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)})  # type: ignore[operator]
        return checkpoint.header
    if body_only:
        raise UserError(f"init_body_only wants a resnet18, and a model that has its layers; {path} is none")
    if type(source) is not type(model):
        raise UserError(f"{path} holds a {checkpoint.header['model']}; it cannot start another model")
    aus: tuple[int, ...] = tuple(model.aus)  # type: ignore[arg-type]
    common = [au for au in aus if au in checkpoint.aus]
    if aus and checkpoint.aus and not common:
        raise UserError(f"{path} and the data have no action unit in common")
    target_rows = torch.tensor([aus.index(au) for au in common], dtype=torch.long)
    source_rows = torch.tensor([checkpoint.aus.index(au) for au in common], dtype=torch.long)
    state = model.state_dict()
    weights = source.state_dict()
    for name, value in state.items():
        if name not in weights:
            raise UserError(f"{path} has no {name}; start from a checkpoint with the same branches and settings")
        given = weights[name]
        blocks = next((n for prefix, n in model.au_outputs.items() if name.startswith(prefix)), 0)  # type: ignore[union-attr, operator]
        if name in getattr(model, "au_pairs", ()):
            value[target_rows[:, None], target_rows] = given[source_rows[:, None], source_rows]
        elif blocks:
            for block in range(blocks):
                value[block * len(aus) + target_rows] = given[block * len(checkpoint.aus) + source_rows]
        elif given.shape == value.shape:
            value.copy_(given)
        else:
            raise UserError(
                f"{path}: {name} has the shape {tuple(given.shape)}, this model needs {tuple(value.shape)}; "
                "use the same width and sizes"
            )
    return checkpoint.header
