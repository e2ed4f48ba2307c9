"""The last layer of RE-Net: a row of weights for every action unit, or one for all (`head`).

With rows of their own, scale 1 and bias 0 make RE-Net the vanilla ResNet-18, as Sec. 4.6 says; one shared row would
then answer alike for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actionunits.models.renet import loss
from actionunits.models.renet.graph import RelationGraph


class OwnHead(nn.Module):
    """Features of every AU (B, R, D) to its outputs (B, R, O), by weights that the AU owns: (A, O, D) and (A, O).

    An unseen AU has the weighted mean of the others' rows, as of their statistics.
    """

    def __init__(self, aus: int, features: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(features)  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(aus, outputs, features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(aus, outputs).uniform_(-bound, bound))

    @torch.no_grad()
    def start(self, row: int, presence: tuple[Tensor, Tensor], intensity: tuple[Tensor, Tensor], tasks: str) -> None:
        """Answer for an AU as a linear layer does; each pair is its weights (D,) and its bias.

        Level k gets the logit k a + log C(5, k), a the activation of intensity. The softmax over the levels is then
        the binomial distribution of 5 trials with probability s(a), whose mean is the intensity 5 s(a).
        """
        outputs = [presence] if tasks != "intensity" else []
        if tasks != "occurrence":
            ways = [math.log(math.comb(loss.LEVELS - 1, k)) for k in range(loss.LEVELS)]
            outputs += [(k * intensity[0], k * intensity[1] + ways[k]) for k in range(loss.LEVELS)]
        for number, (weight, bias) in enumerate(outputs):
            self.weight[row, number], self.bias[row, number] = weight, bias

    def forward(self, features: Tensor, graph: RelationGraph, rows: Sequence[int]) -> Tensor:
        chosen = list(rows)
        weight, bias = self.weight[chosen], self.bias[chosen]
        if graph.statistics is not None:
            mix = graph.statistics[chosen]
            weight, bias = torch.einsum("rb,bod->rod", mix, self.weight), mix @ self.bias
        return torch.einsum("brd,rod->bro", features, weight) + bias


class SharedHead(nn.Linear):
    """The same with one row of weights, read once per AU."""

    def forward(self, features: Tensor, graph: RelationGraph, rows: Sequence[int]) -> Tensor:  # type: ignore[override]
        return super().forward(features)
