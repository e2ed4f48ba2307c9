"""Where the eyes look, from the irises and eye corners of the mesh and the pose of the head.

Model: an eyeball is a sphere whose centre lies still in the head, at a fixed place from the middle between the
corners of the eye, and the middle of the iris lies on it in the direction of the gaze. So from the corners' middle to
the iris it is, in millimetres and camera axes, R CENTRE_MM + RADIUS_MM gaze, of which a picture shows the first two
numbers. Wood et al., "A 3D Morphable Eye Region Model for Gaze Estimation", ECCV 2016, have the same sphere.
Deviations: centre and radius are not those of anatomy. They are fitted on renders to the least error of the direction
(`experiments/renders/gaze.py`), for what the mesh tells of an iris is noisy: the larger radius draws the direction
towards the camera, where most people look.
"""

from __future__ import annotations

import numpy as np

from actionunits.faces.pose import camera_rotation

# Mesh points of the eye at the left of the image, then at the right: iris, outer and inner corner.
_EYES = ((468, 33, 133), (473, 263, 362))
_OUTER_CORNERS_MM = 90.0  # between them, on the mean head
_HEAD_AXES = np.diag([1.0, -1.0, -1.0])  # y up and z to the viewer, in camera axes
RADIUS_MM = 31.2
CENTRE_MM = (0.0, 1.5, -7.5)  # of the eye at the right of the image: away from the nose, up, to the viewer
_LEAST_FORWARD = 0.2  # of a direction of length 1: nobody shows an iris that looks to the side


def gaze_of(mesh_px: np.ndarray, pose_deg: np.ndarray, position_mm: np.ndarray) -> np.ndarray:
    """Directions of the gaze, (2, 3) float32 of length 1: of the eye at the left of the image, then at the right.

    mesh_px: (478, 3); pose_deg, position_mm: (3,) as of `estimate_pose`. Camera axes: x right, y down, z away, so
    that (0, 0, -1) looks along the camera's axis towards it. NaN where the head has no pose.
    """
    if not np.isfinite(pose_deg).all():
        return np.full((2, 3), np.nan, np.float32)
    moved_mm, axes = iris_offsets(mesh_px, pose_deg, position_mm)
    mirrored = np.array([[-1, 1, 1], [1, 1, 1]]) * CENTRE_MM
    across = (moved_mm - mirrored @ axes[:2].T) / RADIUS_MM
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True) / np.sqrt(1 - _LEAST_FORWARD**2), 1)
    return np.column_stack([across, -np.sqrt(1 - (across**2).sum(1))]).astype(np.float32)


def iris_offsets(mesh_px: np.ndarray, pose_deg: np.ndarray, position_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the middle of an eye's corners to its iris, (2, 2) mm; and the head's axes in the camera's, (3, 3)."""
    mesh = np.asarray(mesh_px, np.float64)
    px_per_mm = np.linalg.norm(mesh[_EYES[0][1]] - mesh[_EYES[1][1]]) / _OUTER_CORNERS_MM
    moved = [mesh[iris, :2] - (mesh[outer, :2] + mesh[inner, :2]) / 2 for iris, outer, inner in _EYES]
    return np.array(moved) / px_per_mm, camera_rotation(pose_deg, position_mm) @ _HEAD_AXES


def gaze_angles(gaze: np.ndarray) -> tuple[float, float]:
    """Mean direction of both eyes (2, 3) in radians: to the right of the image and down are positive.

    >>> gaze_angles(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, -1.0]]))
    (0.0, 0.0)
    """
    x, y, z = gaze.mean(0)
    return float(np.arctan2(x, -z)), float(np.arctan2(y, -z))
