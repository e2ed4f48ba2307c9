"""Where every point of a rendered face was in the clip's first frame, in the pixels of registered crops.

`actionunits synth --flow` writes the motion in the frames' own pixels; registration moves, turns and scales both
frames, each in its own way, and the motion between crops contains the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from actionunits.datasets.crops import synthau
from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS
from actionunits.errors import UserError
from actionunits.faces.align import similarity_transform


def crop_flow(
    flow_px: np.ndarray,
    exact: np.ndarray,
    landmarks_px: np.ndarray,
    anchor_px: np.ndarray,
    size: int,
    margin: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Motion between two registered crops, (size, size, 2) in their pixels, and where it is known, (size, size) bool.

    flow_px: (H, W, 2), from the frame to the anchor frame, and where it is exact, (H, W) bool; landmarks_px,
    anchor_px: (68, 2), on which the frame and the anchor frame are registered; margin: as of `similarity_transform`.
    A point of the crop lies between four pixels of the frame; the motion is known where it is exact in all of them.
    """
    to_crop, to_anchor = (similarity_transform(points, size, margin) for points in (landmarks_px, anchor_px))
    y, x = np.mgrid[:size, :size].astype(np.float64)
    crop = np.stack([x, y], -1)
    frame = (crop - to_crop[:, 2]) @ np.linalg.inv(to_crop[:, :2]).T
    motion, known = _sampled(flow_px.astype(np.float64), exact, frame)
    there = (frame + motion) @ to_anchor[:, :2].T + to_anchor[:, 2]
    return there - crop, known


def _sampled(values: np.ndarray, exact: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (H, W, 2) at places (..., 2) between pixels, bilinear, and whether all four neighbours are exact."""
    height, width = exact.shape
    corner = np.floor(places).astype(int)
    inside = ((corner >= 0) & (corner < (width - 1, height - 1))).all(-1)
    corner = np.where(inside[..., None], corner, 0)
    share = places - corner
    result, known = np.zeros(places.shape), inside
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = corner[..., 0] + dx, corner[..., 1] + dy
            weight = np.abs(1 - dx - share[..., 0]) * np.abs(1 - dy - share[..., 1])
            result += weight[..., None] * values[row, column]
            known = known & exact[row, column]
    return np.where(known[..., None], result, 0), known


def true_flows(folder: Path, size: int, margin: float = 0.0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`crop_flow` of every frame to the first of its clip, in the order of `synthau.load_crops`.

    Raises UserError where the renders were made without --flow.
    """
    frames = synthau.read_frames(folder, LANDMARK_COLUMNS)
    for name, rows in frames.groupby("clip", observed=True):
        path = (folder / "flow" / Path(str(name)).name).with_suffix(".npz")
        if not path.is_file():
            raise UserError(f"{folder} has no {path.relative_to(folder)}: render it with `actionunits synth --flow`")
        landmarks_px = rows[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 2, 68).transpose(0, 2, 1)
        with np.load(path) as stored:
            flow_px, exact = cast(np.ndarray, stored["flow"]), cast(np.ndarray, stored["valid"])
        if len(flow_px) != len(rows):
            raise UserError(f"{path} holds {len(flow_px)} frames, frames.parquet {len(rows)} of it; render it again")
        for flow, valid, points in zip(flow_px, exact, landmarks_px, strict=True):
            yield crop_flow(flow, valid, points, landmarks_px[0], size, margin)
