"""Recordings of drawn faces as pictures on disk, as a reader would return them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from drawn_faces import draw_face, face_landmarks
from PIL import Image

from actionunits.datasets.readers.recording import Count, Inventory, PictureFiles, Recording, VideoFile
from actionunits.media import VideoWriter

AUS = (1, 12, 25)


def drawn_recording(
    folder: Path,
    subject: str = "F001",
    task: str = "T1",
    frames: int = 6,
    size: int = 160,
    seed: int = 0,
    **changes: Any,
) -> Recording:
    """JPEG pictures numbered from 100 and random labels; every fifth label or so is unknown, with a wild value."""
    rng = np.random.default_rng((seed, *subject.encode(), *task.encode()))
    landmarks = np.stack([face_landmarks(k + 5 * seed, size) for k in range(frames)]).astype(np.float32)
    intensity = np.round(rng.uniform(0, 5, (frames, len(AUS))), 1).astype(np.float32)
    valid, rated = rng.random((2, frames, len(AUS))) < 0.8
    paths = []
    for k in range(frames):
        path = folder / subject / task / f"{100 + k:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw_face(landmarks[k], float(intensity[k, -1]) / 5, size, seed)
        Image.fromarray(image).save(path, quality=95)
        paths.append(path)
    recording = Recording(
        subject=subject,
        task=task,
        pixels=PictureFiles(tuple(paths)),
        frame=np.arange(100, 100 + frames),
        time_s=np.arange(frames) / 25,
        aus=AUS,
        au_present=np.where(valid, intensity >= 1, 7).astype(np.uint8),
        au_present_valid=valid,
        au_intensity=np.where(rated, intensity, 99).astype(np.float32),
        au_intensity_valid=rated,
        landmarks_px=landmarks,
    )
    return replace(recording, **changes)


def as_video(recording: Recording, path: Path, length: int, index: np.ndarray) -> Recording:
    """The recording with its pictures as frames `index` of a video of `length` frames."""
    assert isinstance(recording.pixels, PictureFiles)
    images = [np.asarray(Image.open(p)) for p in recording.pixels.paths]
    with VideoWriter(path, fps=25, crf=5) as writer:
        for k in range(length):
            writer.write(images[int(np.argmin(np.abs(index - k)))])
    return replace(recording, pixels=VideoFile(path, np.asarray(index, np.int64)))


def unlabelled(recording: Recording) -> Recording:
    """The same without any AU."""
    nothing = np.zeros((len(recording), 0))
    return replace(
        recording,
        aus=(),
        au_present=nothing.astype(np.uint8),
        au_present_valid=nothing.astype(bool),
        au_intensity=nothing.astype(np.float32),
        au_intensity_valid=nothing.astype(bool),
    )


def inventory(*recordings: Recording, dataset: str = "bp4d") -> Inventory:
    """What a reader returns for these recordings."""
    frames = sum(map(len, recordings))
    return Inventory(dataset, recordings, (Count("coded frames", frames, 146_847),), ("drawn, not filmed",), 1.0)
