"""Answers of a detector for photographs of single faces, for scores against codes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from actionunits.detection.detector import Detector
from actionunits.evaluation.coded_faces import Answers
from actionunits.media import open_media
from actionunits.types import Face, Frame


def answers_for(
    detector: Detector,
    pictures: Sequence[Path],
    aus: Sequence[int],
    name: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Answers:
    """Presence, intensity and decision of each AU for the face in the middle of every picture.

    A face that is not found shows nothing: all of its action units are absent. A detector without intensities leaves
    them NaN. Raises UserError for pictures that cannot be read.
    """
    shape = (len(pictures), len(aus))
    probability, intensity, called = (np.full(shape, np.nan) for _ in range(3))
    missed = []
    for row, path in enumerate(pictures):
        with open_media(path) as media:
            result = next(detector.stream_frames(media, video=False))
        on_progress(row + 1, len(pictures))
        chosen = middle_face(result.frame, result.faces)
        if chosen is None:
            missed.append(row)
        for column, au in enumerate(aus):
            if au not in detector.aus:
                continue
            k = detector.aus.index(au)
            if chosen is None:
                probability[row, column] = called[row, column] = 0
                continue
            said = result.predictions[chosen]
            probability[row, column], called[row, column] = said.au_prob[k], said.au_present[k]
            intensity[row, column] = said.au_intensity[k]
    intensity[missed] = np.where(np.isnan(intensity).all(0), np.nan, 0.0)
    return Answers(name, probability, intensity, called)


def middle_face(frame: Frame, faces: Sequence[Face]) -> int | None:
    """Number of the face that covers most of the middle half of a picture; None without faces."""
    height, width = frame.image_rgb.shape[:2]
    middle = np.array([width, height, 3 * width, 3 * height]) / 4

    def shared(face: Face) -> float:
        low = np.maximum(face.box_xyxy_px[:2], middle[:2])
        high = np.minimum(face.box_xyxy_px[2:], middle[2:])
        return float(np.prod(np.maximum(high - low, 0)))

    return max(range(len(faces)), key=lambda k: shared(faces[k]), default=None)
