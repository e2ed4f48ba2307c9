"""MediaPipe's 478-point mesh, the 68 points of the Multi-PIE markup and its 49-point part.

The 68 points: jaw line 0-16, brows 17-26, nose 27-35, eyes 36-47, outer lips 48-59, inner lips 60-67, counted
from the left of the image (the person's right). Source of the markup: Gross et al., "Multi-PIE", 2010; Sagonas
et al., "300 Faces in-the-Wild Challenge", 2016. The 49 points are the 68 without the jaw line and the inner
mouth corners (60 and 64), in the same order.
"""

from __future__ import annotations

import numpy as np

from actionunits.errors import UserError

# Vertex of MediaPipe's mesh at each of the 68 points.
MESH_TO_68: tuple[int, ...] = (
    *(127, 234, 93, 132, 172, 150, 149, 148, 152, 377, 378, 379, 397, 361, 323, 454, 356),  # jaw line 0-16
    *(70, 63, 105, 66, 107),  # brow on the left of the image 17-21
    *(336, 296, 334, 293, 300),  # brow on the right of the image 22-26
    *(168, 197, 195, 4),  # bridge of the nose 27-30
    *(75, 97, 2, 326, 305),  # base of the nose 31-35
    *(33, 160, 158, 133, 153, 144),  # eye on the left of the image 36-41
    *(362, 385, 387, 263, 373, 380),  # eye on the right of the image 42-47
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips 48-59
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips 60-67
)

_VERTICES = np.array(MESH_TO_68)

# Indices into the 68 points of the 49-point markup.
POINTS_49: tuple[int, ...] = (*range(17, 60), 61, 62, 63, 65, 66, 67)
# And those of the 66-point markup of older face trackers, which lacks the inner mouth corners.
POINTS_66: tuple[int, ...] = tuple(k for k in range(68) if k not in (60, 64))


def landmarks_from_mesh(mesh_px: np.ndarray) -> np.ndarray:
    """The 68 points of a mesh, (68, 2) float32. mesh_px: (478 or 468, 2 or 3)."""
    return np.asarray(mesh_px, np.float32)[_VERTICES, :2]


def check_landmarks(landmarks_px: np.ndarray) -> np.ndarray:
    """Points brought by a data set as (68 or 49, 2) float32.

    Raises UserError for another shape, for a value that is not finite and for points that all coincide.
    """
    points = np.asarray(landmarks_px, np.float32)
    if points.shape not in ((68, 2), (49, 2)):
        raise UserError(f"landmarks have shape {points.shape}; give (68, 2) or (49, 2) pixels")
    if not np.isfinite(points).all():
        missing = int((~np.isfinite(points).all(axis=1)).sum())
        raise UserError(f"{missing} of {len(points)} landmarks are missing (not finite); leave this frame out")
    if np.ptp(points, axis=0).min() < 1:
        raise UserError("landmarks span less than one pixel; are they in pixels, x before y?")
    return points
