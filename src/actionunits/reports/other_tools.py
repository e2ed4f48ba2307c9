"""Tables of OpenFace and py-feat as results that summarise and draw themselves, as ours do.

What a tool does not tell stays unknown: py-feat has probabilities and no intensities, OpenFace has intensities and
presence, and no probabilities. Where a table has no column of presence, an action unit counts as present from a
probability of 0.5, or without one from intensity 1 (FACS level A).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from actionunits.aus import AUS, au_label
from actionunits.errors import UserError
from actionunits.reports.au_table import AuTable, au_table
from actionunits.reports.result import AuResult
from actionunits.types import Face, Frame, FrameResult, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator

PRESENT_PROB, PRESENT_INTENSITY = 0.5, 1.0
_PYFEAT_AU = re.compile(r"AU(\d+)")
_NO_PICTURE = np.broadcast_to(np.uint8(0), (1, 1, 3))
_UNKNOWN = np.full((68, 2), np.nan, np.float32)


@dataclass(frozen=True, repr=False, eq=False)
class TableResult(AuResult):
    """What a table of this or another tool says of the faces of one input; `table` is the table as it was read."""

    table: pd.DataFrame


def openface_result(table: pd.DataFrame, name: str) -> TableResult:
    """The result in a table with OpenFace's columns, of any version, or ours.

    Raises UserError where it has no AUs.
    """
    # The first versions followed one face, and did not number it.
    numbered = table if {"face", "face_id"} & set(table.columns) else table.assign(face_id=0)
    return _result(numbered, table, name)


def pyfeat_result(table: pd.DataFrame, name: str, fps: float | None = None) -> TableResult:
    """The result in a table with py-feat's columns, of version 1 or 2, or ours.

    fps: frames per second of the video; without, it comes from `approx_time`, which tells whole seconds. Raises
    UserError where the table has no AUs, or where nothing tells the times of a video.
    """
    found = {name: int(match[1]) for name in table.columns if (match := _PYFEAT_AU.fullmatch(str(name)))}
    labels = {name: au_label(number) for name, number in found.items() if number in AUS}
    if not labels or "frame" not in table:
        raise UserError(f"{name} is not a table of py-feat: it needs columns such as frame and AU12")
    probs = table[list(labels)].apply(pd.to_numeric, errors="coerce")
    seen = probs.notna().any(axis=1)
    frame = pd.to_numeric(table["frame"], errors="coerce")
    columns = {"frame": frame + 1, "face_id": _people(table, frame, seen), "success": seen.astype(int)}
    columns["confidence"] = pd.to_numeric(table["FaceScore"], errors="coerce") if "FaceScore" in table else np.nan
    times_s = _times(table, frame, fps, name)
    if times_s is None:
        columns["input"] = table["input"]
    else:
        columns["timestamp"] = times_s
    columns |= {f"{label}_p": probs[au] for au, label in labels.items()}
    columns |= {name: table[name] for name in ("usable", "quality") if name in table}
    return _result(pd.DataFrame(columns), table, name)


def _people(table: pd.DataFrame, frame: pd.Series, seen: pd.Series) -> pd.Series:
    """Numbers of the people: those of `Identity` in order of appearance, or without it the place within the frame."""
    if "Identity" not in table:
        return table.groupby(frame).cumcount()
    numbers, _ = pd.factorize(table["Identity"].where(seen))
    return pd.Series(np.maximum(numbers, 0), table.index)


def _times(table: pd.DataFrame, frame: pd.Series, fps: float | None, name: str) -> pd.Series | None:
    """Seconds of each row; None for photographs."""
    if fps is not None:
        if not fps > 0:
            raise UserError(f"{fps} frames per second are no rate; give a number above 0, such as 25")
        return frame / fps
    if "approx_time" in table:
        clock = table["approx_time"].astype(str).str.extract(r"^(?:(\d+):)?(\d+):(\d+)$").astype(float).fillna(0)
        whole_s = clock @ [3600, 60, 1]
        last = whole_s == whole_s.max()
        if whole_s[last].iloc[0] > 0:  # a second begins with its first frame
            return frame * whole_s[last].iloc[0] / frame[last].min()
    elif "input" in table and (frame.nunique() == 1 or table["input"].nunique() > 1):
        return None
    raise UserError(f"{name} does not tell the times of its frames; give fps, the frames per second of the video")


def _result(columns: pd.DataFrame, table: pd.DataFrame, name: str) -> TableResult:
    """columns: the table with OpenFace's names."""
    data = au_table(columns)
    if "face" in columns:
        kind = "image"
    else:
        follows = np.isfinite(data.time_s).all() and (np.diff(data.time_s) > 0).all()
        kind = "video" if follows and "input" not in columns else "images"
    return TableResult(name, list(_frames(data, columns, name)), data.aus, kind, table)


def _frames(data: AuTable, columns: pd.DataFrame, name: str) -> Iterator[FrameResult]:
    rows = columns.iloc[data.row]
    confidence = _cells(rows, "confidence", np.nan)
    quality = ["" if pd.isna(words) else str(words) for words in _cells(rows, "quality", "")]
    present = _present(data)
    in_order = np.argsort(data.row_frame, kind="stable")
    first = np.searchsorted(data.row_frame[in_order], np.arange(len(data.frame_number) + 1))
    for f, (number, time_s) in enumerate(zip(data.frame_number, np.nan_to_num(data.time_s), strict=True)):
        frame = Frame(_NO_PICTURE, int(number) - 1, float(time_s), name)
        here = in_order[first[f] : first[f + 1]]
        faces = [
            Face(
                box_xyxy_px=_UNKNOWN[:2].ravel(),
                landmarks_px=_UNKNOWN,
                confidence=float(confidence[r]),
                pose_deg=_UNKNOWN[:3, 0],
                position_mm=_UNKNOWN[:3, 0],
                face_id=int(data.face_id[r]),
                quality=tuple(quality[r].split()),
            )
            for r in here
        ]
        told = [Prediction(data.aus, data.prob[r], data.intensity[r], present[r]) for r in here]
        yield FrameResult(frame, faces, told)


def _cells(rows: pd.DataFrame, name: str, default: float | str) -> list[float | str]:
    return rows[name].tolist() if name in rows else [default] * len(rows)


def _present(data: AuTable) -> np.ndarray:
    """Presence (R, A) bool: as the table tells, else by the limits of this file."""
    told = np.isfinite(data.present).any(0)
    by_limit = np.where(np.isfinite(data.prob).any(0), data.prob >= PRESENT_PROB, data.intensity >= PRESENT_INTENSITY)
    return np.where(told, np.nan_to_num(data.present) > 0, by_limit)
