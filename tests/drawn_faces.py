"""A small "synthau" data set of drawn faces: circles and strokes at known landmarks, with labels that can be seen."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.faces.mean_face import template_landmarks
from actionunits.media import VideoWriter


def face_landmarks(frame: int, size: int) -> np.ndarray:
    """(68, 2) pixels: the mean face at 70% of the picture, wandering and nodding a little."""
    points = (template_landmarks() - 0.5) * 0.7
    angle = np.deg2rad(12 * np.sin(frame / 4))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([0.5 + 0.05 * np.cos(frame / 3), 0.5 + 0.04 * np.sin(frame / 5)])
    return (points @ turn.T + centre) * size


def draw_face(landmarks_px: np.ndarray, mouth_open: float, size: int, seed: int) -> np.ndarray:
    """(size, size, 3) uint8: skin by seed, dark eyes, a mouth that opens with `mouth_open` (0-1)."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size, 3), rng.integers(20, 90, 3), np.uint8)
    skin = tuple(int(v) for v in rng.integers(150, 220, 3))
    hull = cv2.convexHull(landmarks_px.astype(np.int32))
    cv2.fillConvexPoly(image, hull, skin)
    eye_distance = float(np.linalg.norm(landmarks_px[36] - landmarks_px[45]))
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = landmarks_px[eye].mean(0)
        cv2.circle(image, (round(x), round(y)), max(2, round(0.1 * eye_distance)), (15, 15, 15), -1, cv2.LINE_AA)
    x, y = landmarks_px[48:60].mean(0)
    axes = (round(0.25 * eye_distance), 1 + round(0.2 * eye_distance * mouth_open))
    cv2.ellipse(image, (round(x), round(y)), axes, 0, 0, 360, (120, 20, 30), -1, cv2.LINE_AA)
    return image


def write_drawn_dataset(
    folder: Path, subjects: int = 3, clips: int = 1, frames: int = 12, size: int = 96, seed: int = 5
) -> pd.DataFrame:
    """Write the folder and return its table. AU25 is the open mouth; the other AUs are random."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(subjects):
        for t in range(clips):
            name = f"clips/S{s + 1:04d}_T{t + 1}.mp4"
            (folder / "clips").mkdir(parents=True, exist_ok=True)
            with VideoWriter(folder / name, fps=25, crf=5) as writer:
                for k in range(frames):
                    points = face_landmarks(k + 7 * t, size)
                    intensity = {au: float(rng.choice([0, 0, 0, 0.5, 1, 2, 3.5, 5])) for au in SYNTH_AUS}
                    intensity[25] = 5.0 * (0.5 - 0.5 * np.cos(2 * np.pi * (k + s) / 8))
                    writer.write(draw_face(points, intensity[25] / 5, size, seed * 1000 + s))
                    rows.append(
                        {"subject": f"S{s + 1:04d}", "task": f"T{t + 1}", "clip": name, "frame": k}
                        | {"time_s": k / 25, "anchor": 0}
                        | {au_label(au): np.int8(value >= 1) for au, value in intensity.items()}
                        | {f"{au_label(au)}_r": value for au, value in intensity.items()}
                        | {f"x_{i}": x for i, x in enumerate(points[:, 0])}
                        | {f"y_{i}": y for i, y in enumerate(points[:, 1])}
                    )
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "frames.parquet")
    info = {"name": folder.name, "look": "drawn", "seed": seed, "size": size, "fps": 25, "version": "1"}
    (folder / "dataset.json").write_text(json.dumps(info))
    return table
