"""Pixels to faces: detection, landmarks, head pose, registration, identity over time."""

from actionunits.faces.find import FaceFinder
from actionunits.faces.from_landmarks import face_from_landmarks

__all__ = ["FaceFinder", "face_from_landmarks"]
