"""Checkpoint files: one safetensors file with weights and a JSON header, read here without torch.

The file's metadata holds one entry, `actionunits`, with the JSON header: format (version), model, config, aus,
sha256, and what the caller adds (data, seed, commit, thresholds, neutral_logit, scores). The digest covers the
other header fields and every tensor's name, type, shape and bytes, so any changed byte is noticed.

The weights of convolutions may be 8-bit integers. A second tensor, the weight's name with ".step" behind it, then
says what one of them is worth in each output channel. Reading the file gives their product.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from safetensors import SafetensorError, safe_open

from actionunits.aus import AUS
from actionunits.errors import UserError
from actionunits.settings.checks import check_values, shown

FORMAT_VERSION = 1
METADATA_KEY = "actionunits"
# Of weights, counters and masks.
READ_TYPES = {"F32": "float32", "F16": "float16", "I8": "int8", "I64": "int64", "BOOL": "bool"}
STEP = ".step"  # behind a weight's name: of its integers
LARGEST_INTEGER = 127
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".zip", ".npy", ".joblib")
PICKLE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
LARGEST_LOGIT = 1e4
# Fields that every header has; the caller of save_checkpoint gives none of them.
OWN_FIELDS = ("format", "model", "config", "aus", "sha256")


@dataclass(frozen=True)
class HeaderFields:
    """What a header's entries must be, where it has them; it may have others."""

    format: int
    model: str
    config: dict[str, Any]
    aus: tuple[Annotated[int, Ge(1), Le(max(AUS))], ...]
    sha256: str
    data: dict[str, Any]
    seed: int
    commit: str
    thresholds: dict[str, Annotated[float, Ge(0), Le(1)]]
    neutral_logit: dict[str, Annotated[float, Ge(-LARGEST_LOGIT), Le(LARGEST_LOGIT)]]
    scores: dict[str, Any]


@dataclass(frozen=True)
class DataFields:
    """The same of its entry `data`: on whom and what the weights were trained and tuned."""

    names: tuple[str, ...]
    training_subjects: tuple[str, ...]
    validation_subjects: tuple[str, ...]
    occurrence_level: float
    aligned: bool


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Verified header and tensors of a checkpoint file.

    Raises UserError for a missing file, a pickle, a damaged or changed file and another format version.
    """
    if not path.is_file():
        raise UserError(f"no such checkpoint: {path}")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    _refuse_pickle(path, start)
    if len(start) < 8 or struct.unpack("<Q", start)[0] > path.stat().st_size:
        raise UserError(f"{path} is not a safetensors checkpoint, or it is cut off")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name, kind in types.items() if kind in READ_TYPES}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged or no safetensors file: {error}") from None
    if METADATA_KEY not in metadata:
        raise UserError(f"{path} carries no header of this program; it is not one of its checkpoints")
    try:
        header = json.loads(metadata[METADATA_KEY])
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged: its header cannot be read") from None
    missing = [name for name in OWN_FIELDS if not isinstance(header, dict) or name not in header]
    if missing:
        raise UserError(f"{path} is damaged: its header lacks {', '.join(missing)}")
    if header["format"] != FORMAT_VERSION:
        raise UserError(
            f"{path} has checkpoint format {shown(header['format'])}, this version reads {FORMAT_VERSION}; "
            "install the matching version of actionunits or train again"
        )
    strange = [f"{name} is {kind}" for name, kind in types.items() if kind not in READ_TYPES]
    if strange:
        raise UserError(f"{path}: {strange[0]}; checkpoints hold {', '.join(READ_TYPES.values())}")
    if header["sha256"] != digest(header, tensors):
        raise UserError(f"{path} is damaged or was changed: its checksum does not match; get it again")
    endless = [name for name, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if endless:
        raise UserError(f"{path}: {shown(endless[0])} holds numbers that are not finite; train again")
    check_values(HeaderFields, header, f"{path}: header")
    check_values(DataFields, header.get("data", {}), f"{path}: data of the header")
    return header, _multiplied(path, tensors)


def read_header(path: Path | str) -> dict[str, Any]:
    """The JSON header of a checkpoint, verified like the whole file. Raises UserError like read_checkpoint."""
    return read_checkpoint(Path(path))[0]


def in_integers(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A convolution's weights (C, ...) as 8-bit integers of the same shape, and the step of each channel, (C,)."""
    rows = weight.reshape(len(weight), -1).astype(np.float32)
    steps = np.maximum(np.abs(rows).max(1), np.finfo(np.float32).tiny) / np.float32(LARGEST_INTEGER)
    return np.rint(rows / steps[:, None]).astype(np.int8).reshape(weight.shape), steps


def _multiplied(path: Path, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors with integers times their steps in the place of both. Raises UserError for integers without."""
    weights: dict[str, np.ndarray] = {}
    steps = {name + STEP for name, value in tensors.items() if value.dtype == np.int8}
    for name, value in tensors.items():
        if value.dtype == np.int8:
            step = tensors.get(name + STEP)
            if step is None or value.ndim == 0 or step.shape != value.shape[:1] or step.dtype != np.float32:
                raise UserError(f"{path}: {shown(name)} is int8 without float32 steps of its channels; get it again")
            value = value * step.reshape(-1, *[1] * (value.ndim - 1))
        if name not in steps:
            weights[name] = value
    return weights


def digest(header: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Hexadecimal SHA-256 of a header, without its own entry `sha256`, and of its tensors."""
    total = hashlib.sha256()
    fields = {name: value for name, value in header.items() if name != "sha256"}
    total.update(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name} torch.{value.dtype} {value.shape}".encode())
        total.update(np.ascontiguousarray(value).data)
    return total.hexdigest()


def _refuse_pickle(path: Path, start: bytes) -> None:
    if path.suffix.lower() in PICKLE_SUFFIXES or start.startswith(PICKLE_STARTS):
        raise UserError(
            f"{path} is a pickle or zip archive, which can run code when it is read; "
            "only safetensors checkpoints of this program are accepted"
        )
