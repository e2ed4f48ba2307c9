"""The linear AU classifier on frozen features, and its loss (TCAE, Sec. 4.1).

"A batch-norm layer followed by a linear fully connected layer with no bias": the batch norm's scale is one with the
weights W of the linear layer, and its shift b reaches the outputs as W b, an intercept of every AU. These intercepts
are kept in place of the shift, which gives the same functions and a row to every AU.

Symbols: z logit, y presence, v valid, B batch, D features, A AUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.batch import Batch
from actionunits.models.contract import Stage

START_STD = 0.01  # the problem is convex: any small start does


class Probe(nn.Module):
    """Features (B, D) to logits (B, A), (B, 0) without labels; while it learns, no gradient reaches the features."""

    class_weights: Tensor

    def __init__(self, features: int, aus: int, rates: Sequence[float] = ()) -> None:
        """rates: base rate of each AU in the labels; a half where they are left out.

        Raises ValueError for another number of them.
        """
        super().__init__()
        if rates and len(rates) != aus:
            raise ValueError(f"au_rates has {len(rates)} values for {aus} action units")
        weights = class_weights(torch.tensor(rates or [0.5] * aus))
        self.register_buffer("class_weights", weights, persistent=False)
        self.norm = nn.BatchNorm1d(features, affine=False)  # the weights scale as well
        self.weight = nn.Parameter(START_STD * torch.randn(aus, features))
        self.intercept = nn.Parameter(torch.zeros(aus))

    def forward(self, features: Tensor) -> Tensor:
        # Tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            # While it learns, the features stay; afterwards pictures can be asked what they do to an action unit.
            features = features.detach() if self.training else features
            return F.linear(self.norm(features.to(self.weight.dtype)), self.weight, self.intercept)

    def losses(self, z: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What labels teach it. z: its logits, (B, A). Raises ValueError for a batch without labels."""
        if batch.au_present is None or batch.au_present_valid is None:
            raise ValueError("the batch carries no occurrence labels")
        return {"occurrence": probe_loss(z, batch.au_present, batch.au_present_valid, self.class_weights)}


def probe_stage(config: Any) -> Stage:
    """The stage in which the probe of a self-supervised model learns; config: with `probe_epochs` and `probe_lr`."""
    return Stage.of(
        config,
        name="probe",
        parameters=("probe.",),
        epochs=config.probe_epochs,
        optimizer="adam",
        lr=config.probe_lr,
        weight_decay=0.0,
        schedule="cosine",
        patience=0,
        time_share=0.1,
    )


def class_weights(rates: Tensor) -> Tensor:
    """Weights of absent and present labels inverse to their frequency, with mean 1 over the labels, (A,) -> (A, 2).

    A class that makes up less than a thousandth counts as a thousandth.

    >>> class_weights(torch.tensor([0.25])).tolist()
    [[0.6666666865348816, 2.0]]
    """
    present = rates.clamp(1e-3, 1 - 1e-3)
    return 0.5 / torch.stack([1 - present, present], -1)


def probe_loss(z: Tensor, y: Tensor, v: Tensor, weights: Tensor) -> Tensor:
    """Mean over known labels of the cross-entropy, each weighed by its class: `class_weights`. TCAE Sec. 4.1.

    z logits, y labels 0 or 1, v whether known: (B, A); weights: (A, 2).
    """
    target = torch.where(v, y, 0).to(z.dtype)
    weight = torch.where(target > 0.5, weights[:, 1], weights[:, 0])
    loss = weight * F.binary_cross_entropy_with_logits(z, target, reduction="none")
    return torch.where(v, loss, 0).sum() / v.sum().clamp(min=1)
