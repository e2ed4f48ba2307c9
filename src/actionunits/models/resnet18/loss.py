"""Losses of the ResNet-18 detector: cross-entropy for presence, smooth L1 and concordance for intensity.

The cross-entropy is RE-Net's Eq. (6) without its surplus minus sign. Every mean runs over known labels only.

Symbols: z logit, y presence, x predicted and t true intensity, v valid, w weight of an AU, B batch, A AUs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _weighted_mean(loss: Tensor, valid: Tensor, au_weight: Tensor | None) -> Tensor:
    """Sum of w v loss over the number of valid labels; 0 without any. loss, valid: (B, A); au_weight: (A,)."""
    if au_weight is not None:
        loss = loss * au_weight
    return torch.where(valid, loss, 0).sum() / valid.sum().clamp(min=1)


def occurrence_loss(z: Tensor, y: Tensor, v: Tensor, w: Tensor | None = None) -> Tensor:
    """Mean over known labels of -w [y log s(z) + (1 - y) log(1 - s(z))], s the logistic function.

    z, y, v: (B, A); w: (A,) or None for 1. RE-Net Eq. (6).
    """
    target = torch.where(v, y, 0).to(z.dtype)
    return _weighted_mean(F.binary_cross_entropy_with_logits(z, target, reduction="none"), v, w)


def intensity_loss(x: Tensor, t: Tensor, v: Tensor, w: Tensor | None = None) -> Tensor:
    """Mean over known labels of w h(x - t), h(d) = d^2 / 2 for |d| < 1 and |d| - 1/2 else.

    x, t: (B, A), 0-5; v: (B, A); w: (A,) or None for 1.
    """
    target = torch.where(v, t, 0).to(x.dtype)
    return _weighted_mean(F.smooth_l1_loss(x, target, reduction="none"), v, w)


def sides_loss(x: Tensor, t: Tensor, v: Tensor, w: Tensor | None = None) -> Tensor:
    """`intensity_loss` of left and right, whose mean it is.

    x, t: (B, A, 2), 0-5; v: (B, A), known on both sides or on none; w: (A,) or None for 1.
    """
    return (intensity_loss(x[..., 0], t[..., 0], v, w) + intensity_loss(x[..., 1], t[..., 1], v, w)) / 2


def concordance_loss(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """Mean over AUs of 1 - CCC, CCC = 2 cov(x, t) / (var x + var t + (mean x - mean t)^2) over known labels.

    x, t, v: (B, A). AUs whose known labels do not vary in the batch are left out; 0 where none varies.
    Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 1989.
    """
    weight = v.to(x.dtype)
    count = weight.sum(0).clamp(min=1)
    x, t = torch.where(v, x, 0), torch.where(v, t, 0).to(x.dtype)
    x_mean, t_mean = x.sum(0) / count, t.sum(0) / count
    dx, dt = (x - x_mean) * weight, (t - t_mean) * weight
    covariance = (dx * dt).sum(0) / count
    spread = (dx * dx).sum(0) / count + (dt * dt).sum(0) / count + (x_mean - t_mean) ** 2
    varies = (dt * dt).sum(0) / count > 1e-3
    loss = 1 - 2 * covariance / torch.where(varies, spread, 1)
    return torch.where(varies, loss, 0).sum() / varies.sum().clamp(min=1)


def inverse_rate_weights(rates: Tensor) -> Tensor:
    """Weights of the AUs, inverse to their base rates and with mean 1. rates: (A,), 0-1.

    Rates below 1% count as 1%, so that an AU hardly ever seen does not take over.

    >>> inverse_rate_weights(torch.tensor([0.1, 0.3])).tolist()
    [1.5, 0.5]
    """
    inverse = 1 / rates.clamp(min=0.01)
    return inverse * len(rates) / inverse.sum()
