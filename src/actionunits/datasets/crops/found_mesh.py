"""The finder's mesh of a face whose landmarks are labelled, as detection would see it."""

from __future__ import annotations

import numpy as np

from actionunits.faces.align import similarity_transform, transform_points
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mesh import MIN_PRESENCE, MeshReader

# A found face further than this from the labelled one, in units of the eyes' distance, is another face.
SAME_FACE_DISTANCE = 0.35


def found_mesh(reader: MeshReader, image_rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray | None:
    """Mesh (478, 3) in pixels of the face at the landmarks (68, 2); None where none is seen, or another one."""
    reading = reader.around(image_rgb, landmarks_px)
    away = np.linalg.norm(landmarks_from_mesh(reading.mesh_px) - landmarks_px, axis=1).mean()
    eyes = np.linalg.norm(landmarks_px[36] - landmarks_px[45])
    same = reading.presence >= MIN_PRESENCE and away < SAME_FACE_DISTANCE * eyes
    return reading.mesh_px if same else None


def in_own_crop(points_px: np.ndarray, landmarks_px: np.ndarray, crop_size: int, margin: float) -> np.ndarray:
    """Points (P, 2 or 3) in the crop that their landmarks (68, 2) place, 0-1 spans the stored crop."""
    matrix = similarity_transform(landmarks_px, crop_size, margin)
    return (transform_points(points_px, matrix) + np.array([0.5, 0.5, 0])[: points_px.shape[1]]) / crop_size
