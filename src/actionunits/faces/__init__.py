"""Pixels to faces: detection, landmarks, head pose, registration, identity over time."""

from actionunits.faces.find import FaceFinder

__all__ = ["FaceFinder"]
