"""What goes into every model and what comes out: tensors, with shape and unit on every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # detection asks for names of models where torch is not installed
    import torch
    from torch import Tensor


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
    # (B, A, 2) float, 0-5: intensity of the person's own left and right; known where au_intensity is
    au_sides: Tensor | None = None
    mesh: Tensor | None = None  # (B, 478, 3) float, crop coordinates: 0-1 spans the crop, z in the same unit
    mesh_valid: Tensor | None = None  # (B,) bool
    anchor: Tensor | None = None  # (B, 3, H, W) like image: a neutral face of the same person and sequence
    flow: Tensor | None = None  # (B, 2, H, W) float: motion from the image to the anchor, pixels, right and down
    target: Tensor | None = None  # (B, 3, H, W) like image: another frame of the same person's track
    landmarks: Tensor | None = None  # (B, 68, 2) float, Multi-PIE order, 0-1 spans the crop; NaN where unknown
    teacher_logit: Tensor | None = None  # (B, A) float, log-odds that a teacher gives; NaN for AUs it does not know
    teacher_intensity: Tensor | None = None  # (B, A) float, 0-5, likewise
    # (B,) int: rows of one number are of one clip, in time order; None: single pictures
    sequence: Tensor | None = None
    # (B, D) float: what a frozen part of the model said of each row, in place of `image`
    features: Tensor | None = None

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
    # (B, A, 2), 0-5: intensity of the person's own left and right.
    au_sides: Tensor | None = field(default=None, kw_only=True)

    @property
    def au_level(self) -> Tensor | None:
        """(B, A) int64: the most probable level of intensity, 0-5, of a model that classifies levels."""
        return None
