"""PCA of the L2-normalised fc7, kept as tensors of the network (Sec. III-B, "Practical issues").

Deviation: components are multiplied by one factor, which gives the first of them unit variance, or each by its own.
Vectors of length one hardly move an LSTM whose weights start within +-0.08.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Projection(nn.Module):
    """Features (B, D) to principal components (B, K); those beyond the wanted energy are zero."""

    mean: Tensor
    matrix: Tensor
    fitted: Tensor

    def __init__(self, features: int, components: int, standardized: bool) -> None:
        """standardized: whether each component has unit variance, and not the first alone."""
        super().__init__()
        self.standardized = standardized
        components = min(features, components)
        self.outputs = components
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("matrix", torch.eye(components, features))
        self.register_buffer("fitted", torch.tensor(False))

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor], energy: float) -> None:
        """Take the components of all rows, (B, D) each, as many as hold `energy` of the variance and at most K.

        The rows are gone through once; what is kept of them is their covariance.
        """
        count, features = 0, len(self.mean)
        total = torch.zeros(features, dtype=torch.float64)
        product = torch.zeros(features, features, dtype=torch.float64)
        for batch in batches:
            x = batch.double().cpu()
            count += len(x)
            total += x.sum(0)
            product.addmm_(x.T, x)
        mean = total / count
        variance, direction = torch.linalg.eigh(product / count - torch.outer(mean, mean))
        variance, direction = variance.flip(0).clamp(min=0), direction.flip(1).T
        share = variance.cumsum(0) / variance.sum().clamp(min=torch.finfo(torch.float64).tiny)
        kept = min(self.outputs, int((share < energy - 1e-12).sum()) + 1)
        self.mean.copy_(mean)
        self.matrix.zero_()
        scale = variance[:kept, None] if self.standardized else variance[0]
        self.matrix[:kept] = (direction[:kept] / scale.sqrt().clamp(min=1e-12)).to(self.matrix)
        self.fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.matrix.T
