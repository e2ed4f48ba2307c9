"""Readings over time: simple baselines, on outputs of models that do not exist."""

import dataclasses

import numpy as np
import pytest
from drawn_predictions import drawn_predictions, labelled_rows

from actionunits.aus import au_label
from actionunits.detection.calibration import Calibration, RestCollector, RestSoFar, logit_of
from actionunits.errors import UserError
from actionunits.evaluation.crossval import FoldOutputs
from actionunits.evaluation.over_time import READINGS, WINDOW, read_over_time
from actionunits.evaluation.plan import Run, published_row
from actionunits.evaluation.protocols import score_frames
from actionunits.evaluation.published import table
from actionunits.evaluation.reproduction import over_time
from actionunits.scores.resting import MIN_FRAMES, next_look
from actionunits.types import Prediction

NEUTRAL = {"AU01": -1.0, "AU04": -2.0, "AU12": -1.5}
QUIET = 0.1  # noise in which people still rest


def told(frames, rows):
    """The rows as predictions of a detector."""
    return [
        Prediction(
            aus=frames.aus,
            au_prob=frames.au_prob[row].astype(np.float32),
            au_intensity=frames.au_intensity_predicted[row],
            au_present=frames.au_detected[row],
        )
        for row in rows
    ]


def assert_moved(found, frames, row, moved):
    np.testing.assert_allclose(found.au_prob[row], moved.au_prob, atol=1e-5)
    np.testing.assert_allclose(found.au_intensity_predicted[row], moved.au_intensity, atol=1e-4)
    assert (found.au_detected[row] == moved.au_present).all()


def test_calibrated_is_what_detection_does_with_a_clip():
    frames = drawn_predictions(noise=QUIET)
    found = read_over_time(frames, "calibrated", NEUTRAL)
    rows = np.flatnonzero(frames.subject.number == 3)
    said, collector = told(frames, rows), RestCollector()
    for one in said:
        collector.add(one, 0)
    usual = np.array([NEUTRAL[au_label(au)] for au in frames.aus])
    assert collector.references(usual).keys() == {0}
    calibrate = Calibration(frames.thresholds, usual, collector.references(usual))
    assert np.abs(found.au_prob[rows] - frames.au_prob[rows]).max() > 0.01
    for row, one in zip(rows, said, strict=True):
        assert_moved(found, frames, row, calibrate(one, 0))


def test_a_clip_without_rest_stays_as_it_is():
    frames = drawn_predictions(noise=QUIET)
    acting = dataclasses.replace(frames, au_intensity_predicted=np.full_like(frames.au_intensity_predicted, 3))
    for reading in ("calibrated", "so-far"):
        found = read_over_time(acting, reading, NEUTRAL)
        np.testing.assert_array_equal(found.au_prob, frames.au_prob)
        np.testing.assert_array_equal(found.au_intensity_predicted, acting.au_intensity_predicted)


def test_so_far_is_what_detection_does_with_a_webcam():
    frames = drawn_predictions(noise=QUIET)
    found = read_over_time(frames, "so-far", NEUTRAL)
    rows = np.flatnonzero(frames.subject.number == 3)
    usual = np.array([NEUTRAL[au_label(au)] for au in frames.aus])
    rest, measured = RestSoFar(usual), 0
    for row, one in zip(rows, told(frames, rows), strict=True):
        rest.add(one, 0)
        measured += bool(rest.shown)
        assert_moved(found, frames, row, Calibration(frames.thresholds, usual, rest.shown)(one, 0))
    assert 0 < measured <= len(rows) - MIN_FRAMES + 1


def test_so_far_looks_back_alone_and_agrees_with_calibrated_at_a_look():
    frames = drawn_predictions(labelled_rows(subjects=1, frames=100), noise=QUIET)
    look = next_look(next_look(next_look(0)))
    whole, part = (read_over_time(frames.select(np.arange(n)), "so-far", NEUTRAL) for n in (100, look))
    np.testing.assert_array_equal(whole.au_prob[:look], part.au_prob)
    offline = read_over_time(frames.select(np.arange(look)), "calibrated", NEUTRAL)
    np.testing.assert_array_equal(part.au_prob[-1], offline.au_prob[-1])
    assert np.abs(part.au_prob[-1] - frames.au_prob[look - 1]).max() > 1e-3
    np.testing.assert_allclose(part.au_prob[: MIN_FRAMES - 1], frames.au_prob[: MIN_FRAMES - 1], atol=1e-5)


def test_the_minimum_looks_back_and_the_average_around():
    frames = drawn_predictions(labelled_rows(subjects=2, frames=40))
    odds = logit_of(frames.au_prob)
    lowest, mean = (logit_of(read_over_time(frames, name, NEUTRAL).au_prob) for name in ("minimum", "average"))
    for start in (0, 40):
        for k in range(40):
            row = start + k
            expected = odds[row] + list(NEUTRAL.values()) - odds[start : row + 1].min(0)
            np.testing.assert_allclose(lowest[row], expected, atol=1e-3)
            window = np.clip(np.arange(row - WINDOW // 2, row + WINDOW // 2 + 1), start, start + 39)
            np.testing.assert_allclose(mean[row], odds[window].mean(0), atol=1e-3)


def test_order_of_rows_is_of_no_account():
    frames = drawn_predictions()
    order = np.random.default_rng(0).permutation(len(frames))
    for name in READINGS:
        whole, mixed = (read_over_time(part, name, NEUTRAL) for part in (frames, frames.select(order)))
        np.testing.assert_allclose(mixed.au_prob, whole.au_prob[order])


def test_a_constant_offset_of_a_person_is_removed_and_noise_is_averaged():
    frames = drawn_predictions(noise=0.4)
    offset = np.random.default_rng(1).normal(0, 3, 8)[frames.subject.number][:, None]
    shifted = dataclasses.replace(frames, au_prob=1 / (1 + np.exp(-(logit_of(frames.au_prob) + offset))))
    auc = {
        name: score_frames(read_over_time(shifted, name, NEUTRAL), 5).means["auc"] for name in ("average", "minimum")
    }
    plain = score_frames(shifted, 5).means["auc"]
    assert auc["minimum"] > plain + 0.05
    noisy = drawn_predictions(noise=2.5)
    averaged = read_over_time(noisy, "average", NEUTRAL)
    assert score_frames(averaged, 5).means["auc"] > score_frames(noisy, 5).means["auc"]


def test_a_frame_reader_of_a_table_about_time_gets_its_baselines():
    outputs = [FoldOutputs("1", None, {"neutral_logit": NEUTRAL}, drawn_predictions())]
    run = Run("hybrid:anet")
    found = list(over_time(table("hybrid-table2"), run, outputs))
    assert [one.words for one, _ in found] == [("over_time=average",), ("over_time=minimum",)]
    for one, (read,) in found:
        expected = read_over_time(outputs[0].frames, one.settings["over_time"], NEUTRAL)
        np.testing.assert_array_equal(read.frames.au_prob, expected.au_prob)
        scale = ", ".join(("paper", *one.words))
        assert published_row(table("hybrid-table2"), "f1", one.model, "folds-3", "", scale) is None
    assert not list(over_time(table("hybrid-table2"), Run("hybrid"), outputs))
    assert not list(over_time(table("renet-table1"), run, outputs))


def test_what_cannot_be_read_is_told():
    frames = drawn_predictions()
    with pytest.raises(UserError, match="time 'median'; known are average, minimum, calibrated, so-far"):
        read_over_time(frames, "median", NEUTRAL)
    with pytest.raises(UserError, match="single pictures"):
        read_over_time(frames.select(np.arange(0, len(frames), 60)), "average", NEUTRAL)
    with pytest.raises(UserError, match="does not say how it reads a resting face"):
        read_over_time(frames, "minimum", {"AU01": 0.0})
