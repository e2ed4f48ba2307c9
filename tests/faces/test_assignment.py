"""The pairs that cost least, against all pairings there are."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from actionunits.faces.assignment import cheapest_pairs


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (2, 5), (5, 2), (5, 5)])
@pytest.mark.parametrize("impossible", [False, True])
def test_no_pairing_costs_less(shape, impossible):
    random = np.random.default_rng(sum(shape))
    for _ in range(20):
        cost = random.random(shape)
        if impossible:
            cost[random.random(shape) < 0.5] = 1e6
        pairs = cheapest_pairs(cost)
        rows, columns = zip(*pairs, strict=True)
        assert len(pairs) == len(set(rows)) == len(set(columns)) == min(shape) and list(rows) == sorted(rows)
        longer = cost if shape[0] <= shape[1] else cost.T
        least = min(
            longer[range(len(longer)), list(chosen)].sum() for chosen in permutations(range(max(shape)), len(longer))
        )
        assert cost[rows, columns].sum() == pytest.approx(least)


def test_a_crowd_is_paired_as_scipy_pairs_it():
    cost = np.random.default_rng(0).random((60, 80))
    assert cheapest_pairs(cost) == list(zip(*linear_sum_assignment(cost), strict=True))


def test_nobody_has_no_pairs():
    assert cheapest_pairs(np.zeros((0, 3))) == cheapest_pairs(np.zeros((3, 0))) == []
