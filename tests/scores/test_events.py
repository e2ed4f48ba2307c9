"""Events against literal loops over frames, and cases worked by hand."""

import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actionunits.scores import events, metrics
from actionunits.scores.events import Timeline


def runs(clip, frame, active, known, step):
    """Sets of row numbers, one per run, found frame by frame; rows in any order."""
    found, current, last = [], None, None
    for row in sorted(range(len(frame)), key=lambda r: (clip[r], frame[r])):
        follows = last is not None and clip[row] == clip[last] and frame[row] - frame[last] == step
        last = row
        if not (active[row] and known[row]):
            current = None
            continue
        if current is None or not follows:
            current = set()
            found.append(current)
        current.add(row)
    return found


def literal_f1_event(clip, frame, present, detected, known, step):
    """Area under F1-event of one AU, in fractions, as the module's docstring says it."""
    true_events = runs(clip, frame, present, known, step)
    detected_events = runs(clip, frame, detected, known, step)
    true_frames, detected_frames = set().union(*true_events), set().union(*detected_events)
    curve = []
    for k in range(101):
        t = Fraction(k, 100)
        found = sum(Fraction(len(e & detected_frames), len(e)) >= t for e in true_events)
        right = sum(Fraction(len(e & true_frames), len(e)) >= t for e in detected_events)
        er = Fraction(found, len(true_events)) if true_events else Fraction(0)
        ep = Fraction(right, len(detected_events)) if detected_events else Fraction(0)
        curve.append(2 * er * ep / (er + ep) if er + ep else Fraction(0))
    return float(sum((a + b) / 2 for a, b in pairwise(curve)) / 100)


def one_clip(text_present, text_detected, frame=None):
    """F1-event of one clip; 1 present, 0 absent, ? unknown."""
    present = np.array([[c == "1"] for c in text_present])
    detected = np.array([[c == "1"] for c in text_detected])
    known = np.array([[c != "?"] for c in text_present])
    frame = np.arange(len(present)) if frame is None else np.asarray(frame)
    return events.f1_event(present, detected, known, Timeline.of(np.zeros(len(present)), frame))[0]


@st.composite
def labelled_clips(draw):
    rows = draw(st.integers(2, 60))
    step = draw(st.sampled_from([1, 3]))
    clip = np.sort(draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 3))))
    frame = np.cumsum(draw(hnp.arrays(np.int64, rows, elements=st.sampled_from([1, 1, 1, 2])))) * step
    order = np.array(draw(st.permutations(range(rows))))
    shape = (rows, 2)
    present, detected, known = (draw(hnp.arrays(bool, shape)) for _ in range(3))
    return clip[order], frame[order], present, detected, known | draw(st.booleans())


@given(labelled_clips())
@settings(max_examples=80, deadline=None)
def test_f1_event_is_the_literal_one(case):
    clip, frame, present, detected, known = case
    timeline = Timeline.of(clip, frame)
    value = events.f1_event(present, detected, known, timeline)
    if timeline is None:
        assert np.isnan(value).all()
        return
    order = np.lexsort((frame, clip))
    distances = [
        b - a
        for a, b, c, d in zip(frame[order], frame[order][1:], clip[order], clip[order][1:], strict=False)
        if c == d
    ]
    for a in range(2):
        if not known[:, a].any():
            assert np.isnan(value[a])
            continue
        expected = literal_f1_event(clip, frame, present[:, a], detected[:, a], known[:, a], min(distances))
        assert value[a] == pytest.approx(expected, abs=1e-12)


def test_worked_by_hand():
    # True events of 4 and 2 frames, of which 2 and none are detected; one detected event, wholly right.
    # ER = 1/2 and EP = 1 up to t = 0.5, F1 = 2/3; nothing is found beyond. At t = 0 all counts: F1 = 1.
    area = (1 + 2 / 3) / 2 / 100 + 49 / 100 * 2 / 3 + (2 / 3) / 2 / 100
    assert one_clip("01111000110", "00011000000") == pytest.approx(area)


def test_share_of_exactly_a_threshold_reaches_it():
    # 29 of 100 frames: 0.29 * 100 is 28.999... in floating point.
    first, stop, column = np.array([0]), np.array([100]), np.array([0])
    assert events.overlap_levels(first, stop, column, np.arange(100)[:, None] < 29)[0] == 29


def test_perfect_and_empty():
    assert one_clip("0110010", "0110010") == 1
    assert one_clip("0110010", "0000000") == 0
    assert one_clip("0000000", "0110010") == 0
    assert one_clip("0000000", "0000000") == 0  # as F1 over frames: 0 / 0 counts as 0
    assert np.isnan(one_clip("???", "111"))


def test_many_flickers_cost_precision_that_frames_do_not_show():
    present, detected = "1" * 20 + "0" * 20, "1" * 19 + "0" + "01" * 10
    steady = "1" * 19 + "0" * 2 + "1" * 10 + "0" * 9
    known = np.ones((40, 1), bool)
    as_rows = [np.array([[c == "1"] for c in text]) for text in (present, detected, steady)]
    assert metrics.f1(as_rows[0], as_rows[1], known) == metrics.f1(as_rows[0], as_rows[2], known)
    assert one_clip(present, detected) < one_clip(present, steady) - 0.2


def test_events_do_not_go_over_the_end_of_a_clip():
    active = np.ones((4, 1), bool)
    timeline = Timeline.of(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    first, stop, _ = events.segments(active, active, timeline.starts)
    assert list(zip(first, stop, strict=True)) == [(0, 2), (2, 4)]


def test_unknown_frames_end_events_on_both_sides_and_cost_nothing():
    assert one_clip("011??110", "01111110") == 1
    # Two events, not one: the missed second half is a missed event.
    assert one_clip("011??110", "01111000") == pytest.approx(one_clip("01100110", "01100000"))
    # What is detected in an unknown frame never counts.
    assert one_clip("00??0110", "00110110") == 1


def test_frames_that_the_data_does_not_hold_are_unknown_frames():
    rows, gap = "011110", [0, 1, 2, 5, 6, 7]
    assert one_clip(rows, "011000", gap) == pytest.approx(one_clip("011??110", "011??000"))
    assert one_clip(rows, "011000", gap) != pytest.approx(one_clip(rows, "011000"))


def test_each_nth_frame_follows_the_last():
    assert one_clip("011110", "011000", 4 * np.arange(6)) == pytest.approx(one_clip("011110", "011000"))


def test_without_a_course_of_time_there_is_no_value():
    assert Timeline.of(np.arange(5), np.zeros(5)) is None  # photographs
    assert Timeline.of(np.zeros(4), np.array([0, 1, 1, 2])) is None  # two faces in one frame


def test_counts_of_people_add_up():
    rng = np.random.default_rng(0)
    clip, frame = np.repeat([0, 1, 2, 3], 50), np.tile(np.arange(50), 4)
    present, detected, known = (rng.random((200, 3)) < p for p in (0.5, 0.5, 0.9))
    whole = events.count_events(present, detected, known, Timeline.of(clip, frame))
    parts = []
    for part in (clip < 2, clip >= 2):
        timeline = Timeline.of(clip[part], frame[part])
        parts.append(events.count_events(present[part], detected[part], known[part], timeline))
    total = parts[0] + parts[1]
    np.testing.assert_array_equal(total.found, whole.found)
    np.testing.assert_array_equal(total.right, whole.right)


def test_a_whole_data_set_takes_seconds():
    rng = np.random.default_rng(0)
    n = 150_000
    clip, frame = np.arange(n) // 450, np.arange(n) % 450
    present = np.repeat(rng.random((n // 10, 12)) < 0.3, 10, axis=0)
    detected = present ^ (rng.random((n, 12)) < 0.1)
    began_s = time.process_time()
    value = events.f1_event(present, detected, np.ones((n, 12), bool), Timeline.of(clip, frame))
    assert time.process_time() - began_s < 30  # 1 s on an idle core
    assert ((value > 0) & (value < 1)).all()
