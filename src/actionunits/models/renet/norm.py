"""Per-AU batch normalisation with scale and bias mixed over the relation graph (Eq. 3-5), of all AUs at once.

Activations of R action units and B images are one batch of R * B rows, the action units outermost, in the
channels-last layout: the rows of one AU are then one block of memory with channels innermost.

Symbols: x input, gamma and beta mixed scale and bias, mu and var mean and variance, D channels of all normalisations.
Deviations: the variance of an unseen AU is at least the smallest of the seen ones, because a weighted mean with
negative weights can fall below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.renet.graph import RelationGraph

EPS = 1e-5


class AuNorms(nn.Module):
    """What the action units own: scale, bias, running mean and variance of every normalisation, each (A, D)."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, aus: int, channels: Sequence[int], momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.columns = [slice(low, high) for low, high in pairwise(accumulate(channels, initial=0))]
        size = (aus, sum(channels))
        self.scale = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def folded(self, graph: RelationGraph) -> Folded:
        """For inference: Eq. (4) of every AU and channel as one multiply-add."""
        with torch.autocast(self.scale.device.type, enabled=False):
            mix = graph.mixing()
            mean, var = self.running_mean, self.running_var
            if graph.statistics is not None:
                least = var[list(graph.rows)].amin(0)
                mean, var = graph.statistics @ mean, torch.maximum(graph.statistics @ var, least)
            scale = (mix @ self.scale) * torch.rsqrt(var + EPS)
            return Folded(self.columns, scale, torch.addcmul(mix @ self.bias, mean, scale, value=-1))

    def trained(self, graph: RelationGraph, rows: Sequence[int]) -> Trained:
        """For training: Eq. (4) of some AUs, by their numbers in the model, with the statistics of the batch."""
        with torch.autocast(self.scale.device.type, enabled=False):
            mix = graph.mixing()[list(rows)]
            return Trained(self, mix @ self.scale, mix @ self.bias, rows)


def _blocks(x: Tensor, rows: int) -> Tensor:
    """(R * B, C, H, W) -> (R, B * H * W, C); no copy where x is in the channels-last layout."""
    return x.permute(0, 2, 3, 1).reshape(rows, -1, x.shape[1])


def _as_images(blocks: Tensor, like: Tensor) -> Tensor:
    """The way back of `_blocks`, to the shape of `like`."""
    count, channels, height, width = like.shape
    return blocks.view(count, height, width, channels).permute(0, 3, 1, 2)


def _pooled_for_each(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """maxpool(relu(scale x + shift)) of every AU, (B, C, H, W) -> (R * B, C, H / 2, W / 2). scale, shift: (R, C).

    A multiply-add keeps the order of numbers, or turns it round where the scale is negative: the shared x is pooled
    once for both cases, and everything that is done per AU is done on a quarter of the pixels.
    """
    highest, lowest = F.max_pool2d(x, 3, 2, 1), -F.max_pool2d(-x, 3, 2, 1)
    high, low = (pooled.permute(0, 2, 3, 1)[None] for pooled in (highest, lowest))
    s, t = scale[:, None, None, None], shift[:, None, None, None]
    found = torch.addcmul(t, high, s.clamp(min=0))
    found = torch.addcmul(found, low, s.clamp(max=0)).relu()
    return found.flatten(0, 1).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


class Folded:
    """Normalisations of all AUs in inference. scale, shift: (A, D)."""

    def __init__(self, columns: Sequence[slice], scale: Tensor, shift: Tensor) -> None:
        self.columns, self.scale, self.shift = columns, scale, shift

    def stem(self, x: Tensor) -> Tensor:
        """First normalisation, ReLU and max-pooling: (B, C, H, W) -> (A * B, C, H / 2, W / 2)."""
        return _pooled_for_each(x, self.scale[:, self.columns[0]], self.shift[:, self.columns[0]])

    def __call__(self, number: int, x: Tensor) -> Tensor:
        """Normalisation `number`, (A * B, C, H, W); without gradients, in place."""
        columns = self.columns[number]
        blocks = _blocks(x, len(self.scale))
        scale, shift = self.scale[:, None, columns], self.shift[:, None, columns]
        if torch.is_grad_enabled():
            return _as_images(torch.addcmul(shift, blocks, scale), x)
        return _as_images(torch.addcmul(shift, blocks, scale, out=blocks), x)


class Trained:
    """Normalisations of some AUs in training; running statistics move on. gamma, beta: (R, D); rows: R numbers."""

    def __init__(self, norms: AuNorms, gamma: Tensor, beta: Tensor, rows: Sequence[int]) -> None:
        self.norms, self.gamma, self.beta = norms, gamma, beta
        self.rows = torch.tensor(rows, device=gamma.device)
        self.only = rows[0] if len(rows) == 1 else None

    def stem(self, x: Tensor) -> Tensor:
        """First normalisation, ReLU and max-pooling: (B, C, H, W) -> (R * B, C, H / 2, W / 2)."""
        if self.only is not None:
            return F.max_pool2d(self(0, x).relu_(), 3, 2, 1)
        # All AUs see the same input, which has one mean and one variance.
        mean, scale, _ = self._statistics(0, _blocks(x, 1))
        return _pooled_for_each(x, scale, torch.addcmul(self._bias(0), mean, scale, value=-1))

    def __call__(self, number: int, x: Tensor) -> Tensor:
        """Normalisation `number`, (R * B, C, H, W), by mean and variance of each AU's rows."""
        if self.only is not None:
            return self._native(number, x)
        _, scale, centred = self._statistics(number, _blocks(x, len(self.rows)))
        return _as_images(torch.addcmul(self._bias(number)[:, None], centred, scale[:, None]), x)

    def _bias(self, number: int) -> Tensor:
        return self.beta[:, self.norms.columns[number]]

    def _statistics(self, number: int, blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (R, C), gamma over the standard deviation (R, C), and `blocks` less their mean.

        blocks: (R, N, C), or (1, N, C) where all AUs share them; then so is the mean.
        """
        columns = self.norms.columns[number]
        with torch.autocast(blocks.device.type, enabled=False):
            # Half precision would round the statistics. Two passes: torch.var_mean takes ten times as long here.
            mean = blocks.mean(1, dtype=self.gamma.dtype)
            centred = blocks - mean[:, None]
            var = centred.square().mean(1)
            self._remember(columns, mean.detach(), var.detach(), blocks.shape[1])
            return mean, self.gamma[:, columns] * torch.rsqrt(var + EPS), centred

    def _remember(self, columns: slice, mean: Tensor, var: Tensor, count: int) -> None:
        norms = self.norms
        var = var * (count / max(count - 1, 1))  # as torch.nn.BatchNorm2d does
        for running, value in ((norms.running_mean, mean), (norms.running_var, var)):
            running[self.rows, columns] = torch.lerp(running[self.rows, columns], value, norms.momentum)

    def _native(self, number: int, x: Tensor) -> Tensor:
        norms, columns, row = self.norms, self.norms.columns[number], self.only
        return F.batch_norm(
            x,
            norms.running_mean[row, columns],
            norms.running_var[row, columns],
            self.gamma[0, columns],
            self.beta[0, columns],
            training=True,
            momentum=norms.momentum,
            eps=EPS,
        )
