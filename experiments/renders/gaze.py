"""How far the gaze of faces/gaze.py is from that of renders, and which constants bring it nearest.

    python experiments/renders/gaze.py DATA [DATA ...] [--fit OTHER ...]

DATA are folders of renders as `actionunits synth` writes them. Reads the face of every frame whose eyes are open, and
writes the error in degrees to results/gaze.csv, beside that of two guesses: into the camera, and straight ahead of
the head as it was found. --fit prints the constants of faces/gaze.py that fit other renders best.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.detection.coded_faces import middle_face
from actionunits.faces import FaceFinder
from actionunits.faces.gaze import gaze_of, iris_offsets
from actionunits.faces.pose import rotation_from_pose
from actionunits.media import open_media
from actionunits.runtime.provenance import source_commit
from actionunits.types import Face, Frame

OUT = Path(__file__).parents[2] / "results" / "gaze.csv"
MOST_CLOSED = 1.0  # AU45 of a frame that is looked at
AHEAD = np.array([0.0, 0.0, -1.0])  # into the camera, in its axes
HEAD_AXES = np.diag([1.0, -1.0, -1.0])
OUTER_CORNERS = (33, 263)


@dataclass(frozen=True)
class Seen:
    """The face of a frame and where it really looks."""

    look: str
    face: Face
    gaze: np.ndarray  # (3,) camera axes


def seen_in(folder: Path, find: FaceFinder) -> list[Seen]:
    """The faces of a folder of renders; frames in which none is found are left out."""
    table = pd.read_parquet(folder / "frames.parquet")
    found = []
    for clip, rows in table.groupby("clip", sort=True):
        with open_media(folder / str(clip)) as media:
            for frame, row in zip(media, rows.sort_values("frame").itertuples(), strict=True):
                faces = find(Frame(frame.image_rgb, 0, 0.0, str(clip)))
                middle = middle_face(frame, faces)
                if middle is not None and row.AU45_r < MOST_CLOSED:
                    pose = np.array([row.pose_pitch_deg, row.pose_yaw_deg, row.pose_roll_deg])
                    yaw, pitch = np.radians([row.gaze_yaw_deg, row.gaze_pitch_deg])
                    in_head = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
                    true = rotation_from_pose(pose) @ HEAD_AXES @ in_head
                    found.append(Seen(folder.name, faces[middle], true))
    return found


def angle_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Between directions (N, 3)."""
    cosine = (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def errors(look: str, seen: list[Seen]) -> dict[str, float | str | int]:
    """A row of the table."""
    true = np.array([each.gaze for each in seen])
    read = np.array([gaze_of(face.mesh_px, face.pose_deg, face.position_mm).mean(0) for face in _faces(seen)])
    heads = np.array([iris_offsets(face.mesh_px, face.pose_deg, face.position_mm)[1][:, 2] for face in _faces(seen)])
    corners = np.array([face.mesh_px[list(OUTER_CORNERS), :2] for face in _faces(seen)])
    angles = [np.degrees(np.arctan2(each[:, :2], -each[:, 2:])) for each in (read, true)]
    return {
        "data": look,
        "frames": len(seen),
        "eyes_px": float(np.median(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1))),
        "error_deg": float(angle_deg(read, true).mean()),
        "median_deg": float(np.median(angle_deg(read, true))),
        "x_deg": float(np.abs(angles[0] - angles[1])[:, 0].mean()),
        "y_deg": float(np.abs(angles[0] - angles[1])[:, 1].mean()),
        "x_r": float(np.corrcoef(angles[0][:, 0], angles[1][:, 0])[0, 1]),
        "y_r": float(np.corrcoef(angles[0][:, 1], angles[1][:, 1])[0, 1]),
        "camera_deg": float(angle_deg(AHEAD, true).mean()),
        "head_deg": float(angle_deg(heads, true).mean()),
    }


def fitted(seen: list[Seen]) -> tuple[float, list[float]]:
    """Radius of the eyeball, and its centre upwards and to the viewer, in mm, with the least error of the gaze."""
    rows, targets = [], []
    for each in seen:
        moved, axes = iris_offsets(each.face.mesh_px, each.face.pose_deg, each.face.position_mm)
        for across in range(2):
            rows.append([moved[:, across].mean(), -axes[across, 1], -axes[across, 2]])
            targets.append(each.gaze[across])
    one, *others = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    return float(1 / one), [float(other / one) for other in others]


def _faces(seen: list[Seen]) -> list[Face]:
    return [each.face for each in seen]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="folders of renders to measure on")
    parser.add_argument("--fit", type=Path, nargs="*", default=[], help="folders of other renders to fit on")
    options = parser.parse_args()
    with FaceFinder(video=False) as find:
        others = [each for folder in options.fit for each in seen_in(folder, find)]
        if others:
            radius, centre = fitted(others)
            print(
                f"RADIUS_MM = {radius:.1f}, CENTRE_MM = (0.0, {centre[0]:.1f}, {centre[1]:.1f}); {len(others)} frames"
            )
        rows = [errors(folder.name, seen_in(folder, find)) for folder in options.data]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.assign(commit=source_commit()).to_csv(OUT, index=False, float_format="%.3f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
