import numpy as np
import pytest
from scipy.stats import norm

from actionunits.datasets.sampling.balance import (
    au_rates,
    balance_weight,
    duplicate_weight,
    repeat_weight,
    scarce_aus,
)
from actionunits.datasets.sampling.rows import Sampler
from actionunits.errors import UserError

# EAC-Net, Table II.
BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
BP4D_BEFORE = np.array([0.24, 0.18, 0.23, 0.44, 0.52, 0.58, 0.57, 0.43, 0.15, 0.36, 0.19, 0.16])
BP4D_AFTER = np.array([0.39, 0.32, 0.33, 0.45, 0.54, 0.60, 0.56, 0.49, 0.30, 0.50, 0.33, 0.30])
# OF-Net, Table II.
DISFA_AUS = (1, 2, 4, 6, 9, 12, 25, 26)
DISFA_BEFORE = np.array([0.05, 0.04, 0.15, 0.12, 0.04, 0.18, 0.27, 0.15])


def drawn_labels(rates, together, rows=40_000, seed=0):
    """(rows, A) labels of these rates; `together` (A,) is how much each AU follows one hidden cause."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(rows, 1))
    level = together * cause + np.sqrt(1 - together**2) * rng.normal(size=(rows, len(rates)))
    return (level > norm.ppf(1 - rates)).astype(np.uint8)


def rates_when_shown(present, weight):
    return (weight[:, None] * present).sum(0) / weight.sum()


def some_labels(seed=0, rows=3000, aus=5):
    rng = np.random.default_rng(seed)
    present = (rng.random((rows, aus)) < np.linspace(0.05, 0.6, aus)).astype(np.uint8)
    return present, rng.random((rows, aus)) < 0.7


def test_the_two_groups_are_those_of_the_papers():
    assert [au for au, s in zip(BP4D_AUS, scarce_aus(BP4D_BEFORE), strict=True) if s] == [1, 2, 4, 15, 23, 24]
    assert [au for au, s in zip(DISFA_AUS, scarce_aus(DISFA_BEFORE), strict=True) if s] == [1, 2, 9]
    assert not scarce_aus(np.array([0.2, 0.25, 0.3])).any()
    assert not scarce_aus(np.array([0.01])).any() and not scarce_aus(np.zeros(3)).any()
    np.testing.assert_array_equal(scarce_aus(np.array([0.5, 0.0, 0.1])), [False, False, True])


def test_repetition_gives_the_rates_of_eacnets_table_2():
    # Scarce AUs come together (any of them in about half of the frames, as the table's second row implies), and AU17
    # with them.
    together = np.where(BP4D_BEFORE < 0.3, 0.7, 0.1)
    together[BP4D_AUS.index(17)] = 0.5
    present = drawn_labels(BP4D_BEFORE, together)
    weight = repeat_weight(present, np.ones_like(present, bool))
    shown = rates_when_shown(present, weight)
    scarce = BP4D_BEFORE < 0.3
    assert (np.abs(shown - BP4D_AFTER)[scarce] < 0.06).all()
    assert np.abs(shown - BP4D_AFTER).mean() < 0.03 < np.abs(BP4D_BEFORE - BP4D_AFTER).mean() / 2
    assert (np.abs(shown - BP4D_BEFORE)[~scarce] < 0.11).all()
    assert set(np.round(np.unique(weight[weight > 1]), 1)) <= set(np.arange(40, 71) / 10)


def test_the_sampler_shows_what_the_weights_promise():
    present = drawn_labels(BP4D_BEFORE, np.full(12, 0.5), rows=4000)
    weight = repeat_weight(present, np.ones_like(present, bool))
    sampler = Sampler(len(present), 50, 1, weight)
    rows = np.concatenate([sampler.batch_indices(step) for step in range(sampler.steps_per_epoch)])
    np.testing.assert_allclose(present[rows].mean(0), rates_when_shown(present, weight), atol=0.01)


def test_repetition_lifts_the_scarce_aus_of_ofnets_table_2():
    present = drawn_labels(DISFA_BEFORE, np.zeros(8))
    shown = rates_when_shown(present, repeat_weight(present, np.ones_like(present, bool)))
    scarce = DISFA_BEFORE <= 0.05
    assert (shown[scarce] > 2 * DISFA_BEFORE[scarce]).all()  # 0.12, 0.11 and 0.10 in the table
    assert shown.max() / shown.min() < DISFA_BEFORE.max() / DISFA_BEFORE.min() / 2


def test_a_named_aus_frames_are_duplicated_once():
    present = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], np.uint8)
    known = np.ones_like(present, bool)
    known[2, 0] = False
    np.testing.assert_array_equal(balance_weight("duplicate", (1, 6, 15), present, known, (1, 15)), [2, 1, 1, 2, 1])
    assert balance_weight("none", (1, 6, 15), present, known) is None
    np.testing.assert_array_equal(balance_weight("repeat", (1, 6, 15), present, known, (15,)), [1, 1, 1, 5, 1])
    np.testing.assert_array_equal(
        balance_weight("repeat", (1, 6, 15), present, known, (15,), (2.0, 3.0)), [1, 1, 1, 3, 1]
    )


@pytest.mark.parametrize(
    ("balance", "named", "times", "message"),
    [
        ("twice", (), (4.0, 7.0), "unknown balance 'twice'; known are none, repeat, duplicate"),
        ("repeat", (2,), (4.0, 7.0), "balance_aus names AU02"),
        ("repeat", (), (7.0, 4.0), "balance_times must be two rising numbers"),
        ("repeat", (), (4.0,), "balance_times must be two rising numbers"),
    ],
)
def test_impossible_settings_are_told(balance, named, times, message):
    present, known = some_labels()
    with pytest.raises(UserError, match=message):
        balance_weight(balance, (1, 4, 6, 12, 17), present, known, named, times)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rule", [repeat_weight, duplicate_weight, au_rates])
def test_unknown_labels_change_nothing(rule, seed):
    present, known = some_labels(seed)
    other = np.where(known, present, 1 - present)
    np.testing.assert_array_equal(rule(present, known), rule(other, known))
