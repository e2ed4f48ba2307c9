"""Checkpoints of models: written from a model in torch, and the model rebuilt from one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from actionunits.aus import AUS
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models import ModelEntry, find_model
from actionunits.models.contract import TrainsMoreThanItReads
from actionunits.models.registry import key_of
from actionunits.settings.checks import make_config, shown
from actionunits.weights.checkpoint_file import (
    FORMAT_VERSION,
    METADATA_KEY,
    OWN_FIELDS,
    STEP,
    digest,
    in_integers,
    read_checkpoint,
)

STORED_TYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.float16}  # int8: of convolutions
CONVOLUTION_DIMENSIONS = 4  # of a convolution's weights


@dataclass(frozen=True)
class Checkpoint:
    """A model ready for inference and what its file says about it."""

    model: Any  # nn.Module in eval mode, float32
    aus: tuple[int, ...]  # AU number of each output
    header: dict[str, Any]


def save_checkpoint(
    path: Path | str, model: nn.Module, header_fields: Mapping[str, Any], stored_type: str = "float32"
) -> dict[str, Any]:
    """Write weights and header to `path` in one atomic step and return the header.

    model: a registered model with `config` and `aus`. header_fields: JSON values, such as data, seed, commit,
    thresholds, neutral_logit, scores. stored_type: "float32", "float16" to halve the size of the weights, or "int8"
    for float16 with convolutions in a quarter of it; buffers such as running variances stay float32. Weights that no
    prediction reads are left out. Raises UserError where the file cannot be written.
    """
    path = Path(path)
    clash = sorted(set(header_fields) & set(OWN_FIELDS))
    if clash:
        raise ValueError(f"header fields {clash} are written by save_checkpoint itself")
    header: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "model": key_of(model),
        "config": dataclasses.asdict(model.config),  # type: ignore[call-overload]
        "aus": list(model.aus),  # type: ignore[arg-type]
        **header_fields,
    }
    tensors = _stored_tensors(model, stored_type)
    # Through JSON first: what is digested is then exactly what a reader sees (tuples become lists).
    header = json.loads(json.dumps(header, allow_nan=False))
    header["sha256"] = digest(header, {name: value.numpy() for name, value in tensors.items()})
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header, allow_nan=False)}))
    return header


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Model in eval mode and float32 on the CPU, its AUs and the header.

    Raises UserError for a missing file, a pickle, a damaged or changed file, another format version, an
    unknown model, or weights that do not fit the model.
    """
    path = Path(path)
    header, tensors = read_checkpoint(path)
    try:
        entry = find_model(header["model"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    aus = tuple(header["aus"])
    if any(au not in AUS for au in aus) or len(set(aus)) < len(aus):
        raise UserError(f"{path}: the list of action units {shown(list(aus))} is not usable")
    model = _build(path, entry, header["config"], aus, tensors)
    weights = {name: torch.from_numpy(value) for name, value in tensors.items()}
    model.load_state_dict({n: value.float() if value.is_floating_point() else value for n, value in weights.items()})
    return Checkpoint(model.eval(), aus, header)


def _build(
    path: Path, entry: ModelEntry, config: Any, aus: tuple[int, ...], tensors: Mapping[str, np.ndarray]
) -> Any:
    """The model of a header, if the file's tensors are those that it has. Raises UserError where they are not."""
    checked = make_config(entry.config, config, str(path))
    try:
        # On the meta device no memory is taken: sizes that the file does not hold are refused first.
        with torch.device("meta"):
            wanted = _without_unread(entry.model(checked, aus), tensors).state_dict()
        misfit = _misfit(wanted, tensors)
        if misfit is None:
            return _without_unread(entry.model(checked, aus), tensors)
    except (UserError, ValueError, RuntimeError) as error:
        misfit = str(error).partition("\n")[0]
    raise UserError(f"{path}: the weights do not fit a model of this header: {misfit}")


def _unread(model: Any) -> tuple[str, ...]:
    return model.unread() if isinstance(model, TrainsMoreThanItReads) else ()


def _without_unread(model: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """The model without those of its modules that no prediction reads and the file has no weights of."""
    for prefix in _unread(model):
        if not any(name.startswith(prefix) for name in tensors):
            parent, _, child = prefix.removesuffix(".").rpartition(".")
            model.get_submodule(parent).register_module(child, None)
    return model


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, np.ndarray]) -> str | None:
    for name in sorted({*wanted, *found}):
        if name not in found:
            return f"{name} is missing"
        if name not in wanted:
            return f"{shown(name)} has no place in it"
        if found[name].shape != wanted[name].shape:
            return f"{name} has the shape {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
    return None


def _stored_tensors(model: nn.Module, stored_type: str) -> dict[str, Tensor]:
    parameters = {name for name, _ in model.named_parameters()}
    unread = _unread(model)
    stored: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if name.startswith(unread):
            continue
        value = value.detach().cpu().contiguous()
        if name in parameters and stored_type == "int8" and value.ndim == CONVOLUTION_DIMENSIONS:
            integers, steps = in_integers(value.numpy())
            stored |= {name: torch.from_numpy(integers), name + STEP: torch.from_numpy(steps)}
        else:
            # A copy: channels_last weights and tied tensors are laid out afresh.
            stored[name] = value.to(STORED_TYPES[stored_type]).clone() if name in parameters else value.clone()
    return stored
