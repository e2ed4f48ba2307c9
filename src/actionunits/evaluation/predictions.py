"""What a model said about every frame of a test set, beside the labels: the ground of pooled and paired scores.

One Parquet file: `data`, `subject`, `clip`, `frame`, `fold`, and per AU `AUxx` (label, 0 or 1), `AUxx_valid` (whether
it is known), `AUxx_prob`, `AUxx_present` (detected, 0 or 1), `AUxx_r` (intensity label, empty where unknown) and
`AUxx_r_predicted` (empty for a model without intensity); for a model that classifies levels also
`AUxx_level_predicted` (the most probable one, 0-5). The file's metadata holds one JSON entry, `actionunits`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actionunits.aus import au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.label_table import read_parquet
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.scores.events import Timeline
from actionunits.training.validation import CropPredictions

FORMAT_VERSION = 1
METADATA_KEY = b"actionunits"


@dataclass(frozen=True)
class Names:
    """One name per row, each text kept once."""

    names: tuple[str, ...]
    number: np.ndarray  # (N,) int32, position in `names`

    @classmethod
    def same(cls, name: str, rows: int) -> Names:
        """One name for all rows."""
        return cls((name,), np.zeros(rows, np.int32))

    @classmethod
    def concatenate(cls, pieces: Sequence[Names]) -> Names:
        """Rows of several, one after the other; equal names are one."""
        names = tuple(dict.fromkeys(name for piece in pieces for name in piece.names))
        place = {name: k for k, name in enumerate(names)}
        numbers = [np.array([place[name] for name in piece.names], np.int32)[piece.number] for piece in pieces]
        return cls(names, np.concatenate(numbers))

    def select(self, rows: np.ndarray) -> Names:
        return Names(self.names, self.number[rows])

    def present(self) -> Names:
        """Without the names that no row has."""
        used, number = np.unique(self.number, return_inverse=True)
        return Names(tuple(self.names[k] for k in used), number.astype(np.int32))

    def __getitem__(self, row: int) -> str:
        return self.names[self.number[row]]


@dataclass(frozen=True)
class FramePredictions:
    """Labels and outputs of a model, one row per frame and face."""

    aus: tuple[int, ...]
    data: Names  # data set, or several joined by " + "
    subject: Names
    clip: Names
    fold: Names  # "" where there are no folds
    frame: np.ndarray  # (N,) int32, number in the clip, from 0
    au_present: np.ndarray  # (N, A) bool
    au_present_valid: np.ndarray  # (N, A) bool
    au_prob: np.ndarray  # (N, A) float64, 0-1
    au_detected: np.ndarray  # (N, A) bool
    au_intensity: np.ndarray  # (N, A) float32, 0-5, NaN unknown
    au_intensity_predicted: np.ndarray | None  # (N, A) float32, 0-5
    occurrence_level: float  # intensity from which an AU counts as present
    thresholds: np.ndarray  # (A,) of the probability; NaN where the rows have several
    about: dict[str, Any] = field(default_factory=dict)  # run, commit, seed and the like, JSON values
    au_level_predicted: np.ndarray | None = None  # (N, A) int8, 0-5: the most probable level

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, rows: np.ndarray) -> FramePredictions:
        """Some rows, in the order given."""
        chosen: dict[str, Any] = {n: getattr(self, n).select(rows) for n in ("data", "subject", "clip", "fold")}
        arrays = ("frame", "au_present", "au_present_valid", "au_prob", "au_detected", "au_intensity")
        chosen |= {name: getattr(self, name)[rows] for name in arrays}
        for name in ("au_intensity_predicted", "au_level_predicted"):
            value = getattr(self, name)
            chosen[name] = None if value is None else value[rows]
        return replace(self, **chosen)

    @property
    def au_intensity_valid(self) -> np.ndarray:
        """(N, A) bool."""
        return np.isfinite(self.au_intensity)

    def timeline(self) -> Timeline | None:
        """Order of the rows in time; None where the rows are not of videos."""
        # Clips of different people or data sets may have one name.
        number = self.data.number.astype(np.int64) * len(self.subject.names) + self.subject.number
        return Timeline.of(number * len(self.clip.names) + self.clip.number, self.frame)

    def frame_keys(self) -> list[tuple[str, str, str, int]]:
        """What a row is of: data, subject, clip, frame."""
        columns = [np.array(n.names, object)[n.number] for n in (self.data, self.subject, self.clip)]
        return list(zip(*columns, self.frame.tolist(), strict=True))

    @classmethod
    def of(
        cls,
        data: CropData,
        predictions: CropPredictions,
        thresholds: np.ndarray,
        fold: str = "",
        about: Mapping[str, Any] | None = None,
    ) -> FramePredictions:
        """Outputs beside the labels of the same rows. thresholds: (A,), or (N, A) for rows of several models."""
        several = thresholds.ndim == 2
        intensity = np.where(data.au_intensity_valid, data.au_intensity, np.nan).astype(np.float32)
        return cls(
            aus=data.aus,
            data=Names.same(" + ".join(data.names), len(data)),
            subject=Names(data.subjects, data.subject),
            # Wherever the data lies: the folder has no part in the name.
            clip=Names(tuple(Path(name).name for name in data.clips), data.clip),
            fold=Names.same(fold, len(data)),
            frame=data.frame,
            au_present=np.asarray(data.au_present) > 0,
            au_present_valid=np.asarray(data.au_present_valid, bool),
            au_prob=predictions.au_prob,
            au_detected=predictions.au_prob >= thresholds,
            au_intensity=intensity,
            au_intensity_predicted=predictions.au_intensity,
            occurrence_level=data.occurrence_level,
            thresholds=np.full(len(data.aus), np.nan) if several else thresholds,
            about=dict(about or {}),
            au_level_predicted=predictions.au_level,
        )


def concatenate(pieces: Sequence[FramePredictions]) -> FramePredictions:
    """Rows of several folds or data sets, one after the other.

    Raises UserError when AUs or occurrence levels differ, only some have intensities, or a frame is in two.
    """
    if not pieces:
        raise UserError("no predictions to join")
    first = pieces[0]
    for piece in pieces[1:]:
        for what, text in (("aus", "action units"), ("occurrence_level", "occurrence levels")):
            if getattr(piece, what) != getattr(first, what):
                raise UserError(
                    f"predictions with different {text} cannot be pooled: {getattr(first, what)} and "
                    f"{getattr(piece, what)}"
                )
        for name, text in (("au_intensity_predicted", "intensities"), ("au_level_predicted", "levels")):
            if (getattr(piece, name) is None) != (getattr(first, name) is None):
                raise UserError(f"predictions with and without {text} cannot be pooled")
    keys = [key for piece in pieces for key in piece.frame_keys()]
    if len(set(keys)) < len(keys):
        twice = _first_double(keys)
        raise UserError(f"frame {twice[3]} of {twice[2]} ({twice[1]}) is there twice; a frame is pooled once")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("frame", "au_present", "au_present_valid", "au_prob", "au_detected", "au_intensity")
    }
    names: dict[str, Any] = {
        name: Names.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("data", "subject", "clip", "fold")
    }
    predicted: dict[str, Any] = {
        name: None if getattr(first, name) is None else np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("au_intensity_predicted", "au_level_predicted")
    }
    same = all(np.array_equal(piece.thresholds, first.thresholds) for piece in pieces)
    return FramePredictions(
        aus=first.aus,
        **names,
        **joined,
        **predicted,
        occurrence_level=first.occurrence_level,
        thresholds=first.thresholds if same else np.full(len(first.aus), np.nan),
        about={name: value for name, value in first.about.items() if all(p.about.get(name) == value for p in pieces)},
    )


def _first_double(keys: Sequence[tuple[str, str, str, int]]) -> tuple[str, str, str, int]:
    seen = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise ValueError("no key is there twice")


def write_predictions(path: Path | str, frames: FramePredictions) -> None:
    """Write the table to a Parquet file. Raises UserError where it cannot be written."""
    columns: dict[str, pa.Array] = {}
    for name in ("data", "subject", "clip"):
        columns[name] = _dictionary(getattr(frames, name))
    columns["frame"] = pa.array(frames.frame.astype(np.int32))
    columns["fold"] = _dictionary(frames.fold)
    for a, au in enumerate(frames.aus):
        label = au_label(au)
        columns[label] = pa.array(frames.au_present[:, a].astype(np.int8))
        columns[f"{label}_valid"] = pa.array(frames.au_present_valid[:, a])
        columns[f"{label}_prob"] = pa.array(frames.au_prob[:, a].astype(np.float64))
        columns[f"{label}_present"] = pa.array(frames.au_detected[:, a].astype(np.int8))
        columns[f"{label}_r"] = pa.array(frames.au_intensity[:, a].astype(np.float32))
        predicted = frames.au_intensity_predicted
        values = np.full(len(frames), np.nan) if predicted is None else predicted[:, a]
        columns[f"{label}_r_predicted"] = pa.array(values.astype(np.float32))
        if frames.au_level_predicted is not None:
            columns[f"{label}_level_predicted"] = pa.array(frames.au_level_predicted[:, a].astype(np.int8))
    header = {
        "format": FORMAT_VERSION,
        "aus": list(frames.aus),
        "occurrence_level": frames.occurrence_level,
        "thresholds": [None if np.isnan(t) else float(t) for t in frames.thresholds],
        "intensity": frames.au_intensity_predicted is not None,
        "level": frames.au_level_predicted is not None,
        "about": frames.about,
    }
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(header).encode()})
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_predictions(path: Path | str) -> FramePredictions:
    """Read a table of `write_predictions`. Raises UserError where it is none, or is damaged."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    table = read_parquet(path)
    stranger = UserError(
        f"{path} does not hold predictions per frame; write it with actionunits evaluate ... --predictions {path}"
    )
    entry = (table.schema.metadata or {}).get(METADATA_KEY)
    if entry is None:
        raise stranger
    try:
        header = json.loads(entry)
        version = header["format"]
        if version != FORMAT_VERSION:
            raise UserError(f"{path} has format {version}, and this version reads {FORMAT_VERSION}; write it again")
        return _from_table(table, header)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError, pa.ArrowException):
        raise stranger from None


def _from_table(table: pa.Table, header: Mapping[str, Any]) -> FramePredictions:
    aus = tuple(header["aus"])
    known = [name for name in table.schema.names if not name.endswith(("_r", "_r_predicted"))]
    if any(table[name].null_count for name in known):
        raise ValueError("a cell is empty that must not be")

    def stack(suffix: str, dtype: type) -> np.ndarray:
        values = [table[au_label(au) + suffix].to_numpy() for au in aus]
        return np.stack(values, 1).astype(dtype) if values else np.zeros((table.num_rows, 0), dtype)

    return FramePredictions(
        aus=aus,
        **{name: _names(table[name]) for name in ("data", "subject", "clip", "fold")},
        frame=table["frame"].to_numpy(),
        au_present=stack("", bool),
        au_present_valid=stack("_valid", bool),
        au_prob=stack("_prob", np.float64),
        au_detected=stack("_present", bool),
        au_intensity=stack("_r", np.float32),
        au_intensity_predicted=stack("_r_predicted", np.float32) if header["intensity"] else None,
        occurrence_level=float(header["occurrence_level"]),
        thresholds=np.array([np.nan if t is None else t for t in header["thresholds"]], np.float64),
        about=dict(header["about"]),
        au_level_predicted=stack("_level_predicted", np.int8) if header.get("level", False) else None,
    )


def _dictionary(names: Names) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(names.number.astype(np.int32)), pa.array(list(names.names)))


def _names(column: pa.ChunkedArray) -> Names:
    array = column.combine_chunks()
    if not isinstance(array, pa.DictionaryArray):
        array = array.dictionary_encode()
    return Names(tuple(array.dictionary.to_pylist()), array.indices.to_numpy().astype(np.int32))
