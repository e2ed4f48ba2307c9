"""Agreement of detected action units with MediaPipe's blendshape scores, frame by frame, on a real video.

The blendshapes are another reader, not the truth: agreement says that the intensities follow what moves in the face.
The landmark branch of the default detector reads them too, so that for this detector agreement is no independent
evidence. Their cheekSquint and noseSneer outputs hardly move (AU6, AU9).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.faces.align import CROP_SIZE, similarity_transform, transform_points
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.media import open_media
from actionunits.models.layers.blendshapes import NAMES, BlendshapeNet

# ARKit's blendshapes nearest to each AU; left and right are averaged.
BLENDSHAPES: dict[int, tuple[str, ...]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    5: ("eyeWideLeft", "eyeWideRight"),
    6: ("cheekSquintLeft", "cheekSquintRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    9: ("noseSneerLeft", "noseSneerRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    14: ("mouthDimpleLeft", "mouthDimpleRight"),
    15: ("mouthFrownLeft", "mouthFrownRight"),
    17: ("mouthShrugLower",),
    20: ("mouthStretchLeft", "mouthStretchRight"),
    24: ("mouthPressLeft", "mouthPressRight"),
    26: ("jawOpen",),
    45: ("eyeBlinkLeft", "eyeBlinkRight"),
}
# No blendshape is AU25: it is the gap between the inner lips, points of the face mesh, over the distance of the outer
# eye corners.
INNER_LIPS, EYE_CORNERS = (13, 14), (33, 263)
# A blendshape whose standard deviation is below this hardly moves in the video; its correlation says nothing.
VARIES = 0.02
MIN_FRAMES = 20
SMALLEST_P = 1e-4  # tables round probabilities, and the log-odds of 0 are infinite


def reading(scores: Mapping[str, float], au: int) -> float:
    """What the blendshapes say about an AU of BLENDSHAPES, 0-1.

    >>> round(reading({"mouthSmileLeft": 0.4, "mouthSmileRight": 0.6}, 12), 3)
    0.5
    """
    return float(np.mean([scores[name] for name in BLENDSHAPES[au]]))


def readings(reader: BlendshapeReader, mesh_px: np.ndarray | None) -> dict[int, float]:
    """What blendshapes say about the AUs of BLENDSHAPES, and the gap of the lips about AU25; NaN without a mesh."""
    if mesh_px is None:
        return dict.fromkeys((*BLENDSHAPES, 25), np.nan)
    scores = reader(mesh_px)
    return {au: reading(scores, au) for au in BLENDSHAPES} | {25: lip_gap(mesh_px)}


def lip_gap(mesh_px: np.ndarray) -> float:
    """Gap between the inner lips in units of the distance of the outer eye corners. mesh_px: (478, 3)."""
    upper, lower = mesh_px[list(INNER_LIPS), :2]
    right, left = mesh_px[list(EYE_CORNERS), :2]
    return float(np.linalg.norm(upper - lower) / np.linalg.norm(right - left))


class BlendshapeReader:
    """Blendshape scores of a face from its mesh."""

    def __init__(self) -> None:
        self._network = BlendshapeNet().eval()

    @torch.inference_mode()
    def __call__(self, mesh_px: np.ndarray) -> dict[str, float]:
        """Score 0-1 by blendshape name. mesh_px: (478, 3), which is turned upright first."""
        upright = similarity_transform(landmarks_from_mesh(mesh_px), CROP_SIZE)
        mesh = torch.from_numpy(transform_points(mesh_px, upright)[None])
        return dict(zip(NAMES, torch.sigmoid(self._network(mesh))[0].tolist(), strict=True))


def read_blendshapes(video: Path | str) -> pd.DataFrame:
    """Readings of the most prominent face in every frame of a video.

    Columns: `frame` from 1 as in the default table, and one per AU ("AU12"), NaN without a face. Raises UserError
    when the video cannot be read.
    """
    rows = []
    reader = BlendshapeReader()
    with FaceFinder(video=True, max_faces=1) as finder, open_media(video) as media:
        for frame in media:
            faces = finder(frame)
            row = readings(reader, faces[0].mesh_px if faces else None)
            rows.append({"frame": frame.index + 1} | {au_label(au): value for au, value in row.items()})
    return pd.DataFrame(rows, columns=["frame", *(au_label(au) for au in sorted([*BLENDSHAPES, 25]))])


def agreement(detections: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """Pearson r of intensity and blendshape reading per AU over the frames that have both.

    detections: default table of a video with one person (`frame`, `AUxx_r`, `AUxx_p`, `success`); readings: of
    `read_blendshapes`. Returns au, frames, r, presence_r (of the log-odds of presence), spread (standard deviation of
    the reading), varies (whether the reading moves enough for r to mean something) and highest (intensity, 0-5: r
    alone would praise an output that hardly moves). Raises UserError when they cannot be compared.
    """
    detections = detections.rename(columns=str.strip)
    if not {"frame", "success"} <= set(detections.columns):
        raise UserError(
            "the table of detections lacks the columns frame and success; write it with --schema openface"
        )
    seen = detections[detections["success"] == 1]
    if seen["frame"].duplicated().any():
        # The blendshapes are of the most prominent face; without knowing which that is, take the one seen
        # longest.
        seen = seen[seen["face_id"] == seen["face_id"].mode()[0]]
    joined = seen.merge(readings, on="frame", suffixes=("", "_reading"))
    rows = []
    for label in (c for c in readings.columns if c != "frame"):
        if f"{label}_r" not in joined:
            continue
        pair = joined[joined[f"{label}_r"].notna() & joined[label].notna()]
        reading, intensity = pair[label].astype(float), pair[f"{label}_r"].astype(float)
        present = pair[f"{label}_p"].astype(float) if f"{label}_p" in pair else intensity * np.nan
        odds = present.clip(SMALLEST_P, 1 - SMALLEST_P)
        spread = float(reading.std(ddof=0)) if len(pair) else np.nan
        rows.append(
            {
                "au": label,
                "frames": len(pair),
                "r": _pearson(intensity, reading),
                "presence_r": _pearson(np.log(odds / (1 - odds)), reading),
                "spread": spread,
                "varies": spread >= VARIES,
                "highest": float(intensity.max()) if len(pair) else np.nan,
            }
        )
    if not rows:
        raise UserError("the table of detections has no intensity column (AUxx_r) to compare")
    table = pd.DataFrame(rows)
    if table["frames"].max() < MIN_FRAMES:
        raise UserError(f"only {table['frames'].max()} frames show a face in both; at least {MIN_FRAMES} are needed")
    return table


def _pearson(output: pd.Series, reading: pd.Series) -> float:
    """Pearson r; NaN for too few frames and for a side that never changes."""
    if len(output) < MIN_FRAMES or min(output.std(ddof=0), reading.std(ddof=0)) <= 0:
        return np.nan
    return float(np.corrcoef(output, reading)[0, 1])


def median_r(table: pd.DataFrame) -> float:
    """Median r over the AUs whose reading varies; an AU that stays flat where it should move counts as 0."""
    return float(table.loc[table["varies"], "r"].fillna(0.0).median())
