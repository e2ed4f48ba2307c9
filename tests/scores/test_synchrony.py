"""Synchrony on drawn courses with a known lag, against a slow loop, and its floor."""

import numpy as np
import pytest

from actionunits.scores.synchrony import MOST_LAG_S, lagged_correlations, synchrony

STEP_S = 0.1


def course(rng, frames=900):
    """Some slow movements of a face over a little noise, (T,), 0-5."""
    values = np.zeros(frames)
    for centre, width, height in zip(*rng.uniform([[0], [4], [1]], [[frames], [20], [4]], (3, 15)), strict=True):
        values += height * np.clip(1 - np.abs(np.arange(frames) - centre) / width, 0, None)
    return np.clip(values + 0.05 * rng.normal(size=frames), 0, 5)


@pytest.mark.parametrize("lag", [-17, 0, 9])
def test_a_known_lag_is_found(lag):
    rng = np.random.default_rng(1)
    first = course(rng)
    second = np.clip(0.5 * np.roll(first, lag) + 0.05 * rng.normal(size=len(first)), 0, 5)
    second[100:130] = np.nan
    told = synchrony(first, second, STEP_S)
    assert told.lag_s == pytest.approx(lag * STEP_S) and told.peak_r > 0.95 > told.floor_r + 0.3
    assert (told.r == pytest.approx(told.peak_r)) == (lag == 0)
    assert told.frames == len(first) - abs(lag) - 30


def test_correlations_are_those_of_a_slow_loop():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 60))
    first[5:9], second[30:41] = np.nan, np.nan
    r, known = lagged_correlations(first, second, 100)
    for lag in range(-30, 31):
        pairs = [(first[t], second[t + lag]) for t in range(60) if 0 <= t + lag < 60]
        one, other = np.array([pair for pair in pairs if np.isfinite(pair).all()]).T
        assert known[lag] == len(one) and r[lag] == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-8)
    around, _ = lagged_correlations(first, np.nan_to_num(second), 60)
    here = np.isfinite(first)
    assert around[7] == pytest.approx(np.corrcoef(first[here], np.roll(np.nan_to_num(second), -7)[here])[0, 1])


def test_strangers_seldom_rise_above_the_floor():
    rng = np.random.default_rng(3)
    told = [synchrony(course(rng, 3000), course(rng, 3000), STEP_S) for _ in range(100)]
    assert 0.01 <= np.mean([each.peak_r > each.floor_r for each in told]) <= 0.12


def test_what_says_nothing_has_no_synchrony():
    rng = np.random.default_rng(4)
    still, moving = np.full(200, 1.5), course(rng, 200)
    apart = np.where(np.arange(200) < 100, np.nan, moving)
    assert synchrony(still, moving, STEP_S) is None
    assert synchrony(apart, apart[::-1].copy(), STEP_S) is None
    assert synchrony(moving[:90], moving[:90], STEP_S) is None  # nine seconds
    short = synchrony(moving, moving, STEP_S)
    assert short.peak_r == pytest.approx(1) and np.isnan(short.floor_r)
    assert MOST_LAG_S >= abs(short.lag_s) == 0
