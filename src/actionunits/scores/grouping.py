"""Groups of things of which the distances are known, where some must stay apart."""

from __future__ import annotations

import numpy as np


def groups(distance: np.ndarray, apart: np.ndarray, most: float) -> list[int]:
    """The group of each of N things, named by its first member: average linkage, nearest first.

    distance: (N, N), symmetric. apart: (N, N) bool, symmetric, pairs that are never in one group. most: the largest
    mean distance between the members of two groups that become one.

    >>> groups(np.array([[0, 1, 9], [1, 0, 9], [9, 9, 0]]), np.zeros((3, 3), bool), most=2)
    [0, 0, 2]
    """
    count = len(distance)
    between = np.where(apart | np.eye(count, dtype=bool), np.inf, np.asarray(distance, float))
    size, of = np.ones(count), np.arange(count)
    while count and between.min() <= most:
        one, other = sorted(divmod(int(between.argmin()), count))
        # Infinity stays: what must stay apart from one member does so from the group.
        merged = (size[one] * between[one] + size[other] * between[other]) / (size[one] + size[other])
        merged[[one, other]] = np.inf
        between[one], between[:, one] = merged, merged
        between[other], between[:, other] = np.inf, np.inf
        size[one] += size[other]
        of[of == other] = one
    return of.tolist()
