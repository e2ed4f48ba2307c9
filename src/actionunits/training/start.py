"""Weights to start from: a checkpoint, on other data or for other action units; or official ImageNet weights."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from actionunits.errors import UserError
from actionunits.models.contract import GoesOnFrom, LendsResNetBody, RelatesAus, TakesAuRows, TakesBody
from actionunits.models.registry import keys_with
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.checkpoint_file import read_header


@dataclass(frozen=True)
class Origin:
    """What a run has besides its data and settings."""

    start: dict[str, Any] | None  # header of the checkpoint whose weights it starts from
    taught: dict[str, Any] | None  # header of its teacher
    imagenet: str | None  # digest of the file of official weights that it starts from
    fold: str | None


def earlier_run(path: Path | None, validating: Sequence[str]) -> dict[str, Any] | None:
    """Header of an earlier run's checkpoint. Raises UserError where it was trained on somebody who validates now."""
    if path is None:
        return None
    header = read_header(path)
    known = sorted(set(header.get("data", {}).get("training_subjects", ())) & set(validating))
    if known:
        raise UserError(f"{path} was trained on subject {known[0]} of the validation data; validate on others")
    return header


def start_from(model: nn.Module, path: Path | str, body_only: bool = False) -> dict[str, Any]:
    """Give `model` the weights of a checkpoint and return its header.

    An output layer (`model.au_outputs`) gets the rows of the AUs that both know, and a table of pairs of AUs
    (RelatesAus) their rows and columns; those of other AUs keep their random start. A model with a ResNet-18
    (TakesBody) also starts from the convolutions and normalisations of a resnet18, one with rows like its last
    layer's (TakesAuRows) from those too; with body_only, every such model starts from the body alone. One that is
    trained as several networks in a row (GoesOnFrom) starts from an earlier of them, with what it adds at random. A
    run without labels leaves output layers empty, and one that starts from it draws all of their rows anew. Raises
    UserError for another kind of model, other widths, or no common AU.
    """
    checkpoint = load_checkpoint(path)
    source = checkpoint.model
    other = body_only or type(source) is not type(model)
    if other and isinstance(source, LendsResNetBody) and isinstance(model, TakesBody):
        model.take_body(source.resnet_body())
        if not body_only and isinstance(model, TakesAuRows):
            model.take_au_rows(checkpoint.aus, *source.au_rows())
        return checkpoint.header
    if body_only:
        raise UserError(f"init_body_only wants a resnet18, and a model that has its layers; {path} is none")
    if type(source) is not type(model):
        raise UserError(f"{path} holds a {checkpoint.header['model']}; it cannot start another model")
    aus: tuple[int, ...] = tuple(model.aus)  # type: ignore[arg-type]
    common = [au for au in aus if au in checkpoint.aus]
    if aus and checkpoint.aus and not common:
        raise UserError(f"{path} and the data have no action unit in common")
    added: tuple[str, ...] = model.go_on_from(source) if isinstance(model, GoesOnFrom) else ()
    target_rows = torch.tensor([aus.index(au) for au in common], dtype=torch.long)
    source_rows = torch.tensor([checkpoint.aus.index(au) for au in common], dtype=torch.long)
    pairs = model.au_pairs() if isinstance(model, RelatesAus) else ()
    state = model.state_dict()
    weights = source.state_dict()
    for name, value in state.items():
        if name not in weights and name.startswith(added):
            continue
        if name not in weights:
            raise UserError(f"{path} has no {name}; start from a checkpoint with the same branches and settings")
        given = weights[name]
        blocks = next((n for prefix, n in model.au_outputs.items() if name.startswith(prefix)), 0)  # type: ignore[union-attr, operator]
        if name in pairs:
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


def start_from_imagenet(model: nn.Module, path: Path | str) -> None:
    """Give the body of `model` the weights of a file, named as in torchvision's ResNet-18 or VGG-19.

    Raises UserError for a model without such a body, a file that holds no state dict, and missing weights or others.
    """
    if not isinstance(model, TakesBody):
        able = ", ".join(keys_with(TakesBody))
        raise UserError(f"this model has no body that ImageNet weights fit; these have: {able}")
    try:
        model.take_body(read_state_dict(path))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read_state_dict(path: Path | str) -> dict[str, Tensor]:
    """Tensors by name, of a safetensors file or one of `torch.save`, from which no code is run."""
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # weights_only: the file can hold tensors and plain values, never code.
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError):
        raise UserError("this is no readable file of weights; give a state dict as .pth or .safetensors") from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError("this holds no state dict, which has a tensor for every name")
    return weights


def refuse_untrained(model: Any) -> None:
    """Raises UserError where parameters of a model that starts at random are trained in no stage."""
    trained = tuple(prefix for stage in model.stages() for prefix in stage.parameters)
    # An output layer has no rows where there are no labels; layers that stay as they are need no gradient.
    parameters = {name: p for name, p in model.named_parameters() if p.numel() and p.requires_grad}
    left = [name for name in parameters if not name.startswith(trained)]
    if left:
        raise UserError(
            f"{left[0]} and {len(left) - 1} more are trained in no stage and would stay random; "
            "give --imagenet FILE, or another start with --init, or set freeze=false"
        )
