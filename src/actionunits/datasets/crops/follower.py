"""Faces followed from one stored picture of a recording to the next, which may be a second later.

In a second two people can change places. So the pictures in between are glanced at: where the pattern of brightness
around every face is still as it was, nobody has gone, and the picture costs next to nothing; where one has changed,
because a face moved, turned, was hidden or replaced, the finder sees that picture too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actionunits.faces.track import state_below
from actionunits.types import Face, Frame

if TYPE_CHECKING:
    from actionunits.faces import FaceFinder

LOOK_EVERY_S = 0.1
ALIKE = 0.85  # correlation of the pattern from which a face counts as where it was
_GRID = 12  # the pattern has this many cells each way
_AROUND = 0.15  # of the face's box on every side belongs to the pattern: the outline tells people apart


class Follower:
    """A finder that follows the faces of one recording."""

    def __init__(self, finder: FaceFinder, recording: str) -> None:
        self._finder, self._recording = finder, recording
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
        self._row, self._time_s = state["row"].item(), state["time"].item()
        self._boxes, self._patterns = state["boxes"], state["patterns"]
        self._finder.restore(self._recording, state_below("finder", state))

    def _found(self, image_rgb: np.ndarray, time_s: float) -> list[Face]:
        self._time_s = time_s
        faces = self._finder(Frame(image_rgb, self._row, time_s, self._recording))
        boxes = np.array([face.box_xyxy_px for face in faces], np.float64).reshape(-1, 2, 2)
        around = _AROUND * (boxes[:, 1] - boxes[:, 0])
        self._boxes = np.hstack([boxes[:, 0] - around, boxes[:, 1] + around]).round().astype(int)
        # Green is most of what brightness is.
        self._patterns = _patterns(image_rgb[..., 1], self._boxes)
        return faces


def _patterns(grey: np.ndarray, boxes_px: np.ndarray) -> np.ndarray:
    """(N, _GRID ** 2) float32, the pattern of brightness in each box (N, 4), zero mean and unit length."""
    found = np.zeros((len(boxes_px), _GRID * _GRID), np.float32)
    for k, (left, top, right, bottom) in enumerate(boxes_px.clip(0)):
        part = grey[top:bottom, left:right]
        if part.size:
            found[k] = cv2.resize(part, (_GRID, _GRID), interpolation=cv2.INTER_AREA).ravel()
    found -= found.mean(1, keepdims=True)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
