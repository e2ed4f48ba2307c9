"""Results as JSON values: rows of the tidy table for the API, and frames with boxes and landmarks for the page."""

from __future__ import annotations

from typing import Any

import numpy as np

from actionunits.reports.schemas import Cell, Column, TidySchema
from actionunits.types import FrameResult

ROWS_FORM = "actionunits/tidy/1"  # changes with the columns of the tidy table
COLUMNS = tuple(column.name for column in TidySchema.columns)


def row_values(result: FrameResult) -> list[dict[str, Any]]:
    """The tidy rows of a frame, with the decimals of the CSV; null is what is empty there."""
    return [
        {column.name: _cell(cell, column) for column, cell in zip(TidySchema.columns, row, strict=True)}
        for row in TidySchema().rows(result)
    ]


def _cell(cell: Cell, column: Column) -> Cell:
    if not isinstance(cell, float):
        return cell
    return round(cell, column.decimals) if np.isfinite(cell) else None


def frame_told(result: FrameResult) -> dict[str, Any]:
    """One frame: number from 1, time in seconds, size in pixels, and its faces.

    Lists of a face follow the order of the model's action units; `points` are the landmarks, x0, y0, x1, y1, ...
    """
    height, width = result.frame.image_rgb.shape[:2]
    faces = []
    for face, prediction in zip(result.faces, result.predictions, strict=True):
        told = {
            "id": face.face_id,
            "box": _rounded(face.box_xyxy_px, 1),
            "points": _rounded(face.landmarks_px.ravel(), 1),
            "confidence": round(float(face.confidence), 3),
            "pose": _rounded(face.pose_deg, 1),
            "prob": _rounded(prediction.au_prob, 4),
            "intensity": _rounded(prediction.au_intensity, 2),
            "present": [int(present) for present in prediction.au_present],
            "usable": int(face.is_usable),
            "quality": list(face.quality),
        }
        if prediction.au_sides is not None:
            told["sides"] = [_rounded(sides, 2) for sides in prediction.au_sides]
        faces.append(told)
    return {
        "frame": result.frame.index + 1,
        "time_s": round(result.frame.time_s, 4),
        "size": [width, height],
        "faces": faces,
    }


def _rounded(values: np.ndarray, decimals: int) -> list[float | None]:
    """Numbers as JSON has them: what is not known is null."""
    return [round(value, decimals) if np.isfinite(value) else None for value in values.tolist()]
