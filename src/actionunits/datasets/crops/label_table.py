"""Reading frames.parquet of any data folder: what it must hold before anything else looks at it.

The file may come from anywhere. Its columns are taken as Arrow describes them, and never as the notes that pandas
leaves beside them say; names of files inside it must stay in its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from actionunits.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    Table: TypeAlias = pa.Table
    Column: TypeAlias = pa.ChunkedArray
else:
    Table = Column = object

LANDMARK_COLUMNS = tuple(f"{axis}_{i}" for axis in "xy" for i in range(68))
TEXT_COLUMNS = frozenset(("subject", "task", "clip", "crops", "split"))
NUMBER_COLUMNS = frozenset(("row", "frame", "anchor", "fold"))
LARGEST_NUMBER = 10_000_000  # of a frame: days of video
FARTHEST_PX, SMALLEST_FACE_PX = 100_000.0, 1.0  # of a landmark from the corner, and of all landmarks from each other


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Table:
    """A Parquet file; all columns unless some are named. Raises UserError where it is missing or damaged."""
    import pyarrow.parquet

    with _damage_told(path):
        return pyarrow.parquet.read_table(path, columns=None if columns is None else list(columns))


def column_names(path: Path) -> list[str]:
    """Names of a Parquet file's columns. Raises UserError where it is missing or damaged."""
    import pyarrow.parquet

    with _damage_told(path):
        return list(pyarrow.parquet.read_schema(path).names)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    import pyarrow.lib

    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing; make the data again") from None
    # Flipped bits surface as any of these, in what Arrow reads of the file or of its notes.
    except (OSError, pyarrow.lib.ArrowException, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise UserError(f"{path} is damaged: {(str(error) or type(error).__name__).splitlines()[0]}") from None


def read_columns(path: Path, columns: Sequence[str], landmarks_everywhere: bool) -> pd.DataFrame:
    """Columns of frames.parquet, one row per frame.

    landmarks_everywhere: every frame must have all landmarks; else NaN stands for unknown ones.
    Raises UserError where the file is damaged or empty, a column holds values of another kind or none in some rows,
    landmarks are those of no face, or a file name leads out of the folder.
    """
    table = read_parquet(path, columns)
    if not table.num_rows:
        raise UserError(f"{path} is damaged: it holds no frame; make the data again")
    for name in table.schema.names:
        _check_kind(path, name, table[name])
    with _damage_told(path):
        frames: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    for name in ("clip", "crops"):
        if name in frames:
            _refuse_paths_outside(path, frames[name].unique())
    if set(LANDMARK_COLUMNS) <= set(frames.columns):
        _check_landmarks(path, frames[list(LANDMARK_COLUMNS)].to_numpy(np.float64), landmarks_everywhere)
    return frames


def _check_kind(path: Path, name: str, column: Column) -> None:
    """Raises UserError where a column that the readers know holds values of another kind, or none in some rows."""
    import pyarrow.types as of

    filled = True
    kind = column.type.value_type if of.is_dictionary(column.type) else column.type
    if name in TEXT_COLUMNS:
        good, wanted = of.is_string(kind) or of.is_large_string(kind), "text"
    elif name in NUMBER_COLUMNS:
        good, wanted = of.is_integer(kind), "whole numbers"
    elif name.startswith("AU") and name.endswith("_valid"):
        good, wanted = of.is_boolean(kind), "true or false"
    elif name.startswith("AU") or name in LANDMARK_COLUMNS:
        good, wanted, filled = of.is_integer(kind) or of.is_floating(kind), "numbers", False
    else:
        return
    if not good:
        raise UserError(f"{path}: {name} holds {kind} where {wanted} must be; make the data again")
    if filled and column.null_count:
        raise UserError(f"{path}: {name} is empty in {column.null_count} rows; make the data again")
    if name in NUMBER_COLUMNS:
        _refuse_large(path, name, column)


def _refuse_large(path: Path, name: str, column: Column) -> None:
    import pyarrow.compute as compute

    least, most = compute.min_max(column).as_py().values()
    if most > LARGEST_NUMBER or least < -LARGEST_NUMBER:
        raise UserError(f"{path}: {name} holds {most if most > LARGEST_NUMBER else least}, which cannot be")


def _refuse_paths_outside(path: Path, names: Iterable[str]) -> None:
    """Raises UserError for a file name that leads out of the table's folder: by its words, or by a link."""
    folder = os.path.realpath(path.parent)
    for name in names:
        place = os.path.realpath(os.path.join(folder, name)) if "\0" not in name else ""
        if not place.startswith(folder + os.sep):
            raise UserError(f"{path} names {name!r}, which lies outside its folder and is not read")


def _check_landmarks(path: Path, points: np.ndarray, everywhere: bool) -> None:
    """Raises UserError where landmarks, (N, 136) pixels, are not those of a face."""
    if np.isinf(points).any():
        raise UserError(f"{path}: some landmarks are infinite; make the data again")
    known = ~np.isnan(points)
    if everywhere and not known.all():
        raise UserError(f"{path}: some frames have no landmarks; make the data again")
    points = points[known.all(1)]
    extent = np.maximum(np.ptp(points[:, :68], axis=1), np.ptp(points[:, 68:], axis=1))
    wrong = (np.abs(points).max(1, initial=0) > FARTHEST_PX) | (extent < SMALLEST_FACE_PX)
    if wrong.any():
        raise UserError(f"{path}: the landmarks of {wrong.sum()} frames are those of no face; make the data again")
