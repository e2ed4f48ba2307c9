"""How the action units of a data set go together: the relation matrix of RE-Net (Sec. 3.3, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.errors import UserError


def relation_matrix(au_label: np.ndarray, au_valid: np.ndarray) -> np.ndarray:
    """Pearson correlation of every pair of AUs over the frames where both labels are known, (A, A) float64.

    au_label: (N, A) occurrence or intensity; au_valid: (N, A) bool. Symmetric, with 1 on the diagonal. NaN where one
    AU of a pair never changes over their common frames, or where they have fewer than two.

    >>> relation_matrix(np.array([[0, 1], [1, 0], [1, 0]]), np.ones((3, 2), bool)).round(2)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    known = np.where(au_valid, au_label, np.nan).astype(np.float64)
    relation = pd.DataFrame(known).corr(min_periods=2).to_numpy(copy=True)
    np.fill_diagonal(relation, 1.0)
    return relation


def label_relations(au_label_value: np.ndarray, au_valid: np.ndarray, aus: Sequence[int]) -> np.ndarray:
    """`relation_matrix` of training labels for a model that is built on it: finite, (A, A) float64.

    A pair without a correlation, such as AUs of two data sets that are never known together, has 0. Raises UserError
    for an AU whose known labels are all the same: nothing relates to it.
    """
    known = np.asarray(au_valid, bool)
    lowest = np.where(known, au_label_value, np.inf).min(0, initial=np.inf)
    highest = np.where(known, au_label_value, -np.inf).max(0, initial=-np.inf)
    for au, low, high in zip(aus, lowest, highest, strict=True):
        if high <= low or not np.isfinite(low):
            state = f"is {low:g} in every" if np.isfinite(low) else "has no"
            raise UserError(
                f"{au_label(au)} {state} known training label, so its relations to other action units are unknown; "
                "leave it out, or train with variant=learnable"
            )
    return np.nan_to_num(relation_matrix(au_label_value, known), nan=0.0)
