"""Losses of OF-Net and AU-Net, one function per equation.

Deviations: means over pixels, so that the weights suit every image size; pixels whose place in the anchor lies
outside it have no part; an unknown label has no part, and the mean of an AU is over its known labels.

Symbols: I1 image, I2 anchor, I1w the anchor warped to the image (I1'), F flow (u right, v down), m mask of pixels
that count, z logit, y label, B batch, A AUs, alpha and eps of the generalised Charbonnier penalty rho.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn_functional
from torch import Tensor

# Constants of SSIM for values 0-1: Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility
# to structural similarity", IEEE Trans. Image Processing 2004.
C1, C2 = 0.01**2, 0.03**2


def charbonnier(x: Tensor, alpha: float, eps: float) -> Tensor:
    """rho(x) = (x^2 + eps^2)^alpha, the generalised Charbonnier penalty of Eq. (1)."""
    return (x.square() + eps**2).pow(alpha)


def warp(I2: Tensor, F: Tensor) -> tuple[Tensor, Tensor]:
    """I1'(x, y) = I2(x + u, y + v), bilinear, and where the place lies inside the anchor. Eq. (2).

    I2: (B, C, H, W); F: (B, 2, H, W), pixels. Returns (B, C, H, W) and (B, 1, H, W) bool.
    """
    height, width = I2.shape[-2:]
    x = torch.arange(width, dtype=F.dtype, device=F.device) + F[:, 0]
    y = torch.arange(height, dtype=F.dtype, device=F.device)[:, None] + F[:, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    return nn_functional.grid_sample(I2, grid, mode="bilinear", padding_mode="border", align_corners=True), inside[
        :, None
    ]


def pixel_loss(I1: Tensor, I1w: Tensor, m: Tensor, alpha: float, eps: float, scale: float) -> Tensor:
    """Mean over images of the mean of rho(I1 - I1') over colours and pixels that count. Eq. (1).

    I1, I1w: (B, C, H, W), 0-1; m: (B, 1, H, W); scale: what 1 counts as.
    """
    return _masked_mean(charbonnier(scale * (I1 - I1w), alpha, eps).mean(1, keepdim=True), m)


def smooth_loss(F: Tensor, alpha: float, eps: float) -> Tensor:
    """Sum over u and v, along x and y, of the mean of rho(step to the neighbour), pixels. Eq. (3).

    F: (B, 2, H, W).
    """
    along_x, along_y = F.diff(dim=3), F.diff(dim=2)
    means = [charbonnier(step, alpha, eps).mean((0, 2, 3)) for step in (along_x, along_y)]
    return torch.stack(means).sum()


def ssim(I1: Tensor, I2: Tensor, window: int) -> Tensor:
    """Structural similarity in every square window that lies inside, (B, C, H', W'); H' = H - window + 1."""

    def mean(x: Tensor) -> Tensor:
        # Sums of shifted pictures take a sixth of the time of avg_pool2d on a CPU.
        for axis in (-2, -1):
            size = x.shape[axis] - window + 1
            x = torch.stack([x.narrow(axis, k, size) for k in range(window)]).sum(0)
        return x / window**2

    mean1, mean2 = mean(I1), mean(I2)
    var1, var2 = mean(I1 * I1) - mean1**2, mean(I2 * I2) - mean2**2
    covariance = mean(I1 * I2) - mean1 * mean2
    numerator = (2 * mean1 * mean2 + C1) * (2 * covariance + C2)
    return numerator / ((mean1**2 + mean2**2 + C1) * (var1 + var2 + C2))


def dssim_loss(I1: Tensor, I1w: Tensor, m: Tensor, window: int) -> Tensor:
    """Mean over images of 1 - SSIM(I1, I1'), over the windows whose pixels all count. Eq. (4)."""
    whole = -nn_functional.max_pool2d(-m.to(I1.dtype), window, 1)
    return _masked_mean((1 - ssim(I1, I1w, window)).mean(1, keepdim=True), whole > 0)


def au_loss(z: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Sum over AUs of the mean cross-entropy of s(z), the logistic function, over known labels. Eq. (5).

    z, y, v: (B, A). 0 for an AU without a known label.
    """
    label = torch.where(v, y, 0).to(z.dtype)
    loss = nn_functional.binary_cross_entropy_with_logits(z, label, reduction="none")
    return (torch.where(v, loss, 0).sum(0) / v.sum(0).clamp(min=1)).sum()


def _masked_mean(x: Tensor, m: Tensor) -> Tensor:
    """Mean over the images that have pixels where m, of the mean there; x, m: (B, 1, H, W).

    NaN where no image has one: a flow that has left the anchor altogether would seem perfect, and never come back.
    """
    pixels = m.sum((1, 2, 3))
    inside = torch.where(m, x, 0).sum((1, 2, 3)) / pixels.clamp(min=1)
    return inside.sum() / (pixels > 0).sum()
