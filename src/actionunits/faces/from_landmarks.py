"""A Face from landmarks that a data set brings, without looking at the picture."""

from __future__ import annotations

import numpy as np

from actionunits.faces.landmarks import POINTS_49, check_landmarks
from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.pose import POSE_POINTS, estimate_pose, project_head
from actionunits.types import Face

_INNER_POSE_POINTS = tuple(k for k in POSE_POINTS if k >= 17)
_MISSING_IN_49 = sorted(set(range(68)) - set(POINTS_49))

# Where MediaPipe's mesh ends at the hairline, in the mean head's frame: boxes from landmarks alone then mark the
# same part of the head as boxes from a mesh.
_HAIRLINE_MM = np.array([[-49.0, 82.6, 82.4], [0.0, 91.5, 101.9], [49.0, 82.6, 82.4]])

# Without the image's size the face is taken to stand in the middle of an image of this many face sizes.
_ASSUMED_IMAGE_SIDES = 6.0


def face_from_landmarks(landmarks_px: np.ndarray, image_size: tuple[int, int] | None = None) -> Face:
    """A Face with confidence 1 from the 68 points (68, 2) or the 49 points (49, 2) of the Multi-PIE markup.

    With 49 points the jaw line and the inner mouth corners are those of the mean head in the fitted pose: enough
    for boxes and overlays, not for measuring the jaw. image_size: (height, width); without it the position in
    space is not known and NaN. Raises UserError for missing (NaN) points and other shapes.
    """
    given = check_landmarks(landmarks_px)
    which = list(range(68)) if len(given) == 68 else list(POINTS_49)
    landmarks = np.full((68, 2), np.nan, np.float32)
    landmarks[which] = given
    points = POSE_POINTS if len(given) == 68 else _INNER_POSE_POINTS
    offset = np.zeros(2)
    size = image_size
    if size is None:
        side = int(np.ceil(_ASSUMED_IMAGE_SIDES * np.ptp(given, axis=0).max()))
        size = (side, side)
        offset = (side - 1) / 2 - given.mean(0, dtype=np.float64)
    pose, position = estimate_pose(landmarks + offset, size, points)
    if len(given) == 49:
        landmarks[_MISSING_IN_49] = project_head(MEAN_LANDMARKS_MM, pose, position, size)[_MISSING_IN_49] - offset
    outline = np.vstack([landmarks, project_head(_HAIRLINE_MM, pose, position, size) - offset])
    return Face(
        box_xyxy_px=np.concatenate([outline.min(0), outline.max(0)]).astype(np.float32),
        landmarks_px=landmarks,
        confidence=1.0,
        pose_deg=pose,
        position_mm=position if image_size is not None else np.full(3, np.nan, np.float32),
    )
