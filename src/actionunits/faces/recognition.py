"""Whose face it is: 128 numbers that are much the same in all pictures of one person.

Network: King, "High Quality Face Recognition with Deep Metric Learning", 2017, a ResNet of 29 layers whose weights
are in the public domain (CC0); the package face-recognition-models holds them, and dlib runs them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

_PACKAGE, _WEIGHTS = "face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat"
DESCRIPTION = 128


def find_weights() -> Path:
    """The file of the weights. Raises ModuleNotFoundError where a package of the extra `people` is missing."""
    # Found, not imported: the code of the package of the weights needs a module that newer setuptools have no more.
    for name in ("dlib", _PACKAGE):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        place = Path(spec.origin).parent
    return place / _WEIGHTS


class FaceDescriber:
    """Describes faces. Raises ModuleNotFoundError where a package of the extra `people` is missing."""

    def __init__(self) -> None:
        weights = find_weights()
        import dlib

        self._network = dlib.face_recognition_model_v1(str(weights))
        self._dlib = dlib

    def __call__(self, image_rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """(128,) float32 of the face with landmarks (68, 2) in an image (H, W, 3) uint8."""
        left, top = landmarks_px.min(0).astype(int).tolist()
        right, bottom = landmarks_px.max(0).astype(int).tolist()
        points = [self._dlib.point(x, y) for x, y in np.rint(landmarks_px).astype(int).tolist()]
        shape = self._dlib.full_object_detection(self._dlib.rectangle(left, top, right, bottom), points)
        image = np.ascontiguousarray(image_rgb)
        return np.array(self._network.compute_face_descriptor(image, shape), np.float32)
