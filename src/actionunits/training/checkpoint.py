"""Checkpoints: one safetensors file with weights and a JSON header, from which detection rebuilds the model.

The file's metadata holds one entry, `actionunits`, with the JSON header: format (version), model, config, aus,
sha256, and what the caller adds (data, seed, commit, thresholds, neutral_logit, scores). The digest covers the
other header fields and every tensor's name, type, shape and bytes, so any changed byte is noticed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from actionunits.aus import AUS
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.models import ModelEntry, find_model
from actionunits.models.registry import key_of
from actionunits.settings.checks import check_values, make_config, shown

FORMAT_VERSION = 1
METADATA_KEY = "actionunits"
STORED_TYPES = {"float32": torch.float32, "float16": torch.float16}
READ_TYPES = (torch.float32, torch.float16, torch.int64, torch.bool)  # of weights, counters and masks
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".zip", ".npy", ".joblib")
PICKLE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# Fields that save_checkpoint writes itself.
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
    thresholds: dict[str, float]
    neutral_logit: dict[str, float]
    scores: dict[str, Any]


@dataclass(frozen=True)
class DataFields:
    """The same of its entry `data`: on whom and what the weights were trained and tuned."""

    names: tuple[str, ...]
    training_subjects: tuple[str, ...]
    validation_subjects: tuple[str, ...]
    occurrence_level: float
    aligned: bool


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
    thresholds, neutral_logit, scores. stored_type: "float32", or "float16" to halve the size of the weights;
    buffers such as running variances stay float32. Raises UserError where the file cannot be written.
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
    tensors = _stored_tensors(model, STORED_TYPES[stored_type])
    # Through JSON first: what is digested is then exactly what a reader sees (tuples become lists).
    header = json.loads(json.dumps(header, allow_nan=False))
    header["sha256"] = _digest(header, tensors)
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header, allow_nan=False)}))
    return header


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Model in eval mode and float32 on the CPU, its AUs and the header.

    Raises UserError for a missing file, a pickle, a damaged or changed file, another format version, an
    unknown model, or weights that do not fit the model.
    """
    path = Path(path)
    header, tensors = _read(path)
    try:
        entry = find_model(header["model"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    aus = tuple(header["aus"])
    if any(au not in AUS for au in aus) or len(set(aus)) < len(aus):
        raise UserError(f"{path}: the list of action units {shown(list(aus))} is not usable")
    model = _build(path, entry, header["config"], aus, tensors)
    model.load_state_dict({n: value.float() if value.is_floating_point() else value for n, value in tensors.items()})
    return Checkpoint(model.eval(), aus, header)


def read_header(path: Path | str) -> dict[str, Any]:
    """The JSON header of a checkpoint, verified like the whole file. Raises UserError like load_checkpoint."""
    return _read(Path(path))[0]


def _build(path: Path, entry: ModelEntry, config: Any, aus: tuple[int, ...], tensors: Mapping[str, Tensor]) -> Any:
    """The model of a header, if the file's tensors are those that it has. Raises UserError where they are not."""
    checked = make_config(entry.config, config, str(path))
    try:
        # On the meta device no memory is taken: sizes that the file does not hold are refused first.
        with torch.device("meta"):
            wanted = entry.model(checked, aus).state_dict()
        misfit = _misfit(wanted, tensors)
        if misfit is None:
            return entry.model(checked, aus)
    except (UserError, ValueError, RuntimeError) as error:
        misfit = str(error).partition("\n")[0]
    raise UserError(f"{path}: the weights do not fit a model of this header: {misfit}")


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    for name in sorted({*wanted, *found}):
        if name not in found:
            return f"{name} is missing"
        if name not in wanted:
            return f"{shown(name)} has no place in it"
        if found[name].shape != wanted[name].shape:
            return f"{name} has the shape {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
    return None


def _stored_tensors(model: nn.Module, stored_type: torch.dtype) -> dict[str, Tensor]:
    parameters = {name for name, _ in model.named_parameters()}
    stored = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        # A copy: channels_last weights and tied tensors are laid out afresh.
        stored[name] = value.to(stored_type).clone() if name in parameters else value.clone()
    return stored


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    fields = {name: value for name, value in header.items() if name != "sha256"}
    digest.update(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _refuse_pickle(path: Path, start: bytes) -> None:
    if path.suffix.lower() in PICKLE_SUFFIXES or start.startswith(PICKLE_STARTS):
        raise UserError(
            f"{path} is a pickle or zip archive, which can run code when it is read; "
            "only safetensors checkpoints of this program are accepted"
        )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Verified header and tensors of a checkpoint file."""
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
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
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
    strange = [f"{name} is {value.dtype}" for name, value in tensors.items() if value.dtype not in READ_TYPES]
    if strange:
        raise UserError(f"{path}: {strange[0]}; checkpoints hold {', '.join(map(str, READ_TYPES))}")
    if header["sha256"] != _digest(header, tensors):
        raise UserError(f"{path} is damaged or was changed: its checksum does not match; get it again")
    check_values(HeaderFields, header, f"{path}: header")
    check_values(DataFields, header.get("data", {}), f"{path}: data of the header")
    return header, tensors
