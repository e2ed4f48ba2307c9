"""Clips of drawn faces for the writers of official layouts: quick, without the face model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from drawn_faces import draw_face, face_landmarks

from actionunits.synth.layouts.clip import LabelledClip


def drawn_clip(
    subject: int, task: int, frames: int, aus: tuple[int, ...], size: int = 96, seed: int = 0
) -> LabelledClip:
    """A clip of one drawn person at 25 frames per second; the first frame is neutral, the other labels are random.

    The mouth of a picture is open as far as AU25 is intense (the last AU where AU25 is not among `aus`).
    """
    rng = np.random.default_rng((seed, subject, task))
    intensity = np.round(rng.uniform(0, 5, (frames, len(aus))) * (rng.random((frames, len(aus))) < 0.5), 1)
    intensity[0] = 0
    landmarks = np.stack([face_landmarks(k + 7 * task, size) for k in range(frames)])
    shown = intensity[:, aus.index(25) if 25 in aus else -1] / 5

    def images() -> Iterator[np.ndarray]:
        for points, opened in zip(landmarks, shown, strict=True):
            yield draw_face(points, float(opened), size, seed * 1000 + subject)

    return LabelledClip(subject, task, 25.0, tuple(aus), intensity.astype(np.float32), landmarks, images)
