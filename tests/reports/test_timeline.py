"""Timelines: true times, gaps, several people, and any length."""

import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from actionunits.errors import UserError
from actionunits.reports.au_table import au_table
from actionunits.reports.palette import VERMILLION, intensity_colormap
from actionunits.reports.timeline import (
    DOTS_PER_INCH,
    LEFT_IN,
    RIGHT_IN,
    WIDTH_IN,
    TimeAxis,
    draw_timeline,
    maximum_per_column,
    time_axis,
)


def make_table(times, people=1, intensity=3.0, **columns) -> pd.DataFrame:
    frames = np.arange(1, len(times) + 1)
    rows = pd.DataFrame(
        {
            "frame": np.repeat(frames, people),
            "face_id": np.tile(np.arange(people), len(times)),
            "timestamp": np.repeat(times, people),
            "confidence": 0.9,
            "success": 1,
            "AU06_r": 0.0,
            "AU12_r": intensity,
            "AU06_c": 0.0,
            "AU12_c": 1.0,
            "AU28_c": np.nan,
            "AU06_p": 0.1,
            "AU12_p": 0.9,
        }
    )
    return rows.assign(**columns)


def blank(table: pd.DataFrame, rows) -> pd.DataFrame:
    """The same table with these rows as the writer leaves frames without a face."""
    table = table.copy()
    table.loc[rows, [name for name in table if name.startswith("AU")]] = np.nan
    table.loc[rows, ["face_id", "confidence", "success"]] = 0
    return table


def drawn(table, tmp_path, **options) -> np.ndarray:
    path = tmp_path / "timeline.png"
    draw_timeline(table, path, **options)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def lane_columns(image: np.ndarray) -> np.ndarray:
    """The part of the picture that the lanes fill, cut at the sides."""
    left = round(LEFT_IN * DOTS_PER_INCH)
    return image[:, left : left + round((WIDTH_IN - LEFT_IN - RIGHT_IN) * DOTS_PER_INCH)]


def is_marked(image: np.ndarray) -> np.ndarray:
    """Columns with the mark of presence, below the key in the header."""
    return (np.abs(lane_columns(image)[90:] - VERMILLION).max(axis=2) < 12).any(axis=0)


@pytest.mark.parametrize("frames", [1, 2, 10, 1000])
def test_any_number_of_frames_gives_a_readable_png(frames, tmp_path):
    image = drawn(make_table(np.arange(frames) / 25), tmp_path)
    assert image.shape[1] == 1800
    assert is_marked(image).mean() > 0.98


def test_gap_has_no_mark_and_lies_at_its_true_time(tmp_path):
    # Variable rate: half of the frames in the first tenth of the time.
    times = np.concatenate([np.arange(50) * 0.02, 1 + np.arange(50) * 0.18])
    table = make_table(times)
    table = blank(table, (times >= 1) & (times < 5.5))
    marked = is_marked(drawn(table, tmp_path))
    position = (np.arange(len(marked)) + 0.5) / len(marked) * 10  # seconds, up to the length of the last frame
    assert marked[(position > 0.05) & (position < 0.9)].mean() > 0.95
    assert not marked[(position > 1.1) & (position < 5.4)].any()
    assert marked[(position > 5.7) & (position < 9.9)].mean() > 0.95


def test_frame_seen_by_only_one_person_is_a_gap_for_the_other(tmp_path):
    both = make_table(np.arange(100) / 10, people=2)
    second_leaves = both[(both.face_id == 0) | (both.timestamp < 5)]
    alone = is_marked(drawn(second_leaves, tmp_path, face_id=1))
    assert alone[: len(alone) // 2 - 12].mean() > 0.98
    assert not alone[len(alone) // 2 + 12 :].any()


def test_people_are_stacked_and_the_shortest_seen_left_out(tmp_path):
    one, two, nine = (drawn(make_table(np.arange(20) / 10, n), tmp_path).shape[0] for n in (1, 2, 9))
    seven_drawn_as_six = drawn(make_table(np.arange(20) / 10, 6), tmp_path).shape[0]
    assert one < two < nine == seven_drawn_as_six


def test_video_without_any_face_is_drawn_as_one_gap(tmp_path):
    table = make_table(np.arange(20) / 10)
    image = drawn(blank(table, np.ones(20, bool)), tmp_path)
    assert not is_marked(image).any()
    assert len(np.unique(lane_columns(image)[90:-90].reshape(-1, 3), axis=0)) > 3  # hatched


def test_one_strong_frame_among_very_many_stays_visible(tmp_path):
    table = make_table(np.arange(100_000) / 25, intensity=0.0, AU12_c=0.0)
    table.loc[54_321, ["AU12_r", "AU12_c"]] = 5.0, 1.0
    start = time.process_time()
    marked = np.flatnonzero(is_marked(drawn(table, tmp_path)))
    assert time.process_time() - start < 40  # 3 s on an idle core
    assert 1 <= len(marked) <= 3
    assert marked.mean() / len(is_marked(drawn(table, tmp_path))) == pytest.approx(0.54321, abs=0.003)


def test_maximum_per_column_matches_a_literal_loop():
    rng = np.random.default_rng(0)
    start = np.sort(rng.uniform(0, 10, 200))
    axis = TimeAxis(start, np.append(start[1:], 10.2), True)
    values = rng.normal(size=(200, 3))
    values[rng.random(values.shape) < 0.3] = np.nan
    for columns in (7, 150, 900):
        edges = np.linspace(start[0], 10.2, columns + 1)
        expected = np.full((columns, 3), np.nan)
        for k in range(columns):
            shown = (axis.start < edges[k + 1]) & (axis.end > edges[k])
            if shown.any():
                expected[k] = np.fmax.reduce(values[shown], axis=0)
        np.testing.assert_array_equal(maximum_per_column(axis, values, edges), expected)


def test_frames_without_increasing_times_are_numbered():
    photographs = au_table(make_table(np.zeros(4)))
    assert not time_axis(photographs).in_seconds
    assert time_axis(au_table(make_table(np.array([0.0, 0.1, 0.5])))).in_seconds


def test_table_of_one_photograph_is_drawn(tmp_path):
    photo = pd.DataFrame({"face": [0], "confidence": [0.9], "AU12_r": [4.0], "AU12_c": [1.0], "AU12_p": [0.9]})
    assert is_marked(drawn(photo, tmp_path)).mean() > 0.98


def test_probabilities_shade_a_table_without_intensities(tmp_path):
    table = make_table(np.arange(20) / 10).drop(columns=["AU06_r", "AU12_r"]).assign(AU12_c=0.0, AU12_p=1.0)
    darkest = np.array(intensity_colormap()(1.0)[:3]) * 255
    assert (np.abs(lane_columns(drawn(table, tmp_path))[90:] - darkest).max(axis=2) < 3).mean() > 0.1


def test_long_title_with_dollar_signs_stays_clear_of_the_key(tmp_path):
    plain = drawn(make_table(np.arange(5) / 10), tmp_path, title="")
    titled = drawn(make_table(np.arange(5) / 10), tmp_path, title="$\\frac{" + "W" * 300)
    changed = np.flatnonzero((plain != titled).any(axis=(0, 2)))
    key = np.flatnonzero((np.abs(plain[:80] - VERMILLION).max(axis=2) < 12).any(axis=0))[0]
    assert 300 < changed.max() < key


def test_blanks_around_column_names_are_ignored():
    table = make_table(np.arange(3) / 10).rename(columns=lambda name: f" {name}")
    assert au_table(table).aus == (6, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"aus": [99]}, "no column for AU99"), ({"aus": [1]}, "no column for AU01"), ({"face_id": 7}, "face 7 is not")],
)
def test_what_the_table_lacks_is_named(options, message, tmp_path):
    with pytest.raises(UserError, match=message):
        draw_timeline(make_table(np.arange(3) / 10), tmp_path / "t.png", **options)
    assert not list(tmp_path.iterdir())


def test_empty_table_and_foreign_table_are_refused(tmp_path):
    with pytest.raises(UserError, match="empty"):
        draw_timeline(make_table(np.array([])), tmp_path / "t.png")
    with pytest.raises(UserError, match="no action unit columns"):
        draw_timeline(pd.DataFrame({"frame": [1]}), tmp_path / "t.png")
