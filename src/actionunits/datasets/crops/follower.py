"""Faces followed from one stored picture of a recording to the next, which may be a second later.

In a second two people can change places. So the pictures in between are glanced at: where the pattern of brightness
around every face is still as it was, nobody has gone, and the picture costs next to nothing; where one has changed,
because a face moved, turned, was hidden or replaced, the finder sees that picture too.

In large pictures the finder looks for faces in smaller ones, as it does by itself; where labels do not ask for the
last bit of accuracy it reads their points there as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actionunits.faces.track import state_below
from actionunits.types import Face, Frame

if TYPE_CHECKING:
    from actionunits.faces import FaceFinder

LOOK_EVERY_S = 0.1
ALIKE = 0.85  # correlation of the pattern from which a face counts as where it was
_ENOUGH_PX = 960  # longer side of the smallest picture that a larger one is reduced to
_GRID = 12  # the pattern has this many cells each way
_AROUND = 0.15  # of the face's box on every side belongs to the pattern: the outline tells people apart


class Follower:
    """A finder that follows the faces of one recording."""

    def __init__(self, finder: FaceFinder, recording: str, reduces: bool = False) -> None:
        """reduces: show the finder large pictures at a half, a third ... of their size."""
        self._finder, self._recording, self._reduces = finder, recording, reduces
        self._row = -1
        self._time_s = -np.inf  # of the last picture that was looked at
        self._boxes = np.empty((0, 4), int)  # around the faces in the last one that the finder saw, pixels
        self._patterns = np.empty((0, _GRID * _GRID), np.float32)

    def faces(self, image_rgb: np.ndarray, row: int, time_s: float) -> list[Face]:
        """The faces of a stored picture (H, W, 3), by number."""
        self._row = row
        return self._found(image_rgb, time_s)

    def sees_between(self, image_rgb: np.ndarray, time_s: float) -> None:
        """Follow the faces through a picture that is not stored."""
        self._found(image_rgb, time_s)

    def glance(self, time_s: float, grey: np.ndarray) -> bool:
        """Whether a picture between stored ones, of which this is the brightness (H, W), has to be seen."""
        if not len(self._boxes) or time_s - self._time_s < LOOK_EVERY_S:
            return False
        if ((_patterns(grey, self._boxes) * self._patterns).sum(1) < ALIKE).any():
            return True
        self._time_s = time_s
        self._finder.stayed(time_s)
        return False

    def state(self) -> dict[str, np.ndarray]:
        """All that later faces depend on, for `restore`."""
        own = {"row": np.array(self._row), "time": np.array(self._time_s)}
        own |= {"boxes": self._boxes, "patterns": self._patterns}
        return own | {f"finder.{name}": array for name, array in self._finder.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where another follower was when its `state` was taken. Raises KeyError for something else."""
        row, time_s, boxes, patterns = (state[name] for name in ("row", "time", "boxes", "patterns"))
        self._finder.restore(self._recording, state_below("finder", state))
        self._row, self._time_s, self._boxes, self._patterns = row.item(), time_s.item(), boxes, patterns

    def _found(self, image_rgb: np.ndarray, time_s: float) -> list[Face]:
        self._time_s = time_s
        factor = max(1, max(image_rgb.shape[:2]) // _ENOUGH_PX) if self._reduces else 1
        faces = self._finder(Frame(_reduced(image_rgb, factor), self._row, time_s, self._recording))
        faces = [_enlarged(face, factor) for face in faces]
        boxes = np.array([face.box_xyxy_px for face in faces], np.float64).reshape(-1, 2, 2)
        around = _AROUND * (boxes[:, 1] - boxes[:, 0])
        self._boxes = np.hstack([boxes[:, 0] - around, boxes[:, 1] + around]).round().astype(int)
        # Green is most of what brightness is.
        self._patterns = _patterns(image_rgb[..., 1], self._boxes)
        return faces


def _reduced(image_rgb: np.ndarray, factor: int) -> np.ndarray:
    """The picture averaged over blocks of pixels; what is left over at the right and the bottom is cut off."""
    if factor == 1:
        return image_rgb
    height, width = (side // factor for side in image_rgb.shape[:2])
    whole = image_rgb[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _enlarged(face: Face, factor: int) -> Face:
    """A face of a reduced picture in pixels of the whole one."""
    if factor == 1:
        return face
    # Pixel centres: full = (small + 0.5) * factor - 0.5.
    shift = (factor - 1) / 2
    return replace(
        face,
        box_xyxy_px=face.box_xyxy_px * factor + shift,
        landmarks_px=face.landmarks_px * factor + shift,
        mesh_px=None if face.mesh_px is None else face.mesh_px * factor + np.array([shift, shift, 0], np.float32),
    )


def _patterns(grey: np.ndarray, boxes_px: np.ndarray) -> np.ndarray:
    """(N, _GRID ** 2) float32, the pattern of brightness in each box (N, 4), zero mean and unit length."""
    found = np.zeros((len(boxes_px), _GRID * _GRID), np.float32)
    for k, (left, top, right, bottom) in enumerate(boxes_px.clip(0)):
        part = grey[top:bottom, left:right]
        if part.size:
            found[k] = cv2.resize(part, (_GRID, _GRID), interpolation=cv2.INTER_AREA).ravel()
    found -= found.mean(1, keepdims=True)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
