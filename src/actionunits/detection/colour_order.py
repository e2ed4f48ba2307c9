"""A hint for arrays whose channels are in OpenCV's order, blue first: their skin is bluer than it is red.

The limit is chosen by hand, so that skin of any colour in the light of any lamp stays below it, and grey pictures do.
"""

from __future__ import annotations

import warnings

import numpy as np

from actionunits.types import Face, FrameResult

BLUER_THAN_RED = 1.1  # ratio of the two in the middle of the face
_DARK = 8.0  # grey levels that keep the ratio of very dark pictures near 1
_MIDDLE = [36, 45, 33]  # outer corners of the eyes, and below the nose


class ColourOrderHint:
    """Looks at the first face that comes, and warns once where blue and red look exchanged."""

    def __init__(self) -> None:
        self._is_open = True

    def __call__(self, result: FrameResult) -> None:
        """Look at a result that still has its picture."""
        if self._is_open and result.faces:
            self._is_open = False
            if looks_exchanged(result.frame.image_rgb, result.faces[0]):
                warnings.warn(
                    "the skin in this picture is bluer than red: pictures are RGB, and OpenCV's are BGR; "
                    "x[..., ::-1] turns one into the other",
                    stacklevel=2,
                )


def looks_exchanged(image_rgb: np.ndarray, face: Face) -> bool:
    """Whether the middle of a face, in a picture (H, W, 3) uint8, has more blue than red."""
    corners = face.landmarks_px[_MIDDLE]
    left, top = np.maximum(corners.min(0), 0).astype(int)
    right, bottom = np.maximum(corners.max(0), 0).astype(int)
    middle = image_rgb[top : bottom + 1, left : right + 1].reshape(-1, 3)
    if not len(middle):
        return False
    red, _, blue = np.median(middle, axis=0)
    return bool(blue + _DARK > BLUER_THAN_RED * (red + _DARK))
