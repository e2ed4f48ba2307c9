"""What speaks against relying on a face: turned away, small, blurred, dark, cut off, covered, hardly found, or new.

Each limit lies where scores of the released detector on renders fall with that factor alone, see docs/detect.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from actionunits.detection.covered import MOST_COVERED, covered_logit
from actionunits.types import NEW_ID, Face, Frame

MOST_YAW_DEG, MOST_PITCH_DEG = 40.0, 30.0  # heads turned further were not trained
LEAST_EYE_DISTANCE_PX = 12.0  # between the middles of the eyes
LEAST_SHARPNESS = 0.16
LEAST_LIGHT = 25.0  # mean grey level of the face, 0-255
LEAST_CONFIDENCE = 0.75
MOST_OUTSIDE = 0.05  # share of the 68 landmarks outside the picture
NEW_FOR_S = 0.5
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)  # of the 68 landmarks
_MARGIN = 5  # the middle of a crop leaves out a fifth on each side
_DETAIL_SIGMA_PX = 2.0  # at a crop of 112 pixels


class QualityCheck:
    """Looks at the faces of one input, in order.

    video: frames follow each other, so that a face's number says who it is.
    """

    def __init__(self, video: bool) -> None:
        self._video = video
        self._start_s: float | None = None
        self._first_s: dict[int, float] = {}  # by face_id

    def __call__(self, frame: Frame, face: Face, crop: np.ndarray, mesh: np.ndarray | None = None) -> tuple[str, ...]:
        """The words that hold for a face, in a fixed order.

        crop: (S, S, 3) uint8, registered; mesh: (478, 3), 0-1 spans the crop. Without it, nobody is covered.
        """
        pitch, yaw, _ = np.abs(face.pose_deg)
        grey = middle(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32))
        found = {
            "turned": not (yaw <= MOST_YAW_DEG and pitch <= MOST_PITCH_DEG),  # nor is an unknown pose good
            "small": eye_distance_px(face) < LEAST_EYE_DISTANCE_PX,
            "blurred": sharpness(grey, len(crop)) < LEAST_SHARPNESS,
            "dark": float(grey.mean()) < LEAST_LIGHT,
            "cut_off": _share_outside(frame, face) > MOST_OUTSIDE,
            "covered": mesh is not None and covered_logit(crop, mesh) > MOST_COVERED,
            "unsure": face.confidence < LEAST_CONFIDENCE,
            NEW_ID: self._video and self._is_new(frame.time_s, face.face_id),
        }
        return tuple(word for word, holds in found.items() if holds)

    def _is_new(self, time_s: float, face_id: int) -> bool:
        """Whether somebody else may have had this face a moment ago; at the start nobody had."""
        self._start_s = time_s if self._start_s is None else self._start_s
        first_s = self._first_s.setdefault(face_id, time_s)
        return first_s > self._start_s and time_s - first_s < NEW_FOR_S


def eye_distance_px(face: Face) -> float:
    """Distance between the middles of the eyes."""
    points = face.landmarks_px
    return float(np.linalg.norm(points[_RIGHT_EYE].mean(0) - points[_LEFT_EYE].mean(0)))


def sharpness(grey: np.ndarray, crop_size: int) -> float:
    """Share of the contrast of a face that is fine detail; grey: (H, W) float32 of a crop of that size.

    The crop brings every face to one size, so that detail means the same in large and small ones.
    """
    coarse = cv2.GaussianBlur(grey, (0, 0), _DETAIL_SIGMA_PX * crop_size / 112)
    return float((grey - coarse).std() / max(grey.std(), 1e-6))


def middle(grey: np.ndarray) -> np.ndarray:
    """A crop without the fifth at every side, where hair and background are."""
    margin = len(grey) // _MARGIN
    return grey[margin:-margin, margin:-margin]


def _share_outside(frame: Frame, face: Face) -> float:
    height, width = frame.image_rgb.shape[:2]
    points = face.landmarks_px
    return float(((points < -0.5) | (points > np.array([width, height]) - 0.5)).any(1).mean())
