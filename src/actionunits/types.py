"""The values that travel between rooms: small frozen dataclasses, with shape and unit on every field.

Letters of the repository: B batch, T frames, A action units, L landmarks, C channels, H, W, D features.
Pixels: x to the right, y down, the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.aus import au_label

NEW_ID = "new_id"  # in `quality`: the face has had its number for a moment only
MESH_POINTS = 478  # of MediaPipe's face mesh: 468 of the face, 10 of the irises


@dataclass(frozen=True, repr=False)
class Frame:
    """One decoded picture."""

    image_rgb: np.ndarray  # (H, W, 3) uint8, upright
    index: int  # position in the stream, from 0; what is damaged inside a video keeps its numbers
    time_s: float  # presentation time from the start of the stream; 0 for a photograph
    source: str  # file path, or "webcam:0"

    def __repr__(self) -> str:
        height, width = self.image_rgb.shape[:2]
        return f"Frame({self.source!r}, index={self.index}, time_s={self.time_s:.3f}, {width}x{height})"


@dataclass(frozen=True, repr=False)
class Face:
    """One face of one frame.

    Head pose is that of the face relative to the camera axis, zero when it looks straight into the camera:
    pitch > 0 chin up, yaw > 0 turned to the person's own left (the right of the image), roll > 0 head tilted
    clockwise as the viewer sees it.
    """

    box_xyxy_px: np.ndarray  # (4,) float32: left, top, right, bottom
    landmarks_px: np.ndarray  # (68, 2) float32, Multi-PIE order
    confidence: float  # 0-1, how sure the finder is that this is a face
    pose_deg: np.ndarray  # (3,) float32: pitch, yaw, roll
    position_mm: np.ndarray  # (3,) float32: head in camera space, x right, y down, z away from the camera
    mesh_px: np.ndarray | None = None  # (478, 3) float32, MediaPipe order; z in pixels, smaller is nearer
    face_id: int = 0  # the same person keeps the number, from 0 in order of appearance
    quality: tuple[str, ...] = ()  # what speaks against relying on it: words of detection/quality.py
    gaze: np.ndarray | None = None  # (2, 3) float32, length 1, camera axes: eye at the left of the image, then right

    @property
    def is_usable(self) -> bool:
        """Whether its action units can be relied on as those of other faces can, whoever it is."""
        return not set(self.quality) - {NEW_ID}

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box_xyxy_px)
        doubts = f", quality={self.quality}" if self.quality else ""
        return f"Face(face_id={self.face_id}, confidence={self.confidence:.2f}, box_xyxy_px=({box}){doubts})"


@dataclass(frozen=True, repr=False)
class Prediction:
    """Action units of one face. A is the length of `aus`."""

    aus: tuple[int, ...]
    au_prob: np.ndarray  # (A,) float32, 0-1
    au_intensity: np.ndarray  # (A,) float32, 0-5
    au_present: np.ndarray  # (A,) bool: probability at or above the model's threshold for the AU
    # (S, S, 2) float16: motion to the neutral face, pixels of the crop, right and down.
    flow_px: np.ndarray | None = None
    au_sides: np.ndarray | None = None  # (A, 2) float32, 0-5: intensity of the person's own left and right

    def __repr__(self) -> str:
        seen = np.flatnonzero(self.au_present)
        words = ", ".join(f"{au_label(self.aus[i])} {self.au_intensity[i]:.1f}" for i in seen)
        return f"Prediction({words or 'no AU present'}; {len(seen)} of {len(self.aus)} AUs)"


@dataclass(frozen=True, repr=False)
class FrameResult:
    """What detection says about one frame; `predictions[i]` belongs to `faces[i]`, both empty without a face."""

    frame: Frame
    faces: list[Face]
    predictions: list[Prediction]

    def __repr__(self) -> str:
        frame = self.frame
        faces = "1 face" if len(self.faces) == 1 else f"{len(self.faces)} faces"
        return f"FrameResult({frame.source!r}, index={frame.index}, time_s={frame.time_s:.3f}, {faces})"
