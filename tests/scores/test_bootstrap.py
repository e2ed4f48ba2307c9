import numpy as np
import pytest

from actionunits.scores import bootstrap, events, metrics


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    n, a = 240, 3
    subject = rng.integers(0, 8, n)
    present = (rng.random((n, a)) < 0.3).astype(int)
    score = np.round(0.2 * present + rng.random((n, a)), 2)  # with ties
    intensity = rng.integers(0, 6, (n, a)).astype(float)
    predicted = 0.6 * intensity + rng.normal(size=(n, a))
    valid = rng.random((n, a)) < 0.8
    return subject, present, score, intensity, predicted, valid


def test_replicates_equal_the_metric_of_the_drawn_rows(case):
    subject, present, score, intensity, predicted, valid = case
    draws = bootstrap.draw_subjects(8, 12, seed=1)
    f1 = bootstrap.f1(draws, subject, present, score >= 0.6, valid)
    auc = bootstrap.auc(draws, subject, present, score, valid)
    icc = bootstrap.icc_3_1(draws, subject, intensity, predicted, valid)
    mae = bootstrap.mae(draws, subject, intensity, predicted, valid)
    for r, times in enumerate(draws):
        rows = np.concatenate([np.tile(np.flatnonzero(subject == s), t) for s, t in enumerate(times)])
        np.testing.assert_allclose(f1[r], metrics.f1(present[rows], score[rows] >= 0.6, valid[rows]), atol=1e-12)
        np.testing.assert_allclose(auc[r], metrics.auc(present[rows], score[rows], valid[rows]), atol=1e-12)
        np.testing.assert_allclose(icc[r], metrics.icc_3_1(intensity[rows], predicted[rows], valid[rows]), atol=1e-9)
        np.testing.assert_allclose(mae[r], metrics.mae(intensity[rows], predicted[rows], valid[rows]), atol=1e-9)


def test_event_replicates_equal_f1_event_of_clips_that_are_drawn_again(case):
    subject, present, score, _, _, valid = case
    subject = np.sort(subject)
    frame = np.concatenate([np.arange(n) for n in np.bincount(subject)])
    draws = bootstrap.draw_subjects(8, 5, seed=1)
    timeline = events.Timeline.of(subject, frame)
    found = bootstrap.f1_event(draws, subject, present, score >= 0.6, valid, timeline)
    for r, times in enumerate(draws):
        pieces = [np.flatnonzero(subject == s) for s, t in enumerate(times) for _ in range(t)]
        rows, clip = np.concatenate(pieces), np.repeat(np.arange(len(pieces)), [len(p) for p in pieces])
        again = events.Timeline.of(clip, frame[rows])
        expected = events.f1_event(present[rows], score[rows] >= 0.6, valid[rows], again)
        np.testing.assert_allclose(found[r], expected, atol=1e-12)


def test_auc_does_not_depend_on_how_many_subjects_are_counted_together(case, monkeypatch):
    subject, present, score, _, _, valid = case
    draws = bootstrap.draw_subjects(8, 12, seed=1)
    together = bootstrap.auc(draws, subject, present, score, valid)
    monkeypatch.setattr(bootstrap, "SUBJECTS_AT_ONCE", 3)
    np.testing.assert_array_equal(bootstrap.auc(draws, subject, present, score, valid), together)


def test_draws_are_whole_and_repeatable():
    draws = bootstrap.draw_subjects(27, 100, seed=3)
    assert (draws.sum(1) == 27).all() and draws.min() == 0 and draws.max() > 1
    np.testing.assert_array_equal(draws, bootstrap.draw_subjects(27, 100, seed=3))
    assert (draws != bootstrap.draw_subjects(27, 100, seed=4)).any()


def test_interval_is_of_the_mean_over_aus():
    values = np.stack([np.arange(1001) / 1000, np.arange(1001) / 1000 + 1, np.full(1001, np.nan)], 1)
    low, high = bootstrap.interval_of_mean(values)
    assert low == pytest.approx(0.525) and high == pytest.approx(1.475)


def test_one_class_and_constants_give_no_value(case):
    subject, present, score, intensity, _, valid = case
    draws = bootstrap.draw_subjects(8, 5, seed=1)
    assert np.isnan(bootstrap.auc(draws, subject, present * 0, score, valid)).all()
    assert np.isnan(bootstrap.icc_3_1(draws, subject, intensity * 0, intensity * 0, valid)).all()
    assert np.isnan(bootstrap.interval_of_mean(np.full((5, 2), np.nan))).all()


def test_interval_covers_people_not_frames():
    # Ten people of 200 frames each, five of whom are always right: frames are many, people few.
    rng = np.random.default_rng(5)
    subject = np.repeat(np.arange(10), 200)
    present = rng.integers(0, 2, (2000, 1))
    detected = np.where((subject < 5)[:, None], present, rng.integers(0, 2, (2000, 1)))
    draws = bootstrap.draw_subjects(10, 500, seed=0)
    low, high = bootstrap.interval_of_mean(bootstrap.f1(draws, subject, present, detected, np.ones((2000, 1), bool)))
    assert high - low > 0.2
