import dataclasses

import numpy as np
import pandas as pd
import pytest
from drawn_predictions import drawn_predictions, labelled_rows, outputs

from actionunits.errors import UserError
from actionunits.evaluation.predictions import (
    FramePredictions,
    Names,
    concatenate,
    read_predictions,
    write_predictions,
)
from actionunits.evaluation.protocols import score, score_frames

ARRAYS = ("frame", "au_present", "au_present_valid", "au_prob", "au_detected", "au_intensity", "thresholds")


@pytest.mark.parametrize("intensity", [True, False])
def test_what_is_written_is_read_back(tmp_path, intensity):
    frames = drawn_predictions(fold="2", intensity=intensity)
    write_predictions(tmp_path / "new" / "x.parquet", frames)
    again = read_predictions(tmp_path / "new" / "x.parquet")
    assert again.aus == frames.aus and again.about == {"run": "noise 1"} and again.occurrence_level == 1
    assert again.frame_keys() == frames.frame_keys() and again.fold[0] == "2"
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(frames, name))
    if intensity:
        np.testing.assert_array_equal(again.au_intensity_predicted, frames.au_intensity_predicted)
    else:
        assert again.au_intensity_predicted is None
    pd.testing.assert_frame_equal(score_frames(again, 20).table, score_frames(frames, 20).table)


def test_the_most_probable_levels_are_kept_and_scored_beside_the_intensities(tmp_path):
    frames = drawn_predictions()
    level = np.where(np.isfinite(frames.au_intensity), np.round(frames.au_intensity), 0).astype(np.int8)
    frames = dataclasses.replace(frames, au_level_predicted=level)
    write_predictions(tmp_path / "x.parquet", concatenate([frames]))
    again = read_predictions(tmp_path / "x.parquet")
    np.testing.assert_array_equal(again.au_level_predicted, level)
    scores = score_frames(again, 20).table
    error = np.abs(level - frames.au_intensity)
    np.testing.assert_allclose(scores["mae_level"], np.nanmean(error, 0), rtol=1e-6)
    assert (scores["icc_level"] > scores["icc"]).all()
    with pytest.raises(UserError, match="with and without levels"):
        concatenate([frames, drawn_predictions(seed=1)])


def test_columns_of_the_file(tmp_path):
    frames = drawn_predictions()
    write_predictions(tmp_path / "x.parquet", frames)
    table = pd.read_parquet(tmp_path / "x.parquet")
    per_au = [f"AU04{suffix}" for suffix in ("", "_valid", "_prob", "_present", "_r", "_r_predicted")]
    assert list(table.columns[:5]) == ["data", "subject", "clip", "frame", "fold"]
    assert list(table.columns[11:17]) == per_au
    assert table["subject"][0] == "drawn/S0001" and table["clip"][0] == "S0001_T1.mp4"
    known = table["AU04_valid"]
    assert ((table["AU04_prob"] >= 0.5) == (table["AU04_present"] == 1)).all()
    np.testing.assert_array_equal(table["AU04"][known], frames.au_present[:, 1][known])
    assert table["AU04_r"].isna().any() and table["AU04_r_predicted"].notna().all()


def test_scores_are_those_of_the_data_they_came_from():
    data = labelled_rows()
    predictions = outputs(data, 1.0)
    frames = FramePredictions.of(data, predictions, np.array([0.3, 0.5, 0.7]))
    direct = score(data, predictions, {"AU01": 0.3, "AU12": 0.7}, replicates=20)
    pd.testing.assert_frame_equal(score_frames(frames, 20).table, direct.table)


def test_rows_of_several_models_keep_their_own_thresholds():
    data = labelled_rows()
    thresholds = np.where(data.subject[:, None] < 4, 0.2, 0.8) * np.ones((1, 3))
    frames = FramePredictions.of(data, outputs(data, 1.0), thresholds)
    np.testing.assert_array_equal(frames.au_detected, frames.au_prob >= thresholds)
    assert np.isnan(frames.thresholds).all()


def test_clips_of_one_name_of_different_people_stay_apart():
    data = dataclasses.replace(labelled_rows(subjects=2, frames=10), clips=("a/T1.mp4", "b/T1.mp4"))
    timeline = drawn_predictions(data).timeline()
    assert timeline is not None and timeline.starts.sum() == 2


def test_joined_rows_are_all_rows():
    data = labelled_rows()
    whole = drawn_predictions(data)
    parts = [whole.select(np.flatnonzero(data.subject % 2 == k)) for k in (0, 1)]
    joined = concatenate(parts)
    assert sorted(joined.frame_keys()) == sorted(whole.frame_keys())
    pd.testing.assert_frame_equal(score_frames(joined, 5).table, score_frames(whole, 5).table)


def test_what_cannot_be_joined_is_told():
    whole = drawn_predictions()
    with pytest.raises(UserError, match=r"frame 0 of S0001_T1.mp4 \(drawn/S0001\) is there twice"):
        concatenate([whole, whole])
    other = drawn_predictions(labelled_rows(name="other"))
    with pytest.raises(UserError, match=r"different occurrence levels cannot be pooled: 1.0 and 2.0"):
        concatenate([whole, dataclasses.replace(other, occurrence_level=2.0)])
    with pytest.raises(UserError, match="different action units"):
        concatenate([whole, drawn_predictions(labelled_rows(name="other", aus=(1, 2, 3)))])
    with pytest.raises(UserError, match="with and without intensities"):
        concatenate([whole, drawn_predictions(labelled_rows(name="other"), intensity=False)])
    with pytest.raises(UserError, match="no predictions"):
        concatenate([])


def test_bad_files_are_told_in_one_line(tmp_path):
    path = tmp_path / "x.parquet"
    with pytest.raises(UserError, match="no such file"):
        read_predictions(path)
    path.write_text("frame,AU01\n")
    with pytest.raises(UserError, match="is damaged"):
        read_predictions(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(UserError, match="does not hold predictions per frame"):
        read_predictions(path)
    write_predictions(path, drawn_predictions())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is damaged") as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)


def test_names_are_kept_once():
    names = Names.concatenate([Names(("a", "b"), np.array([1, 0, 1])), Names(("b", "c"), np.array([0, 0]))])
    assert [names[k] for k in range(5)] == ["b", "a", "b", "b", "b"]
    assert names.names == ("a", "b", "c") and names.present().names == ("a", "b")
