"""Losses of DeformAE. Symbols: I picture, T texture, G places, S affine map; B batch, H, W."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction_loss(generated: Tensor, original: Tensor) -> Tensor:
    """Mean of the squared differences, (B, 3, H, W) each."""
    return ((generated - original) ** 2).mean()


def smoothness_loss(steps: Tensor) -> Tensor:
    """Mean over rows of the summed |differences| between neighbouring steps, (B, 2, H, W)."""
    along = (steps.diff(dim=axis).abs().sum() for axis in (2, 3))
    return torch.stack(list(along)).sum() / len(steps)


def bias_loss(s: Tensor, g: Tensor, g_still: Tensor) -> Tensor:
    """|mean S - identity|^2 + |mean G - G of a picture that stays|^2, means over rows; the second one by place.

    s: (B, 2, 3); g: (B, H, W, 2); g_still: (1, H, W, 2). Textures then lie in a common frame.
    """
    identity = torch.eye(2, 3, device=s.device, dtype=s.dtype)
    places = ((g.mean(0) - g_still[0]) ** 2).sum(-1).mean()
    return ((s.mean(0) - identity) ** 2).sum() + places
