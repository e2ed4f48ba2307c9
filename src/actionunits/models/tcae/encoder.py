"""Encoder (Fig. 3 a): a face crop to an AU vector and a pose vector, by convolutions that halve the picture.

Deviation: the layers of MediaPipe's mesh network may take the place of the shared ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from actionunits.models.layers.mesh_body import MeshBody
from actionunits.models.layers.mesh_maps import MeshMaps

BRANCH_HALVINGS = 3  # convolutions of each branch: two with normalisation, and the last one


@dataclass(frozen=True)
class Embeddings:
    """What tells a face's movement, per row."""

    au: Tensor  # phi, (B, D)
    pose: Tensor | None  # psi, (B, D); None in Fab-Net, whose one vector tells both

    def rows(self, chosen: slice) -> Embeddings:
        return Embeddings(self.au[chosen], None if self.pose is None else self.pose[chosen])


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """4x4 convolution with stride 2, batch norm, leaky ReLU 0.2."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)
    )


class Encoder(nn.Module):
    """Layers that are shared, then a branch for action units and, where wanted, one for head pose.

    At 256 pixels five convolutions are shared, with one, two, four, eight and eight times `width` channels; at other
    sizes as many as leave 8x8 cells to the branches. mesh: the layers of MediaPipe's mesh network in their place.
    """

    def __init__(self, image_size: int, width: int, embedding: int, pose: bool, mesh: bool) -> None:
        super().__init__()
        count = image_size.bit_length() - 1 - BRANCH_HALVINGS
        channels = [3, *(min(width * 2**k, 8 * width) for k in range(count))]
        if mesh:
            self.shared: nn.Module = MeshBody().requires_grad_(False)  # it stays as it is
        else:
            self.shared = nn.Sequential(*(halving(channels[k], channels[k + 1]) for k in range(count)))

        def branch() -> nn.Sequential:
            if mesh:
                return nn.Sequential(MeshMaps(embedding, 0.0), nn.Linear(embedding, embedding))
            return nn.Sequential(
                halving(channels[-1], 8 * width),
                halving(8 * width, 8 * width),
                nn.Conv2d(8 * width, embedding, 4, stride=2, padding=1),
                nn.Flatten(),
            )

        self.au = branch()
        self.pose = branch() if pose else None

    def forward(self, image: Tensor) -> Embeddings:
        """image: (B, 3, S, S), 0-1, without mean subtraction."""
        x = self.shared(image)
        return Embeddings(self.au(x), None if self.pose is None else self.pose(x))


def stacked(first: Tensor, second: Tensor) -> Tensor:
    """Two batches as one: half the calls, and one set of batch statistics."""
    return torch.cat([first, second])
