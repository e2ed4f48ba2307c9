"""Registered face crops with their labels: what every data set becomes before training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.types import MESH_POINTS

# Stored crops show this much more on every side than the registered crop that a network sees, so that shifts,
# rotations and zooms never run into a border: 128 pixels around 112, or 256 around 224.
STORED_MARGIN = 1 / 14


def stored_size(image_size: int, margin: float = STORED_MARGIN) -> int:
    """Width of the stored crops, margin included, in which a network's crop keeps its pixels.

    >>> stored_size(112), stored_size(224)
    (128, 256)
    """
    return round(image_size * (1 + 2 * margin))


class Rows:
    """Chosen rows of one or several arrays, read when asked for: a subset of a memory map copies nothing.

    parts: arrays of equal row shape and dtype; part, row: (N,) where each row lies.
    """

    def __init__(self, parts: Sequence[np.ndarray], part: np.ndarray, row: np.ndarray) -> None:
        self.parts = tuple(parts)
        self.part = part
        self.row = row
        self.shape = (len(row), *self.parts[0].shape[1:])
        self.dtype = self.parts[0].dtype

    @classmethod
    def of(cls, values: np.ndarray | Rows) -> Rows:
        """All rows of an array; Rows are returned as they are."""
        if isinstance(values, Rows):
            return values
        return cls((values,), np.zeros(len(values), np.int32), np.arange(len(values)))

    @classmethod
    def concatenate(cls, pieces: Sequence[np.ndarray | Rows]) -> Rows:
        """The rows of several arrays, one after the other; no data is read."""
        rows = [cls.of(piece) for piece in pieces]
        shapes = {(r.shape[1:], str(r.dtype)) for r in rows}
        if len(shapes) != 1:
            raise UserError(f"data sets with different stored arrays cannot be joined: {sorted(shapes)}")
        offsets = np.cumsum([0] + [len(r.parts) for r in rows[:-1]])
        parts = [array for r in rows for array in r.parts]
        part = np.concatenate([r.part + offset for r, offset in zip(rows, offsets, strict=True)])
        return cls(parts, part.astype(np.int32), np.concatenate([r.row for r in rows]))

    def select(self, indices: np.ndarray) -> Rows:
        """Rows at the indices or where the mask is true, still unread."""
        return Rows(self.parts, self.part[indices], self.row[indices])

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, indices: int | slice | np.ndarray | Sequence[int]) -> np.ndarray:
        """The data of the rows, read into memory."""
        if isinstance(indices, (int, np.integer)):
            return np.asarray(self.parts[self.part[indices]][self.row[indices]])
        key = indices if isinstance(indices, slice) else np.asarray(indices)
        part, row = self.part[key], self.row[key]
        if len(self.parts) == 1:
            return np.take(self.parts[0], row, axis=0)
        out = np.empty((len(row), *self.shape[1:]), self.dtype)
        for number in np.unique(part):
            here = part == number
            out[here] = np.take(self.parts[number], row[here], axis=0)
        return out

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class CropData:
    """Registered crops of a data set, one row per frame and face.

    Where a `valid` mask is False the label is unknown and its value arbitrary.
    """

    aus: tuple[int, ...]
    images: np.ndarray | Rows  # (N, S, S, 3) uint8 RGB; the registered crop with `margin` more on every side
    au_present: np.ndarray  # (N, A) uint8, 0 or 1
    au_present_valid: np.ndarray  # (N, A) bool
    au_intensity: np.ndarray  # (N, A) float32, 0-5
    au_intensity_valid: np.ndarray  # (N, A) bool
    subject: np.ndarray  # (N,) int32, position in `subjects`
    clip: np.ndarray  # (N,) int32, position in `clips`
    frame: np.ndarray  # (N,) int32, frame number in the clip, from 0
    subjects: tuple[str, ...]  # names that are unique over data sets, for instance "synthau-7/S0001"
    clips: tuple[str, ...]
    names: tuple[str, ...]  # the data sets that the rows come from
    occurrence_level: float = 1.0  # intensity from which the data set counts an AU as present
    margin: float = STORED_MARGIN
    aligned: bool = True  # faces are registered, rather than cut out upright
    mesh: np.ndarray | Rows | None = None  # (N, 478, 3) float16, 0-1 spans the stored crop
    mesh_valid: np.ndarray | None = None  # (N,) bool
    anchor: Rows | None = None  # (N, S, S, 3) uint8 RGB, the neutral crop of each row's sequence
    flow: Rows | None = None  # (N, 2, S, S) float16, motion from the crop to its anchor, pixels, right and down
    landmarks: np.ndarray | None = None  # (N, 68, 2) float32, 0-1 spans the stored crop; NaN where unknown
    # (N, A, 2) float32, 0-5: intensity of the person's own left and right; known where au_intensity is
    au_sides: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def size(self) -> int:
        """Width and height of the stored crops, pixels."""
        return self.images.shape[1]

    @property
    def present_subjects(self) -> tuple[str, ...]:
        """Subjects that have a row, in the order of `subjects`."""
        return tuple(self.subjects[i] for i in np.unique(self.subject))

    def batch(
        self,
        indices: np.ndarray | Sequence[int] | slice,
        device: torch.device | str = "cpu",
        inputs: Sequence[str] = ("image", "landmarks", "mesh"),
    ) -> Batch:
        """The rows as a Batch of whole stored crops; images travel to the device as bytes.

        indices: (B,), or (B, 2) for pairs of rows, the second of which is the target frame and gives its image alone.
        inputs: what to read of "image", "anchor", "flow", "landmarks", "mesh"; what is not named, or the data lacks,
        is None, and an image that is not named has no pixels. Anchors double the reading: only who needs them asks.
        The caller crops the rows to the network's size: `augment.augment` or `augment.center_crop`.
        """

        def tensor(values: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device).to(dtype)

        key, target = (indices, None) if isinstance(indices, slice) else (np.asarray(indices), None)
        if not isinstance(key, slice) and key.ndim == 2:
            key, target = key.T

        def pictures(values: np.ndarray) -> torch.Tensor:
            return tensor(values, torch.float32).permute(0, 3, 1, 2).mul_(1 / 255)

        image = (
            pictures(self.images[key]) if "image" in inputs else torch.zeros(len(self.frame[key]), 3, 0, 0).to(device)
        )
        anchor = flow = landmarks = mesh = mesh_valid = None
        if "anchor" in inputs and self.anchor is not None:
            anchor = pictures(self.anchor[key])
        if "flow" in inputs and self.flow is not None:
            flow = tensor(self.flow[key], torch.float32)
        if "landmarks" in inputs and self.landmarks is not None:
            landmarks = tensor(self.landmarks[key], torch.float32)
        if "mesh" in inputs and self.mesh is not None and self.mesh_valid is not None:
            mesh = tensor(self.mesh[key], torch.float32)
            mesh_valid = tensor(self.mesh_valid[key], torch.bool)
        return Batch(
            image=image,
            au_present=tensor(self.au_present[key], torch.float32),
            au_present_valid=tensor(self.au_present_valid[key], torch.bool),
            au_intensity=tensor(self.au_intensity[key], torch.float32),
            au_intensity_valid=tensor(self.au_intensity_valid[key], torch.bool),
            au_sides=None if self.au_sides is None else tensor(self.au_sides[key], torch.float32),
            mesh=mesh,
            mesh_valid=mesh_valid,
            anchor=anchor,
            flow=flow,
            landmarks=landmarks,
            target=None if target is None else pictures(self.images[target]),
        )

    def subset(self, selection: np.ndarray | Sequence[int]) -> CropData:
        """The rows at the indices or where the boolean mask is true; no picture, flow or mesh is copied."""
        key = np.asarray(selection)
        changed: dict[str, object] = {
            f.name: getattr(self, f.name)[key]
            for f in fields(self)
            if f.name in ROW_FIELDS and getattr(self, f.name) is not None
        }
        changed["images"] = Rows.of(self.images).select(key)
        if self.mesh is not None:
            changed["mesh"] = Rows.of(self.mesh).select(key)
        for name in ("anchor", "flow"):
            if getattr(self, name) is not None:
                changed[name] = getattr(self, name).select(key)
        return replace(self, **changed)  # type: ignore[arg-type]

    def of_subjects(self, names: Sequence[str]) -> CropData:
        """The rows of the named subjects."""
        missing = sorted(set(names) - set(self.subjects))
        if missing:
            raise UserError(f"subject {missing[0]} is not in the data ({', '.join(self.names)})")
        return self.subset(np.isin(self.subject, [self.subjects.index(name) for name in names]))

    def of_aus(self, aus: Sequence[int]) -> CropData:
        """The same rows with the labels of the given AUs, in that order; an AU not coded here is unknown."""
        column = [self.aus.index(au) if au in self.aus else -1 for au in aus]
        coded = np.array([c >= 0 for c in column], bool)
        return replace(
            self,
            aus=tuple(aus),
            au_present=self.au_present[:, column] * coded.astype(np.uint8),
            au_present_valid=self.au_present_valid[:, column] & coded,
            au_intensity=np.where(coded, self.au_intensity[:, column], 0).astype(np.float32),
            au_intensity_valid=self.au_intensity_valid[:, column] & coded,
            au_sides=None if self.au_sides is None else np.nan_to_num(self.au_sides[:, column]) * coded[:, None],
        )


# Arrays with one entry per row that are small enough to copy.
ROW_FIELDS = (
    "au_present",
    "au_present_valid",
    "au_intensity",
    "au_intensity_valid",
    "subject",
    "clip",
    "frame",
    "mesh_valid",
    "landmarks",
    "au_sides",
)


def concatenate(pieces: Sequence[CropData]) -> CropData:
    """Rows of several data sets, one after the other; no picture, flow or mesh is copied.

    Subjects of equal name are the same person. A piece without meshes makes its rows `mesh_valid = False`, one
    without landmarks makes them NaN. Others have no such mark: the joined data has anchors, flows and the intensities
    of both sides only where every piece has them.
    Raises UserError when AUs, crop size, margin, alignment or occurrence level differ.
    """
    if not pieces:
        raise UserError("no data to join")
    first = pieces[0]
    for piece in pieces[1:]:
        for what in ("aus", "size", "margin", "aligned", "occurrence_level"):
            if getattr(piece, what) != getattr(first, what):
                advice = "; prepare one of them again with another --level" if what == "occurrence_level" else ""
                raise UserError(
                    f"data sets with different {what} cannot be joined: "
                    f"{', '.join(first.names)} has {getattr(first, what)}, "
                    f"{', '.join(piece.names)} has {getattr(piece, what)}{advice}"
                )
    if len(pieces) == 1:
        return first
    subjects = tuple(dict.fromkeys(name for piece in pieces for name in piece.subjects))
    position = {name: i for i, name in enumerate(subjects)}
    offsets = np.cumsum([0] + [len(piece.clips) for piece in pieces[:-1]])
    mesh, mesh_valid = _concatenate_meshes(pieces)
    names = (*ROW_FIELDS[:4], "frame")
    joined: dict[str, Any] = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
    return replace(
        first,
        **joined,
        images=Rows.concatenate([piece.images for piece in pieces]),
        subject=np.concatenate(
            [np.array([position[n] for n in piece.subjects], np.int32)[piece.subject] for piece in pieces]
        ),
        clip=np.concatenate([p.clip + o for p, o in zip(pieces, offsets, strict=True)]).astype(np.int32),
        subjects=subjects,
        clips=tuple(name for piece in pieces for name in piece.clips),
        names=tuple(dict.fromkeys(name for piece in pieces for name in piece.names)),
        mesh=mesh,
        mesh_valid=mesh_valid,
        anchor=_concatenate_rows([piece.anchor for piece in pieces]),
        flow=_concatenate_rows([piece.flow for piece in pieces]),
        landmarks=_concatenate_landmarks(pieces),
        au_sides=_concatenate_sides(pieces),
    )


def _concatenate_rows(pieces: Sequence[Rows | None]) -> Rows | None:
    there = [piece for piece in pieces if piece is not None]
    return Rows.concatenate(there) if len(there) == len(pieces) else None


def _concatenate_sides(pieces: Sequence[CropData]) -> np.ndarray | None:
    there = [piece.au_sides for piece in pieces if piece.au_sides is not None]
    return np.concatenate(there) if len(there) == len(pieces) else None


def _concatenate_landmarks(pieces: Sequence[CropData]) -> np.ndarray | None:
    if all(piece.landmarks is None for piece in pieces):
        return None
    return np.concatenate(
        [
            np.full((len(piece), 68, 2), np.nan, np.float32) if piece.landmarks is None else piece.landmarks
            for piece in pieces
        ]
    )


def _concatenate_meshes(pieces: Sequence[CropData]) -> tuple[Rows | None, np.ndarray | None]:
    if all(piece.mesh is None for piece in pieces):
        return None, None
    meshes, valid = [], []
    for piece in pieces:
        if piece.mesh is not None and piece.mesh_valid is not None:
            meshes.append(Rows.of(piece.mesh))
            valid.append(piece.mesh_valid)
        else:
            blank = np.zeros((1, MESH_POINTS, 3), np.float16)
            nowhere = np.zeros(len(piece), np.int64)
            meshes.append(Rows((blank,), nowhere.astype(np.int32), nowhere))
            valid.append(np.zeros(len(piece), bool))
    return Rows.concatenate(meshes), np.concatenate(valid)
