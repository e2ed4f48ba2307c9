"""The relation graph of RE-Net, and the mixing of per-AU values over it (Sec. 3.3, Eq. 5).

Symbols: w relations of the AUs, (A, A), 1 on the diagonal.
Deviations: a learned sum of relations is kept at least 0.05 away from 0; a pair of AUs without a relation has w = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actionunits.aus import au_label
from actionunits.errors import UserError

SMALLEST_SUM = 0.05  # |sum of w| that Eq. (5) may divide by


def mixing_matrix(w: Tensor, relation_sum: str) -> Tensor:
    """Eq. (5) as one matrix: its product with per-AU values (A, D) is their weighted mean for every AU.

    w: (R, A). Rows are divided by their sum, or by the sum of their absolute values ("absolute").

    >>> mixing_matrix(torch.tensor([[1.0, -0.5]]), "signed").tolist()
    [[2.0, -1.0]]
    """
    return w / _row_sum(w, relation_sum)[:, None]


def _row_sum(w: Tensor, relation_sum: str) -> Tensor:
    return (w.abs() if relation_sum == "absolute" else w).sum(1)


def check_aus(aus: Sequence[int], unseen: Sequence[int]) -> None:
    """Raises UserError where there is nothing to relate, or an unseen AU is none of the model's."""
    missing = [au for au in unseen if au not in aus]
    if missing:
        raise UserError(
            f"unseen_aus names {au_label(missing[0])}, which is not among {', '.join(map(au_label, aus))}"
        )
    if len(set(aus) - set(unseen)) < 2:
        raise UserError(
            f"RE-Net relates action units to each other and needs two or more to train on, not {len(aus)} "
            f"({len(unseen)} unseen); train resnet18 for a single one"
        )


def fixed_relations(relations: Sequence[float], aus: Sequence[int]) -> Tensor:
    """The relations of a config as (A, A) float64. Raises UserError where they are not those of these AUs."""
    count = len(aus)
    if len(relations) != count * count:
        raise UserError(
            f"the relations are {len(relations)} numbers, and {count} action units need {count * count}; "
            "leave them out, and training takes them from its labels"
        )
    w = torch.tensor(relations, dtype=torch.float64, device="cpu").view(count, count)
    if not torch.isfinite(w).all() or not bool((w.diagonal() == 1).all()):
        raise UserError("relations must be finite, with 1 of every action unit to itself")
    return w


def fixed_mixing(w: Tensor, aus: Sequence[int], unseen: Sequence[int], relation_sum: str) -> tuple[Tensor, Tensor]:
    """Mixing matrices (A, A) of scale and bias, and of the running statistics and the last layer's own rows.

    An unseen AU takes the weighted mean of the others for all of them (Table 6), and no AU leans on an unseen one;
    a trained AU keeps its own. Raises UserError for an AU whose relations add up to about 0.
    """
    new = torch.tensor([au in unseen for au in aus], device="cpu")
    w = torch.where(new[None, :], 0, w)
    total = _row_sum(w, relation_sum)
    for au, value in zip(aus, total.tolist(), strict=True):
        if abs(value) < SMALLEST_SUM:
            raise UserError(
                f"the relations of {au_label(au)} add up to {value:.3f}, too close to 0 to divide by (RE-Net Eq. 5); "
                "use relation_sum=absolute or variant=learnable"
            )
    mix = mixing_matrix(w, relation_sum)
    return mix, torch.where(new[:, None], mix, torch.eye(len(aus), dtype=w.dtype, device="cpu"))


class RelationGraph(nn.Module):
    """Mixing matrices of the AUs, from fixed relations or learned ones (Table 7); without any they mix nothing."""

    w: Tensor
    mix: Tensor
    statistics: Tensor | None
    seen: Tensor

    def __init__(
        self,
        aus: Sequence[int],
        variant: str,
        relation_sum: str,
        relations: Sequence[float] = (),
        unseen: Sequence[int] = (),
    ) -> None:
        super().__init__()
        check_aus(aus, unseen)
        self.relation_sum = relation_sum
        # Which AUs train.
        self.rows = tuple(k for k, au in enumerate(aus) if au not in unseen)
        self.weights: nn.Parameter | None = None
        if variant == "learnable":
            self.statistics = None
            # Sums of these rows lie between 1 / A and 2.
            self.weights = nn.Parameter(torch.empty(len(aus), len(aus)).uniform_(-1 / len(aus), 1 / len(aus)))
            return
        w = fixed_relations(relations, aus) if variant == "fixed" else torch.eye(len(aus), dtype=torch.float64)
        mix, statistics = fixed_mixing(w, aus, unseen, relation_sum)
        kind = torch.get_default_dtype()
        self.register_buffer("w", w.to(kind), persistent=False)
        self.register_buffer("mix", mix.to(kind), persistent=False)
        self.register_buffer("statistics", statistics.to(kind) if unseen else None, persistent=False)

    def relations(self) -> Tensor:
        """w, (A, A): of the training labels, as learned, or of every AU to itself alone."""
        if self.weights is None:
            return self.w
        return self.weights - torch.diag_embed(self.weights.diagonal() - 1)

    def mixing(self) -> Tensor:
        """(A, A): Eq. (5) of all AUs."""
        if self.weights is None:
            return self.mix
        w = self.relations()
        total = _row_sum(w, self.relation_sum)
        safe = torch.where(total < 0, total.clamp(max=-SMALLEST_SUM), total.clamp(min=SMALLEST_SUM))
        return w / safe[:, None]
