"""Prepared folders (written by `actionunits prepare`) as registered crops with labels: files are mapped, not read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, cast

import cv2
import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Le

from actionunits.aus import AUS, INTENSITY_MAX, au_label
from actionunits.datasets.crops.crop_data import CropData, Rows
from actionunits.datasets.crops.crop_files import StoredRows
from actionunits.datasets.crops.crop_task import MESH_SHAPE
from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS, column_names, read_columns
from actionunits.datasets.crops.prepare import FORMAT_VERSION
from actionunits.datasets.sampling.sequences import refuse_mixed_people
from actionunits.errors import UserError
from actionunits.files import read_json, write_atomically
from actionunits.settings.checks import check_values
from actionunits.settings.ranges import CountFromZero, Share

CACHE_FOLDER = ".crops"  # inside the prepared folder, unless told otherwise

CODED = "coded"  # column that tells the rows that labels are for
_INDEX_COLUMNS = ["subject", "task", "crops", "row", "frame", "anchor", "fold", "split"]


@dataclass(frozen=True)
class _Card:
    """What entries of `dataset.json` must be."""

    name: str
    crop_size: Annotated[int, Ge(1), Le(8192)]  # pixels
    margin: Share
    aus: tuple[Annotated[int, Ge(1), Le(max(AUS))], ...]
    occurrence_level: Annotated[float, Gt(0), Le(INTENSITY_MAX)]
    landmarks: str
    source: str
    frames: CountFromZero
    aligned: bool = True  # folders of earlier versions do not say it


_CARD_NAMES = [field.name for field in fields(_Card) if field.default is MISSING]


def read_info(folder: Path | str) -> dict[str, Any]:
    """`dataset.json` of a folder. Raises UserError where the folder is not a complete prepared one."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    if not (folder / "dataset.json").is_file() and (folder / ".parts").is_dir():
        raise UserError(f"{folder} is not complete; run the same `actionunits prepare` command again to go on")
    card = folder / "dataset.json"
    if not card.is_file():
        raise UserError(f"{folder} is not a prepared data set: it has no dataset.json")
    info = read_json(card)
    lacking = [name for name in _CARD_NAMES if not isinstance(info, dict) or name not in info]
    if lacking:
        raise UserError(f"{card} lacks {', '.join(lacking)}; prepare the data again")
    if info.get("format") != FORMAT_VERSION:
        raise UserError(f"{folder} was written by another version of this program; prepare the data again")
    check_values(_Card, info, str(card))
    return cast(dict[str, Any], info)


def coded_aus(folder: Path | str) -> tuple[int, ...]:
    """AUs that the data set codes, ascending; none for videos without labels."""
    return tuple(read_info(folder)["aus"])


def subject_name(info: dict[str, Any], subject: str) -> str:
    """Name of a person that is unique over data sets, for instance "bp4d/F001"."""
    return f"{info['name']}/{subject}"


def subject_names(folder: Path | str) -> list[str]:
    """Names of all people of a folder, as in `CropData.subjects`."""
    info = read_info(folder)
    return [subject_name(info, name) for name in sorted(read_frames(folder, ["subject"])["subject"].unique())]


def read_frames(folder: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table, one row per kept frame, in the order of the recordings; all columns unless some are named.

    Raises UserError where it is damaged, a column is missing, or a label lies outside its range.
    """
    path = Path(folder) / "frames.parquet"
    present = column_names(path)
    wanted = list(columns) if columns is not None else present
    missing = [name for name in [*_INDEX_COLUMNS, *wanted] if name not in present]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing[:6])}; prepare the data again")
    frames = read_columns(path, wanted, landmarks_everywhere=False)
    for name in frames.columns:
        if name.startswith("AU") and not name.endswith("_valid"):
            values = frames[name].to_numpy(np.float64)
            good = np.isnan(values) | ((values >= 0) & (values <= INTENSITY_MAX))
            if not (good if name.endswith("_r") else np.isin(values, (0, 1))).all():
                raise UserError(f"{path}: {name} holds values outside its range; prepare the data again")
    return frames


def load_labels(folder: Path | str, aus: Sequence[int] | None = None) -> CropData:
    """The data set without its images, which have no rows then."""
    info = read_info(folder)
    chosen = tuple(info["aus"]) if aus is None else tuple(aus)
    table = _table(folder, chosen)
    return _with_labels(Path(folder), info, table[_coded(table)], chosen)


def load_crops(
    folder: Path | str,
    crop_size: int,
    *,
    aus: Sequence[int] | None = None,
    every: int = 1,
    meshes: bool = False,
    cache: Path | str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CropData:
    """Registered crops and labels of one prepared folder.

    crop_size: stored width wanted, margin included. Larger crops are made smaller once, into `cache` (by default
    `.crops` inside the folder); progress(done, total) counts the recordings then. aus: all that the data set codes
    unless some are named. every: keep rows 0, every, 2 every ... of each recording. meshes: also the 478 points,
    where prepare has found them.

    Raises UserError where crops are smaller than asked, and where files are missing or damaged.
    """
    folder = Path(folder)
    info = read_info(folder)
    chosen = tuple(info["aus"]) if aus is None else tuple(aus)
    table = _table(folder, chosen)
    stored = int(info["crop_size"])
    if stored < crop_size:
        size, asked = (round(width / (1 + 2 * info["margin"])) for width in (stored, crop_size))
        raise UserError(
            f"{folder} was prepared with crops of {size} pixels, and {asked} are wanted: "
            f"prepare it again with --size {asked}"
        )
    names, part, rows = _files(table)
    files = [StoredRows(folder / name, (count, stored, stored, 3), np.uint8) for name, count in rows.items()]
    if stored > crop_size:
        target = (Path(cache) if cache is not None else folder / CACHE_FOLDER) / _cache_name(info, crop_size)
        files = _smaller(files, target, crop_size, workers or os.cpu_count() or 1, progress)
    row = table["row"].to_numpy(np.int64)
    data = _with_labels(folder, info, table, chosen)
    fields: dict[str, Any] = {
        "images": Rows(cast(Any, files), part, row),
        "anchor": Rows(cast(Any, files), part, _anchor_rows(folder, table, part)),
        "landmarks": _landmarks(table, stored),
    }
    if meshes and info["landmarks"] == "found":
        points = [
            StoredRows(folder / name.replace("crops/", "meshes/", 1), (rows[name], *MESH_SHAPE), np.float16)
            for name in names
        ]
        fields |= {"mesh": Rows(cast(Any, points), part, row), "mesh_valid": np.ones(len(table), bool)}
    data, coded = CropData(**{**vars(data), **fields}), _coded(table)
    if every > 1:
        coded = coded & (row % every == 0)
    return data if coded.all() else data.subset(np.flatnonzero(coded))


def _coded(table: pd.DataFrame) -> np.ndarray:
    """Rows that labels are for, (N,) bool; the others are there as anchors alone."""
    return table[CODED].to_numpy(bool) if CODED in table else np.ones(len(table), bool)


def _table(folder: Path | str, aus: tuple[int, ...]) -> pd.DataFrame:
    labels = [name + ending for name in map(au_label, aus) for ending in ("", "_valid", "_r")]
    # Folders of earlier versions have coded rows alone.
    coded = [name for name in column_names(Path(folder) / "frames.parquet") if name == CODED]
    table = read_frames(folder, [*_INDEX_COLUMNS, *coded, *LANDMARK_COLUMNS, *labels])
    if (
        (table["row"] < 0).any()
        or table.duplicated(["crops", "row"]).any()
        or table.duplicated(["crops", "frame"]).any()
    ):
        raise UserError(
            f"{Path(folder) / 'frames.parquet'}: a row of crops is named twice, or below 0; prepare again"
        )
    refuse_mixed_people(table, "crops", Path(folder) / "frames.parquet")
    return table


def _files(table: pd.DataFrame) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Crop files in order of appearance, which of them each row is in, and how many rows each holds."""
    part, names = pd.factorize(table["crops"])
    rows = table.groupby(part)["row"].max().to_numpy() + 1
    return list(names), part.astype(np.int32), dict(zip(names, map(int, rows), strict=True))


def _anchor_rows(folder: Path, table: pd.DataFrame, part: np.ndarray) -> np.ndarray:
    """Row of each frame's anchor in the same file, (N,) int64."""
    index = pd.MultiIndex.from_arrays([part, table["frame"]])
    found = index.get_indexer(pd.MultiIndex.from_arrays([part, table["anchor"]]))
    if (found < 0).any():
        name = table["crops"].iloc[int(np.argmax(found < 0))]
        raise UserError(f"{folder / 'frames.parquet'}: the anchor of {name} is none of its frames; prepare again")
    return table["row"].to_numpy(np.int64)[found]


def _landmarks(table: pd.DataFrame, stored: int) -> np.ndarray:
    """(N, 68, 2) float32, 0-1 spans the stored crop, NaN where unknown."""
    points = table[list(LANDMARK_COLUMNS)].to_numpy(np.float32).reshape(-1, 2, 68).transpose(0, 2, 1)
    return np.ascontiguousarray((points + 0.5) / stored)


def _with_labels(folder: Path, info: dict[str, Any], table: pd.DataFrame, aus: tuple[int, ...]) -> CropData:
    labels = [au_label(au) for au in aus]
    subject, subjects = pd.factorize(table["subject"], sort=True)
    clip, clips = pd.factorize(table["crops"])
    intensity = table[[f"{name}_r" for name in labels]].to_numpy(np.float32)
    return CropData(
        aus=aus,
        images=np.empty((0, 0, 0, 3), np.uint8),
        au_present=table[labels].to_numpy(np.uint8),
        au_present_valid=table[[f"{name}_valid" for name in labels]].to_numpy(bool),
        au_intensity=np.nan_to_num(intensity),
        au_intensity_valid=np.isfinite(intensity),
        subject=subject.astype(np.int32),
        clip=clip.astype(np.int32),
        frame=table["frame"].to_numpy(np.int32),
        subjects=tuple(subject_name(info, name) for name in subjects),
        clips=tuple(str(folder / name) for name in clips),
        names=(str(info["name"]),),
        occurrence_level=float(info["occurrence_level"]),
        margin=float(info["margin"]),
        aligned=is_aligned(info),
    )


def is_aligned(info: dict[str, Any]) -> bool:
    """Whether the faces of a prepared folder are registered; folders of earlier versions do not say it."""
    return bool(info.get("aligned", True))


def _cache_name(info: dict[str, Any], crop_size: int) -> str:
    """Folder of smaller crops: another one when the data was prepared anew."""
    made_from = [info[key] for key in ("source", "crop_size", "margin", "landmarks", "frames")]
    made_from += [] if is_aligned(info) else ["not aligned"]
    return f"{crop_size}-{hashlib.blake2b(json.dumps(made_from).encode(), digest_size=6).hexdigest()}"


def _smaller(
    files: list[StoredRows], target: Path, crop_size: int, workers: int, progress: Callable[[int, int], None]
) -> list[StoredRows]:
    """The same crops at a smaller size, made where they are not there yet."""

    def make(file: StoredRows) -> StoredRows:
        path, shape = target / file.path.name, (len(file), crop_size, crop_size, 3)
        if not path.is_file():
            with write_atomically(path) as temporary:
                out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
                for k in range(len(file)):
                    out[k] = cv2.resize(file[k], (crop_size, crop_size), interpolation=cv2.INTER_AREA)
                out.flush()
        return StoredRows(path, shape, np.uint8)

    missing = [file for file in files if not (target / file.path.name).is_file()]
    with ThreadPoolExecutor(workers) as pool:  # reading and resizing run outside the interpreter's lock
        for done, _ in enumerate(pool.map(make, missing), start=1):
            progress(done, len(missing))
    return [make(file) for file in files]
