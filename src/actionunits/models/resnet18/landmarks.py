"""Landmark branch: a small MLP on the 478 mesh points after position, size and head pose are taken out.

It can also read the blendshape scores of the points: they come from a network that has learned from real faces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from actionunits.models.layers.blendshapes import NAMES
from actionunits.models.resnet18.config import ResNet18Config
from actionunits.types import MESH_POINTS

# Outer and inner eye corners, in MediaPipe's numbering: origin and unit of length.
EYE_CORNERS = (33, 133, 362, 263)
# Temples, forehead, bridge and sides of the nose, eye corners: what expression moves least decides the pose.
RIGID_POINTS = (10, 67, 109, 338, 297, 54, 284, 127, 356, 162, 389, 6, 197, 195, 168, 33, 133, 362, 263)
# A rotation, entry by entry, in the products of its quaternion's (w, x, y, z), which are the entries of q q^T.
QUATERNION_PRODUCTS = (
    (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1),  # ww + xx - yy - zz
    (0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0),  # 2 (xy + wz)
    (0, 0, -1, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0, 1, 0, 0),  # 2 (xz - wy)
    (0, 0, 0, -1, 0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0),  # 2 (xy - wz)
    (1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1),  # ww - xx + yy - zz
    (0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0),  # 2 (yz + wx)
    (0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0),  # 2 (xz + wy)
    (0, -1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0),  # 2 (yz - wx)
    (1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1),  # ww - xx - yy + zz
)
SQUARINGS = 10  # of faces, the second eigenvalue is at most two thirds of the largest; its power of 1024 is nothing
# The mean shape is settled after this many training batches.
TEMPLATE_BATCHES = 200


def scale_to_eyes(mesh: Tensor) -> Tensor:
    """Mesh centred between the eyes, in units of the distance of the outer eye corners. mesh: (B, 478, 3)."""
    centre = mesh[:, EYE_CORNERS].mean(1, keepdim=True)
    span = (mesh[:, EYE_CORNERS[0]] - mesh[:, EYE_CORNERS[3]]).norm(dim=-1)
    return (mesh - centre) / span.clamp(min=1e-6)[:, None, None]


def rotation_to(source: Tensor, target: Tensor) -> Tensor:
    """Rotations (B, 3, 3) that bring centred points nearest to `target`: rotated = source @ rotation.

    source: (B, P, 3); target: (P, 3). The unit quaternion q of the rotation is the leading eigenvector of a symmetric
    4x4 matrix: Horn, "Closed-form solution of absolute orientation using unit quaternions", JOSA A 1987, Sec. 4.
    Repeated squaring of that matrix leaves q q^T. Products alone run wherever a graph is exported to.
    """
    products = source.new_tensor(QUATERNION_PRODUCTS)
    power = ((source.transpose(1, 2) @ target).flatten(1) @ products).unflatten(1, (4, 4))
    # No eigenvalue is below minus the norm: raised by it, the largest one is also the largest in magnitude.
    identity = torch.eye(4, dtype=power.dtype, device=power.device)
    power = power + power.flatten(1).norm(dim=1)[:, None, None] * identity
    for _ in range(SQUARINGS):
        power = power @ power
        power = power / (power * identity).sum((1, 2), keepdim=True).clamp(min=1e-12)  # by its trace
    return (power.flatten(1) @ products.T).unflatten(1, (3, 3))


class MeshShape(nn.Module):
    """Aligns meshes to the mean mesh and standardises their points.

    The mean mesh and the spread of each coordinate are running means over the first training batches,
    weighted by the number of valid meshes.
    """

    template: Tensor
    variance: Tensor
    count: Tensor
    batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("template", torch.zeros(MESH_POINTS, 3))
        self.register_buffer("variance", torch.ones(MESH_POINTS, 3))
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def forward(self, mesh: Tensor, valid: Tensor) -> Tensor:
        """Standardised shape and removed rotation, (B, 478 * 3 + 9); all 0 where the mesh is not valid.

        mesh: (B, 478, 3), crop coordinates; valid: (B,) bool.
        """
        # Head and shape are measured in full precision whatever the training runs in.
        with torch.autocast(mesh.device.type, enabled=False):
            mesh = torch.where(valid[:, None, None], mesh.to(self.template.dtype), 0)
            shape = scale_to_eyes(mesh)
            learning = self.training and self.batches < TEMPLATE_BATCHES
            if learning and self.count == 0 and valid.any():
                self.template.copy_(shape[valid].mean(0))
            points = list(RIGID_POINTS)
            rotation = rotation_to(shape[:, points], self.template[points])
            shape = shape @ rotation
            if learning and valid.any():
                self._update(shape[valid])
            # 0.01 of the eye distance is the noise of the landmarks: still points are not blown up beyond it.
            shape = (shape - self.template) / (self.variance + 1e-4).sqrt()
            features = torch.cat([shape.flatten(1), rotation.flatten(1)], dim=1)
            return torch.where(valid[:, None], features.clamp(-8, 8), 0)

    def _update(self, shape: Tensor) -> None:
        total = self.count + len(shape)
        share = len(shape) / total
        change = shape.mean(0) - self.template
        spread = shape.var(0, unbiased=False) if len(shape) > 1 else torch.zeros_like(self.variance)
        old = self.variance if self.count > 0 else torch.zeros_like(self.variance)
        self.variance.copy_((1 - share) * old + share * spread + share * (1 - share) * change**2)
        self.template.add_(share * change)
        self.count.copy_(total)
        self.batches.add_(1)


class LandmarkNet(nn.Module):
    """Mesh points, and their blendshape scores where the settings want them, to the activations of all outputs."""

    def __init__(self, outputs: int, config: ResNet18Config) -> None:
        super().__init__()
        width, dropout = config.landmark_width, config.landmark_dropout
        self.shape = MeshShape()
        scores = len(NAMES) if config.landmark_blendshapes else 0
        # Zero mean and unit variance over the training batches, as the points have.
        self.scores = nn.BatchNorm1d(scores, affine=False) if scores else None
        self.layers = nn.Sequential(
            nn.Linear(MESH_POINTS * 3 + 9 + scores, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(width, outputs)
        # What a score says by itself, whatever the points say: at first nothing.
        self.direct = nn.Linear(scores, outputs, bias=False) if scores else None
        if self.direct is not None:
            nn.init.zeros_(self.direct.weight)

    def forward(self, mesh: Tensor, valid: Tensor, scores: Tensor | None = None) -> Tensor:
        """(B, outputs) before any activation. mesh: (B, 478, 3); valid: (B,) bool; scores: (B, 52) log-odds."""
        features = self.shape(mesh, valid)
        if self.direct is None or scores is None:
            return self.head(self.layers(features))
        spread = self.spread(scores, valid)
        return self.head(self.layers(torch.cat([features, spread], 1))) + self.direct(spread)

    def spread(self, scores: Tensor, valid: Tensor) -> Tensor:
        """The blendshapes' log-odds with mean 0 and variance 1, (B, 52); 0 where the mesh is not valid."""
        assert self.scores is not None
        return torch.where(valid[:, None], self.scores(scores).clamp(-3, 3), 0)
