"""Data sets of renders ("synthau" folders, written by `actionunits synth`) as registered crops with labels.

A folder holds `dataset.json`, `frames.parquet` with one row per frame, and the clips that its `clip` column names.
Registered crops are cached as one array per folder, so that every later load only maps that file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from actionunits.aus import AUS, INTENSITY_MAX, SYNTH_AUS, au_label
from actionunits.datasets.crops.crop_data import STORED_MARGIN, CropData, Rows, concatenate
from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS, column_names, read_columns
from actionunits.datasets.crops.synthau_cache import (
    MESH_VERSION,
    Clip,
    cache_key,
    read_meshes,
    store_images,
    store_meshes,
)
from actionunits.datasets.sampling.sequences import refuse_mixed_people
from actionunits.errors import UserError
from actionunits.faces.align import similarity_transform
from actionunits.files import read_json
from actionunits.settings.checks import check_values
from actionunits.settings.ranges import Seed

OCCURRENCE_LEVEL = 1.0  # A and above counts as present
CACHE_FOLDER = ".crops"  # inside the data set, unless told otherwise

_INDEX_COLUMNS = ["subject", "task", "clip", "frame"]


def read_info(folder: Path | str) -> dict[str, Any]:
    """`dataset.json` of a folder. Raises UserError when the folder is not a synthau data set."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    missing = [name for name in ("dataset.json", "frames.parquet") if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise UserError(
            f"{folder} is not a data set of renders: expected dataset.json, frames.parquet and clips/, "
            f"found {found}; missing {', '.join(missing)}"
        )
    info = read_json(folder / "dataset.json")
    lacking = [key for key in ("name", "seed") if not isinstance(info, dict) or key not in info]
    if lacking:
        raise UserError(f"{folder / 'dataset.json'} lacks {', '.join(lacking)}")
    check_values(_Card, info, str(folder / "dataset.json"))
    return cast(dict[str, Any], info)


@dataclass(frozen=True)
class _Card:
    """What entries of `dataset.json` must be, where it has them."""

    name: str
    seed: Seed


def read_frames(folder: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The label table, one row per frame, ordered by clip and frame; all columns unless some are named.

    Raises UserError when the folder is not a synthau data set, a column is missing, a label lies outside its
    range, a landmark is missing, a clip's frames are not numbered 0, 1, 2 ..., or a clip is not there.
    """
    folder = Path(folder)
    path = folder / "frames.parquet"
    present = _column_names(folder)
    wanted = list(dict.fromkeys([*_INDEX_COLUMNS, *columns])) if columns is not None else present
    missing = [c for c in dict.fromkeys([*_INDEX_COLUMNS, *LANDMARK_COLUMNS, *wanted]) if c not in present]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing[:6])}; make the data set again")
    frames = read_columns(path, wanted, landmarks_everywhere=True)
    frames["clip"] = pd.Categorical(frames["clip"], categories=pd.unique(frames["clip"]))
    frames = frames.sort_values(["clip", "frame"], kind="stable", ignore_index=True)
    _check_frames(frames, folder)
    return frames


def coded_aus(folder: Path | str) -> tuple[int, ...]:
    """AUs with occurrence and intensity columns in the label table. Raises UserError like `read_info`."""
    names = set(_column_names(folder))
    return tuple(au for au in AUS if {au_label(au), f"{au_label(au)}_r"} <= names)


def _column_names(folder: Path | str) -> list[str]:
    read_info(folder)
    return column_names(Path(folder) / "frames.parquet")


def _check_frames(frames: pd.DataFrame, folder: Path) -> None:
    path = folder / "frames.parquet"
    expected = frames.groupby("clip", observed=True).cumcount()
    wrong = frames["frame"].to_numpy() != expected.to_numpy()
    if wrong.any():
        row = frames[wrong].iloc[0]
        raise UserError(f"{path}: the frames of {row['clip']} are not numbered 0, 1, 2 ...; see frame {row['frame']}")
    for name in frames.columns:
        if name.startswith("AU"):
            values = frames[name].to_numpy(np.float64)
            intensity = "_r" in name
            good = (
                np.isnan(values) | ((values >= 0) & (values <= INTENSITY_MAX))
                if intensity
                else np.isin(values, (-1, 0, 1))
            )
            if not good.all():
                allowed = "0 to 5 or empty" if intensity else "0, 1 or -1"
                raise UserError(f"{path}: {name} holds {values[~good][0]:g}; allowed is {allowed}")
    refuse_mixed_people(frames, "clip", path)
    if "anchor" in frames:
        lengths = frames.groupby("clip", observed=True)["frame"].transform("size")
        outside = ~frames["anchor"].between(0, lengths - 1).to_numpy()
        if outside.any():
            row = frames[outside].iloc[0]
            raise UserError(f"{path}: frame {row['anchor']} is the anchor of {row['clip']}, which has no such frame")
    for clip in frames["clip"].cat.categories:
        if not (folder / clip).is_file():
            raise UserError(f"{folder} lacks {clip}, which frames.parquet names; the data set is incomplete")


def subject_name(info: dict[str, Any], subject: str) -> str:
    """Name of a person that is unique over data sets: name and seed of the set, then the subject."""
    return f"{info['name']}-{info['seed']}/{subject}"


def subject_names(folder: Path | str) -> list[str]:
    """Names of all people of a folder, as in `CropData.subjects`. Raises UserError like `read_frames`."""
    info = read_info(folder)
    return [subject_name(info, name) for name in sorted(read_frames(folder, [])["subject"].unique())]


def load_labels(folder: Path | str) -> CropData:
    """All labels of a folder, without images. Raises UserError like `read_frames`."""
    aus = coded_aus(folder)
    labels = [au_label(au) for au in aus]
    # Landmarks too: a table whose points are those of no face is refused here as in training.
    frames = read_frames(folder, [*labels, *(f"{name}_r" for name in labels), *LANDMARK_COLUMNS])
    return _with_labels(Path(folder), frames, aus, STORED_MARGIN)


def load_crops(
    folders: Path | str | Sequence[Path | str],
    crop_size: int = 128,
    *,
    aus: Sequence[int] = SYNTH_AUS,
    subjects: Sequence[str] | None = None,
    every: int = 1,
    margin: float = STORED_MARGIN,
    meshes: bool = False,
    mesh_every: int = 1,
    cache: Path | str | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> CropData:
    """Registered crops and labels of one or several data sets.

    crop_size: stored width in pixels, `margin` included. subjects: only these (names as in `CropData.subjects`).
    every: keep frames 0, every, 2 every ... of each clip. meshes: also find MediaPipe's 478 points in every
    `mesh_every`-th kept frame, where the labelled face is, registered with the landmarks that MediaPipe itself
    finds, as in detection; a frame where it sees no face there has `mesh_valid` False. Anchors are rows of the
    same stored array; where `every` leaves an anchor frame out, the nearest kept frame before it stands in.
    cache: folder for the arrays, by default `.crops` inside each data set. The first load decodes with all
    cores, later ones map the arrays.

    Raises UserError for a folder, label table or clip that cannot be used, or a cache that cannot be written.
    """
    folders = [folders] if isinstance(folders, (str, Path)) else list(folders)
    workers = workers or os.cpu_count() or 1
    pieces = []
    for folder in map(Path, folders):
        labels = [au_label(au) for au in aus]
        sides = [f"{name}_r_{side}" for name in labels for side in ("left", "right")]
        columns = [*labels, *(f"{name}_r" for name in labels), *LANDMARK_COLUMNS]
        columns += [name for name in ("anchor", *sides) if name in _column_names(folder)]
        frames = read_frames(folder, columns)
        target = Path(cache) if cache is not None else folder / CACHE_FOLDER
        key = cache_key(folder, frames, crop_size, margin, every)
        clips = _clips(folder, frames, every)
        piece = _with_labels(folder, frames[frames["frame"] % every == 0], tuple(aus), margin)
        image_path = target / f"images-{key}.npy"
        if not image_path.is_file():
            store_images(image_path, clips, len(piece), crop_size, margin, workers, progress)
        images = np.load(image_path, mmap_mode="r")
        fields: dict[str, Any] = {"images": images, "anchor": _anchors(images, frames, clips)}
        fields["landmarks"] = _crop_landmarks(clips, crop_size, margin)
        if meshes:
            path = target / f"mesh{MESH_VERSION}-{key}-{mesh_every}.npz"
            if not path.is_file():
                store_meshes(path, clips, len(piece), crop_size, margin, mesh_every, workers, progress)
            fields["mesh"], fields["mesh_valid"] = read_meshes(path, len(piece))
        pieces.append(CropData(**{**vars(piece), **fields}))
    data = concatenate(pieces)
    return data if subjects is None else data.of_subjects(subjects)


def _clips(folder: Path, frames: pd.DataFrame, every: int) -> list[Clip]:
    landmarks = frames[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 2, 68).transpose(0, 2, 1)
    lengths = frames.groupby("clip", observed=True).size()
    clips, start, first_row = [], 0, 0
    for name, length in lengths.items():
        kept = landmarks[start : start + length : every]
        clips.append(Clip(folder / str(name), int(length), every, first_row, kept))
        start, first_row = start + length, first_row + len(kept)
    return clips


def _anchors(images: np.ndarray, frames: pd.DataFrame, clips: list[Clip]) -> Rows:
    """For each kept frame the crop of its clip's anchor frame, which the `anchor` column names; frame 0 without one.

    Where `every` leaves the anchor frame out, the nearest kept frame before it stands in.
    """
    rows, start = [], 0
    for clip in clips:
        stop = start + clip.frames
        kept = slice(start, stop, clip.every)
        anchor = (
            frames["anchor"].to_numpy()[kept] if "anchor" in frames else np.zeros(len(clip.landmarks_px), np.int64)
        )
        rows.append(clip.first_row + anchor // clip.every)
        start = stop
    return Rows((images,), np.zeros(len(images), np.int16), np.concatenate(rows).astype(np.int64))


def _crop_landmarks(clips: list[Clip], crop_size: int, margin: float) -> np.ndarray:
    """The labelled points of the kept frames, (N, 68, 2) float32, 0-1 spans the stored crop."""
    points = np.concatenate([clip.landmarks_px for clip in clips])
    matrix = similarity_transform(points, crop_size, margin)
    moved = points @ np.swapaxes(matrix[:, :, :2], 1, 2) + matrix[:, None, :, 2]
    return ((moved + 0.5) / crop_size).astype(np.float32)


def _with_labels(folder: Path, frames: pd.DataFrame, aus: tuple[int, ...], margin: float) -> CropData:
    """The data set without its images."""
    info = read_info(folder)
    present = frames[[au_label(au) for au in aus]].to_numpy(np.int8)
    intensity = frames[[f"{au_label(au)}_r" for au in aus]].to_numpy(np.float32)
    subject, subjects = pd.factorize(frames["subject"], sort=True)
    both = [f"{au_label(au)}_r_{side}" for au in aus for side in ("left", "right")]
    known = set(both) <= set(frames.columns)
    return CropData(
        aus=aus,
        images=np.empty((0, 0, 0, 3), np.uint8),
        au_present=(present > 0).astype(np.uint8),
        au_present_valid=present >= 0,
        au_intensity=np.nan_to_num(intensity),
        au_intensity_valid=np.isfinite(intensity),
        subject=subject.astype(np.int32),
        clip=frames["clip"].cat.codes.to_numpy(np.int32),
        frame=frames["frame"].to_numpy(np.int32),
        subjects=tuple(subject_name(info, name) for name in subjects),
        clips=tuple(str(folder / name) for name in frames["clip"].cat.categories),
        names=(str(info["name"]),),
        occurrence_level=OCCURRENCE_LEVEL,
        margin=margin,
        au_sides=frames[both].to_numpy(np.float32).reshape(len(frames), len(aus), 2) if known else None,
    )
