"""The values that travel between rooms: small frozen dataclasses, with shape and unit on every field.

Letters of the repository: B batch, T frames, A action units, L landmarks, C channels, H, W, D features.
Pixels: x to the right, y down, the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

MESH_POINTS = 478  # of MediaPipe's face mesh: 468 of the face, 10 of the irises


@dataclass(frozen=True)
class Frame:
    """One decoded picture."""

    image_rgb: np.ndarray  # (H, W, 3) uint8, upright
    index: int  # position in the stream, from 0; what is damaged inside a video keeps its numbers
    time_s: float  # presentation time from the start of the stream; 0 for a photograph
    source: str  # file path, or "webcam:0"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Prediction:
    """Action units of one face. A is the length of `aus`."""

    aus: tuple[int, ...]
    au_prob: np.ndarray  # (A,) float32, 0-1
    au_intensity: np.ndarray  # (A,) float32, 0-5
    au_present: np.ndarray  # (A,) bool: probability at or above the model's threshold for the AU
    # (S, S, 2) float16: motion to the neutral face, pixels of the crop, right and down.
    flow_px: np.ndarray | None = None


@dataclass(frozen=True)
class FrameResult:
    """What detection says about one frame; `predictions[i]` belongs to `faces[i]`, both empty without a face."""

    frame: Frame
    faces: list[Face]
    predictions: list[Prediction]


@dataclass(frozen=True)
class Batch:
    """What a model sees in one step. Labels may be absent (None) outside training.

    A missing label is False in the `valid` mask beside it; its value is then arbitrary and must not matter.
    """

    image: Tensor  # (B, 3, H, W) float, 0-1, RGB, registered face crop
    au_present: Tensor | None = None  # (B, A) float, 0 or 1
    au_present_valid: Tensor | None = None  # (B, A) bool
    au_intensity: Tensor | None = None  # (B, A) float, 0-5
    au_intensity_valid: Tensor | None = None  # (B, A) bool
    mesh: Tensor | None = None  # (B, 478, 3) float, crop coordinates: 0-1 spans the crop, z in the same unit
    mesh_valid: Tensor | None = None  # (B,) bool
    anchor: Tensor | None = None  # (B, 3, H, W) like image: a neutral face of the same person and sequence
    flow: Tensor | None = None  # (B, 2, H, W) float: motion from the image to the anchor, pixels, right and down
    target: Tensor | None = None  # (B, 3, H, W) like image: another frame of the same person's track
    landmarks: Tensor | None = None  # (B, 68, 2) float, Multi-PIE order, 0-1 spans the crop; NaN where unknown
    teacher_logit: Tensor | None = None  # (B, A) float, log-odds that a teacher gives; NaN for AUs it does not know
    teacher_intensity: Tensor | None = None  # (B, A) float, 0-5, likewise
    sequence: Tensor | None = (
        None  # (B,) int: rows of one number are of one clip, in time order; None: single pictures
    )
    features: Tensor | None = (
        None  # (B, D) float: what a frozen part of the model said of each row, in place of `image`
    )

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved = {k: v.to(device, non_blocking=True) for k, v in vars(self).items() if v is not None}
        return Batch(**moved)


@dataclass(frozen=True)
class Output:
    """What every model returns from `forward(batch)`."""

    au_logit: Tensor  # (B, A): log-odds of presence
    au_intensity: Tensor | None = None  # (B, A), 0-5
    # (B, 2, H, W): motion from the image to the anchor, pixels of the image, right and down.
    flow: Tensor | None = field(default=None, kw_only=True)

    @property
    def au_level(self) -> Tensor | None:
        """(B, A) int64: the most probable level of intensity, 0-5, of a model that classifies levels."""
        return None


@dataclass(frozen=True)
class SequenceSampling:
    """Which stretches of the training clips a stage sees, in time order."""

    per_clip: int  # random ones, in every epoch
    frames: int  # of each; shorter clips come whole
    context: int  # frames at the start of each that no loss sees
    least_active: float  # mean number of active AUs per frame; others are left out


@dataclass(frozen=True)
class Stage:
    """One step of a model's training recipe, run by the one loop of `training/loop.py`."""

    name: str
    parameters: tuple[str, ...]  # prefixes of the parameter names that train; ("",) is all of them
    epochs: int
    batch_size: int
    optimizer: str  # "sgd" | "adam" | "adamw" | "rmsprop"
    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: int = 0
    options: dict[str, float] = field(default_factory=dict)  # extra arguments of the optimizer
    inputs: tuple[str, ...] = ("image",)  # fields of Batch that are read; rows without one are left out
    face_pairs: float = (
        0.0  # share of the pairs of a batch, its first ones, that FacePairSampler chooses by landmarks
    )
    lr_factors: tuple[tuple[str, float], ...] = ()  # name prefix -> factor of the learning rate, 1 for other names
    undecayed: tuple[str, ...] = ()  # prefixes of names that weight decay spares, besides all vectors
    patience: int = 0  # validations without a better score that end the stage; 0: none do
    sequences: SequenceSampling | None = None  # batches of clips' features in time order, `batch_size` sequences each
    time_share: float = 1.0  # part of a time budget, relative to the other stages

    @classmethod
    def of(cls, config: Any, **own: Any) -> Stage:
        """A stage with every setting of the same name that a model's config has, and the stage's own on top."""
        shared = {f.name: getattr(config, f.name) for f in fields(cls) if hasattr(config, f.name)}
        return cls(**(shared | own))
