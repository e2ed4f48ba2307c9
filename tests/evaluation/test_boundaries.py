"""Onsets and offsets of events against cases that can be counted by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from random_crops import random_people

from actionunits.errors import UserError
from actionunits.evaluation.boundaries import boundaries
from actionunits.evaluation.predictions import FramePredictions, write_predictions
from actionunits.reports.image_file import save_figure
from actionunits.reports.onsets import onset_figure, onset_table, read_boundaries, write_onset_table
from actionunits.training.validation import CropPredictions


def frames_of(truth, guess, known=None, clips=1):
    """One AU, a letter per frame: # present, . absent."""
    present, detected = (np.array([c == "#" for c in text])[:, None] for text in (truth, guess))
    data = random_people(len(truth), subjects=clips).of_aus((12,))
    valid = np.ones_like(present) if known is None else np.array([c == "1" for c in known])[:, None]
    length = len(truth) // clips
    number = np.repeat(np.arange(clips), length).astype(np.int32)
    frame = np.tile(np.arange(length), clips).astype(np.int32)
    data = dataclasses.replace(
        data, au_present=present.astype(np.uint8), au_present_valid=valid, subject=number, clip=number, frame=frame
    )
    logit = np.where(detected, 2.0, -2.0).astype(np.float32)
    return FramePredictions.of(data, CropPredictions(logit, None), np.array([0.5]))


def test_late_and_early_boundaries_are_counted_in_frames():
    b = boundaries(frames_of("..####....###..", ".....###..##..."))
    assert b.found.tolist() == [True, True]
    assert b.onset.tolist() == [3, 0] and b.offset.tolist() == [2, -1]
    assert len(b.detected) == 2


def test_a_missed_event_has_no_error_and_a_broken_one_that_of_its_largest_part():
    b = boundaries(frames_of("..######..##.", "..#..###....."))
    assert b.found.tolist() == [True, False]
    assert b.onset[0] == 3 and b.offset[0] == 0 and np.isnan(b.onset[1]) and len(b.detected) == 2


def test_events_that_are_cut_off_have_no_error_there():
    b = boundaries(frames_of("###...###", "..#..####"))
    np.testing.assert_array_equal(b.onset, [np.nan, -1])
    np.testing.assert_array_equal(b.offset, [0, np.nan])


def test_an_unknown_label_ends_a_stretch():
    b = boundaries(frames_of("..####..", "..####..", "11101111"))
    # The unknown frame splits the event: neither part is seen where it is cut.
    np.testing.assert_array_equal(b.onset, [0, np.nan])
    np.testing.assert_array_equal(b.offset, [np.nan, 0])


def test_clips_do_not_run_into_each_other():
    b = boundaries(frames_of("...##" + "##...", "....#" + "##...", clips=2))
    np.testing.assert_array_equal(b.onset, [1, np.nan])
    np.testing.assert_array_equal(b.offset, [np.nan, 0])
    assert b.owner.tolist() == [0, 1]


def test_table_and_picture_of_two_models(tmp_path):
    truth = "..####...###..##....."
    for name, guess in (("good", "..###....####.##....."), ("late", ".....##....##...##...")):
        (tmp_path / name).mkdir()
        write_predictions(tmp_path / name / "predictions.parquet", frames_of(truth, guess))
    found = read_boundaries([tmp_path / name / "predictions.parquet" for name in ("good", "late")])
    table = onset_table(found, 50).set_index("model")
    assert table.loc["good", "found"] == 1 and table.loc["late", "found"] == pytest.approx(2 / 3)
    assert table.loc["good", "onset"] == 0 and table.loc["good", "offset"] == pytest.approx(2 / 3)
    assert table.loc["late", "onset"] == pytest.approx(2.5) and table.loc["late", "events"] == 3
    assert table.loc["good", "offset_median"] == 1  # of 1, 1 and 0
    write_onset_table(table.reset_index(), tmp_path / "onsets.csv")
    again = pd.read_csv(tmp_path / "onsets.csv").set_index("model")
    pd.testing.assert_frame_equal(again.drop(columns="commit"), table.drop(columns="commit"), atol=1e-4)
    assert save_figure(onset_figure(found), tmp_path / "onsets.png").stat().st_size > 5000


def test_single_frames_and_no_event_are_told(tmp_path):
    frames = frames_of("....", "....")
    write_predictions(tmp_path / "a.parquet", frames)
    with pytest.raises(UserError, match="holds no event"):
        read_boundaries([tmp_path / "a.parquet"])
    write_predictions(tmp_path / "b.parquet", frames_of("#.#.", "....", clips=4))
    with pytest.raises(UserError, match="only single frames"):
        read_boundaries([tmp_path / "b.parquet"])
