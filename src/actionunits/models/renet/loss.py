"""Losses of RE-Net: cross-entropy for occurrence (Eq. 6) and for six intensity levels (Sec. 4.5).

Deviations: Eq. (6) prints one minus sign too many and is read as the usual cross-entropy; an intensity between two
levels counts for both in proportion. Unknown labels have no part.

Symbols: z logit, y presence, l logits of the levels, t intensity, v valid, B batch, R AUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from actionunits.aus import INTENSITY_MAX

LEVELS = 6


def _sum_of_means(loss: Tensor, valid: Tensor) -> Tensor:
    """Sum over AUs of the mean over known labels; 0 for an AU without any. loss, valid: (B, R)."""
    return (torch.where(valid, loss, 0).sum(0) / valid.sum(0).clamp(min=1)).sum()


def occurrence_loss(z: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Sum over AUs of the mean of -[y log s(z) + (1 - y) log(1 - s(z))], s the logistic function.

    z, y, v: (B, R). Eq. (6).
    """
    target = torch.where(v, y, 0).to(z.dtype)
    return _sum_of_means(F.binary_cross_entropy_with_logits(z, target, reduction="none"), v)


def intensity_loss(l: Tensor, t: Tensor, v: Tensor) -> Tensor:  # noqa: E741
    """Sum over AUs of the mean of -[(1 - f) log p(k) + f log p(k + 1)], k + f the intensity, p the softmax of l.

    l: (B, R, 6); t, v: (B, R), t 0-5. Sec. 4.5; f is 0 for labels that are levels.
    """
    target = torch.where(v, t, 0).to(l.dtype).clamp(0, INTENSITY_MAX)
    level = target.floor().clamp(max=LEVELS - 2)
    share = (target - level)[..., None]
    place = level.long()[..., None]
    log_prob = l.log_softmax(-1)
    log_likelihood = (1 - share) * log_prob.gather(-1, place) + share * log_prob.gather(-1, place + 1)
    return _sum_of_means(-log_likelihood[..., 0], v)


def expected_level(l: Tensor) -> Tensor:  # noqa: E741
    """Mean intensity of the softmax over levels, (..., 6) -> (...), 0-5."""
    return l.softmax(-1) @ torch.arange(LEVELS, dtype=l.dtype, device=l.device)


def logit_of_levels(l: Tensor) -> Tensor:  # noqa: E741
    """Log-odds of level 1 and above, (..., 6) -> (...)."""
    return l[..., 1:].logsumexp(-1) - l[..., 0]
