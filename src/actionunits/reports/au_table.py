"""A table in the OpenFace schema, brought to one form for pictures and summaries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from actionunits.aus import AUS, au_label
from actionunits.errors import UserError

AU_COLUMN = re.compile(r"AU(\d+)_[rcp]")


@dataclass(frozen=True)
class AuTable:
    """Rows with a face, in the order of the table, and the frames they belong to. R rows, F frames, A AUs."""

    aus: tuple[int, ...]
    frame_number: np.ndarray  # (F,) ascending
    time_s: np.ndarray  # (F,) presentation time; NaN where the table has none
    row: np.ndarray  # (R,) position in the table
    row_frame: np.ndarray  # (R,) position of the row's frame in frame_number
    face_id: np.ndarray  # (R,)
    prob: np.ndarray  # (R, A) 0-1, NaN where unknown, like the next two
    intensity: np.ndarray  # (R, A) 0-5
    present: np.ndarray  # (R, A) 0 or 1

    @property
    def people(self) -> list[int]:
        """Numbers of the people seen, ascending."""
        return np.unique(self.face_id).tolist()


def au_table(table: pd.DataFrame, aus: Sequence[int] | None = None) -> AuTable:
    """Read a table with the columns AUxx_r, AUxx_c, AUxx_p, any of which may be missing.

    The table of a single photograph (`face,confidence` in place of the five first columns) is one frame. Without
    `aus`, the AUs with at least one value are read; if there is no value at all, every AU that has a column.

    Raises UserError if the table has no AU column, or none for a requested AU.
    """
    table = table.rename(columns=lambda name: str(name).strip())
    known = {int(match[1]) for name in table.columns if (match := AU_COLUMN.fullmatch(name))} & set(AUS)
    if not known:
        raise UserError("the table has no action unit columns (AU01_r, AU01_c, ...); pass an openface-schema table")
    missing = sorted(set(aus or ()) - known)
    if missing:
        raise UserError(f"the table has no column for {', '.join(map(au_label, missing))}")
    rows = len(table)
    frame = _column(table, "frame", np.ones(rows))
    face_id = _column(table, "face_id", _column(table, "face", np.full(rows, np.nan)))
    success = _column(table, "success", np.isfinite(face_id).astype(float))
    frame_number, first_row, row_frame = np.unique(frame, return_index=True, return_inverse=True)
    seen = (success > 0) & np.isfinite(face_id)
    chosen = tuple(aus) if aus else _with_values(table[seen], sorted(known))
    values = {
        kind: np.stack([_column(table, f"{au_label(au)}_{kind}", np.full(rows, np.nan)) for au in chosen], axis=1)
        for kind in "prc"
    }
    return AuTable(
        aus=chosen,
        frame_number=frame_number,
        time_s=_column(table, "timestamp", np.full(rows, np.nan))[first_row],
        row=np.flatnonzero(seen),
        row_frame=row_frame.reshape(-1)[seen],
        face_id=face_id[seen].astype(int),
        prob=values["p"][seen],
        intensity=values["r"][seen],
        present=values["c"][seen],
    )


def _column(table: pd.DataFrame, name: str, default: np.ndarray) -> np.ndarray:
    """Numbers of a column; empty cells are NaN, a missing column is the default."""
    if name not in table:
        return default
    return pd.to_numeric(table[name], errors="coerce").to_numpy(float, na_value=np.nan)


def _with_values(table: pd.DataFrame, aus: list[int]) -> tuple[int, ...]:
    columns = {au: [f"{au_label(au)}_{kind}" for kind in "rcp" if f"{au_label(au)}_{kind}" in table] for au in aus}
    filled = tuple(au for au in aus if table[columns[au]].notna().to_numpy().any())
    return filled or tuple(aus)
