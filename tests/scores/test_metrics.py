"""Metrics against scikit-learn and scipy, and against literal computations where neither has them."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actionunits.scores import metrics

TOLERANCE = 1e-8


@st.composite
def detections(draw):
    """Labels, scores with many ties, validity: (N, A) each."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 3)))
    truth = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    levels = draw(st.sampled_from([2, 5, 1000]))
    score = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, levels))) / levels
    valid = draw(hnp.arrays(bool, shape))
    return truth, score, valid


@st.composite
def intensities(draw):
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 3)))
    truth = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 5))).astype(float)
    guess = draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 5).map(lambda v: round(v, 3))))
    return truth, guess, draw(hnp.arrays(bool, shape))


def columns(truth, guess, valid):
    for a in range(truth.shape[1]):
        known = valid[:, a]
        yield a, truth[known, a], guess[known, a]


@given(detections())
@settings(max_examples=60, deadline=None)
def test_f1_precision_recall_accuracy_are_scikit_learns(case):
    truth, score, valid = case
    detected = score >= 0.5
    for name, theirs in (
        ("f1", sklearn.metrics.f1_score),
        ("precision", sklearn.metrics.precision_score),
        ("recall", sklearn.metrics.recall_score),
        ("accuracy", sklearn.metrics.accuracy_score),
    ):
        ours = getattr(metrics, name)(truth, detected, valid)
        option = {} if name == "accuracy" else {"zero_division": 0}
        for a, t, g in columns(truth, detected, valid):
            if len(t) == 0:
                assert np.isnan(ours[a])
            else:
                assert ours[a] == pytest.approx(theirs(t, g, **option), abs=TOLERANCE)


@given(detections())
@settings(max_examples=60, deadline=None)
def test_auc_is_that_of_mann_and_whitney_and_nan_for_one_class(case):
    truth, score, valid = case
    ours = metrics.auc(truth, score, valid)
    for a, t, s in columns(truth, score, valid):
        if len(np.unique(t)) < 2:
            assert np.isnan(ours[a])
        else:
            u = scipy.stats.mannwhitneyu(s[t == 1], s[t == 0]).statistic
            assert ours[a] == pytest.approx(u / ((t == 1).sum() * (t == 0).sum()), abs=TOLERANCE)


def icc_by_anova(truth, guess):
    """ICC(3,1) from the two-way table of sums of squares, Shrout & Fleiss 1979, Table 2, cell by cell."""
    table = np.stack([truth, guess], 1)
    n, k = table.shape
    grand = sum(table[i, j] for i in range(n) for j in range(k)) / (n * k)
    row = [sum(table[i]) / k for i in range(n)]
    column = [sum(table[:, j]) / n for j in range(k)]
    between_rows = k * sum((r - grand) ** 2 for r in row) / (n - 1)
    residual = sum((table[i, j] - row[i] - column[j] + grand) ** 2 for i in range(n) for j in range(k))
    residual /= (n - 1) * (k - 1)
    return (between_rows - residual) / (between_rows + (k - 1) * residual)


@given(intensities())
@settings(max_examples=60, deadline=None)
def test_icc_is_the_analysis_of_variance(case):
    truth, guess, valid = case
    ours = metrics.icc_3_1(truth, guess, valid)
    for a, t, g in columns(truth, guess, valid):
        if len(t) < 2 or (np.ptp(t) == 0 and np.ptp(g) == 0):
            assert np.isnan(ours[a])
        else:
            assert ours[a] == pytest.approx(icc_by_anova(t, g), abs=TOLERANCE)


def test_icc_is_consistency_worked_by_hand():
    # A constant offset costs nothing in consistency; half the spread costs 2 * 1 * 0.5 / (1 + 0.25) = 0.8.
    truth = np.array([[0.0], [1.0], [2.0], [3.0]])
    valid = np.ones_like(truth, bool)
    assert metrics.icc_3_1(truth, truth + 1.5, valid)[0] == pytest.approx(1)
    assert metrics.icc_3_1(truth, truth / 2, valid)[0] == pytest.approx(0.8)
    assert metrics.icc_3_1(truth, truth[::-1], valid)[0] == pytest.approx(-1)


@given(intensities())
@settings(max_examples=60, deadline=None)
def test_mae_is_literal_and_pearson_scipys(case):
    truth, guess, valid = case
    mae, pcc = metrics.mae(truth, guess, valid), metrics.pcc(truth, guess, valid)
    for a, t, g in columns(truth, guess, valid):
        if len(t) == 0:
            assert np.isnan(mae[a]) and np.isnan(pcc[a])
            continue
        assert mae[a] == pytest.approx(sum(map(abs, t - g)) / len(t), abs=TOLERANCE)
        if np.ptp(t) == 0 or np.ptp(g) == 0:
            assert np.isnan(pcc[a])
        else:
            assert pcc[a] == pytest.approx(scipy.stats.pearsonr(t, g).statistic, abs=TOLERANCE)


def random_case(seed=0, rows=200, aus=5):
    rng = np.random.default_rng(seed)
    present = rng.integers(0, 2, (rows, aus))
    score = np.clip(0.3 * present + rng.random((rows, aus)), 0, 1)
    intensity = rng.integers(0, 6, (rows, aus)).astype(float)
    predicted = intensity + rng.normal(size=(rows, aus))
    return present, score, intensity, predicted, rng.random((rows, aus)) < 0.7


OCCURRENCE = ("f1", "f1_norm", "precision", "recall", "accuracy", "auc", "best_f1_threshold")
INTENSITY = ("icc_3_1", "mae", "pcc")


@pytest.mark.parametrize("name", OCCURRENCE + INTENSITY)
def test_unknown_labels_change_nothing(name):
    present, score, intensity, predicted, valid = random_case()
    truth, guess = (present, score) if name in OCCURRENCE else (intensity, predicted)
    if name in ("f1", "f1_norm", "precision", "recall", "accuracy"):
        guess = guess >= 0.5
    before = getattr(metrics, name)(truth, guess, valid)
    rng = np.random.default_rng(1)
    changed = np.where(valid, truth, rng.integers(0, 2, truth.shape))
    spoiled = guess if guess.dtype == bool else np.where(valid, guess, np.nan)
    np.testing.assert_array_equal(getattr(metrics, name)(changed, spoiled, valid), before)
    assert np.isfinite(before).all()


@pytest.mark.parametrize("name", OCCURRENCE + INTENSITY)
def test_order_of_aus_and_frames_changes_no_score(name):
    present, score, intensity, predicted, valid = random_case()
    truth, guess = (present, score) if name in OCCURRENCE else (intensity, predicted)
    if name in ("f1", "f1_norm", "precision", "recall", "accuracy"):
        guess = guess >= 0.5
    before = getattr(metrics, name)(truth, guess, valid)
    aus, frames = [3, 0, 4, 1, 2], np.random.default_rng(2).permutation(len(truth))
    after = getattr(metrics, name)(truth[frames][:, aus], guess[frames][:, aus], valid[frames][:, aus])
    np.testing.assert_allclose(after, before[aus], atol=1e-12)


@given(detections())
@settings(max_examples=60, deadline=None)
def test_no_threshold_beats_the_best_one(case):
    truth, score, valid = case
    threshold = metrics.best_f1_threshold(truth, score, valid)
    for a, t, s in columns(truth, score, valid):
        if not t.any():
            assert np.isnan(threshold[a])
            continue
        reached = sklearn.metrics.f1_score(t, s >= threshold[a])
        for other in np.unique(s):
            assert reached >= sklearn.metrics.f1_score(t, s >= other) - 1e-12


def test_threshold_lies_halfway_between_scores():
    truth = np.array([[0], [0], [1], [1]])
    score = np.array([[0.1], [0.2], [0.6], [0.9]])
    assert metrics.best_f1_threshold(truth, score, np.ones_like(truth, bool))[0] == pytest.approx(0.4)


def test_counts_worked_by_hand():
    truth = np.array([[1], [1], [0], [0], [1], [0]])
    guess = np.array([[1], [0], [1], [0], [1], [1]])
    valid = np.array([[1], [1], [1], [1], [1], [0]], bool)
    assert metrics.confusion(truth, guess, valid).tolist() == [[2, 1, 1, 1]]
    assert metrics.f1(truth, guess, valid)[0] == pytest.approx(2 / 3)
    assert metrics.accuracy(truth, guess, valid)[0] == pytest.approx(3 / 5)


def test_f1_norm_worked_by_hand():
    # 10 positives, 90 negatives: q = 1/9. TP 8, FN 2, FP 9, so 2 * 8 / (2 * 8 + 9 / 9 + 2).
    assert metrics.f1_norm_from(np.array([[8, 9, 2, 81]]))[0] == pytest.approx(16 / 19)
    assert metrics.f1_from(np.array([[8, 9, 2, 81]]))[0] == pytest.approx(16 / 27)
    # One class only: there is no rate of hits, or none of false alarms.
    assert np.isnan(metrics.f1_norm_from(np.array([[8, 0, 2, 0], [0, 9, 0, 81], [0, 0, 0, 0]]))).all()


@pytest.mark.parametrize("negatives", [10, 100, 5000])
def test_f1_norm_does_not_see_the_base_rate(negatives):
    counts = np.array([[60, round(0.1 * negatives), 40, negatives - round(0.1 * negatives)]])
    assert metrics.f1_norm_from(counts)[0] == pytest.approx(2 * 0.6 / 1.7)
    balanced = np.array([[60, 10, 40, 90]])
    assert metrics.f1_norm_from(counts)[0] == pytest.approx(metrics.f1_from(balanced)[0])


def test_nothing_present_and_nothing_detected_is_f1_zero():
    zeros, known = np.zeros((4, 1)), np.ones((4, 1), bool)
    assert metrics.f1(zeros, zeros, known)[0] == 0


def test_mean_leaves_out_aus_without_a_value():
    assert metrics.mean_over_aus(np.array([0.5, np.nan, 0.7])) == pytest.approx(0.6)
    assert np.isnan(metrics.mean_over_aus(np.array([np.nan])))


def test_a_missing_prediction_is_an_error_not_a_score():
    truth = np.array([[1.0], [0.0], [2.0]])
    guess = np.array([[1.0], [np.nan], [2.0]])
    with pytest.raises(ValueError, match="finite"):
        metrics.mae(truth, guess, np.ones_like(truth, bool))
    with pytest.raises(ValueError, match="shape"):
        metrics.f1(truth, guess[:2], np.ones_like(truth, bool))
