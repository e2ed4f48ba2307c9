"""Histograms of oriented gradients of a whole batch at once.

Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. The numbers are those of
`skimage.feature.hog(grey, orientations, (cell, cell), (block, block), block_norm="L2-Hys")`.
Deviations: every pixel votes for one orientation and one cell, without interpolation, and blocks have no Gaussian
window, as in scikit-image. That function itself takes eleven times as long for a face, and every step of training
computes the features of a batch anew.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LUMA = (0.2125, 0.7154, 0.0721)  # ITU-R BT.709, as skimage.color.rgb2gray
EPS = 1e-5
CLIP = 0.2  # of the normalised block; Dalal & Triggs Sec. 6.4, L2-Hys


def feature_count(size: int, cell: int, block: int, orientations: int) -> int:
    """Length of the feature vector of a picture of size x size pixels.

    >>> feature_count(112, 8, 2, 9)
    6084
    """
    return (size // cell - block + 1) ** 2 * block**2 * orientations


def grey(image: Tensor) -> Tensor:
    """Luma, (B, 3, H, W) -> (B, H, W)."""
    return torch.einsum("bchw,c->bhw", image, torch.tensor(LUMA, dtype=image.dtype, device=image.device))


@torch.no_grad()
def cell_histograms(image: Tensor, cell: int, orientations: int) -> Tensor:
    """Mean gradient magnitude per cell and orientation, (B, H, W) -> (B, H // cell, W // cell, O)."""
    across, down = torch.zeros_like(image), torch.zeros_like(image)
    torch.sub(image[:, :, 2:], image[:, :, :-2], out=across[:, :, 1:-1])
    torch.sub(image[:, 2:], image[:, :-2], out=down[:, 1:-1])
    rows, columns = image.shape[1] // cell, image.shape[2] // cell
    whole = (slice(None), slice(rows * cell), slice(columns * cell))  # pixels beyond the last whole cell do not vote
    across, down = across[whole], down[whole]
    magnitude = torch.hypot(across, down)
    turn = torch.atan2(down, across).mul_(orientations / math.pi)
    orientation = turn.floor_().long()
    orientation %= orientations  # a half turn apart is the same orientation
    line = torch.arange(rows * cell, device=image.device) // cell * columns
    stroke = torch.arange(columns * cell, device=image.device) // cell
    picture = torch.arange(len(image), device=image.device) * (rows * columns * orientations)
    place = orientation.add_((line[:, None] + stroke) * orientations).add_(picture[:, None, None])
    votes = magnitude.new_zeros(len(image) * rows * columns * orientations)
    votes = votes.scatter_add(0, place.reshape(-1), magnitude.reshape(-1))
    return votes.view(len(image), rows, columns, orientations) / cell**2


def block_features(histogram: Tensor, block: int) -> Tensor:
    """Normalised blocks (L2-Hys) that overlap by all but one cell, (B, R, C, O) -> (B, D).

    Order: block row, block column, cell row, cell column, orientation.
    """
    rows, columns = histogram.shape[1] - block + 1, histogram.shape[2] - block + 1
    cells = [histogram[:, r : r + rows, c : c + columns] for r in range(block) for c in range(block)]
    blocks = torch.cat(cells, -1)
    for limit in (CLIP, None):
        blocks = blocks / (blocks.square().sum(-1, keepdim=True) + EPS**2).sqrt()
        blocks = blocks if limit is None else blocks.clamp(max=limit)
    return blocks.flatten(1)


def hog(image: Tensor, cell: int, block: int, orientations: int) -> Tensor:
    """Features of RGB pictures 0-1, (B, 3, H, W) -> (B, D)."""
    return block_features(cell_histograms(grey(image), cell, orientations), block)
