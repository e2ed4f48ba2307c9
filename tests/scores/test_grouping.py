"""Groups by mean distance: what is near becomes one, what must stay apart never does, not even over a third."""

import numpy as np
import pytest

from actionunits.scores.grouping import groups

POINTS = np.array([0.0, 1.0, 10.0, 0.5, 11.0])
DISTANCE = np.abs(POINTS[:, None] - POINTS)


def pairs(*marked):
    apart = np.zeros((5, 5), bool)
    for one, other in marked:
        apart[one, other] = apart[other, one] = True
    return apart


@pytest.mark.parametrize(
    ("apart", "most", "expected"),
    [
        (pairs(), 2, [0, 0, 2, 0, 2]),
        (pairs(), 0.1, [0, 1, 2, 3, 4]),
        (pairs(), 100, [0, 0, 0, 0, 0]),
        (pairs((0, 1)), 2, [0, 1, 2, 0, 2]),
        (pairs((0, 1), (2, 4)), 100, [0, 1, 1, 0, 0]),
    ],
    ids=["near", "none", "all", "apart over a third", "two sides"],
)
def test_groups(apart, most, expected):
    assert groups(DISTANCE, apart, most) == expected


def test_nothing_has_no_groups():
    assert groups(np.zeros((0, 0)), np.zeros((0, 0), bool), 1) == []
