"""Stages in background threads: order, bound, errors, and threads that end."""

import gc
import subprocess
import sys
import threading
import time

import pytest

from actionunits.detection.pipeline import bounded


@pytest.fixture(autouse=True)
def no_thread_left():
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() == before


def test_items_come_in_order():
    assert list(bounded(range(1000), 3)) == list(range(1000))
    assert list(bounded([], 3)) == []


def test_source_runs_ahead_by_the_bound_and_no_further():
    made = []

    def source():
        for item in range(100):
            made.append(item)
            yield item

    with bounded(source(), 4) as stage:
        assert next(stage) == 0
        deadline = time.monotonic() + 5
        while len(made) < 6 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(made) == 6  # one taken, four waiting, one ready to be put


def test_stages_overlap():
    def slowly(items):
        for item in items:
            time.sleep(0.01)
            yield item

    def seconds(items):
        start = time.monotonic()
        assert list(items) == list(range(30))
        return time.monotonic() - start

    one_after_the_other = seconds(slowly(slowly(slowly(range(30)))))
    side_by_side = seconds(slowly(bounded(slowly(bounded(slowly(range(30)), 2)), 2)))
    assert side_by_side < 0.8 * one_after_the_other  # a third of it on an idle machine


def test_error_of_the_source_comes_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise KeyError("broken")

    seen = []
    with pytest.raises(KeyError, match="broken"):
        for item in bounded(source(), 8):
            seen.append(item)
    assert seen == [1, 2]


def test_stage_stays_at_its_end():
    stage = bounded([1], 1)
    assert next(stage) == 1
    assert [next(stage, None) for _ in range(2)] == [None, None]


def test_consumer_that_raises_closes_the_source_in_its_thread():
    closed = []

    def source():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    with pytest.raises(ValueError, match="enough"), bounded(bounded(source(), 2), 2) as stage:
        for item in stage:
            if item == 5:
                raise ValueError("enough")
    assert len(closed) == 1 and closed[0] != threading.main_thread().name


def test_dropped_stage_ends_its_thread():
    before = threading.active_count()
    stage = bounded(iter(int, 1), 2)
    next(stage)
    assert threading.active_count() == before + 1
    del stage
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_thread_that_cannot_be_started_is_the_only_error(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        bounded(iter(range(3)), 2)


def test_error_that_escapes_everything_does_not_hang_the_program():
    program = "from actionunits.detection.pipeline import bounded\n"
    program += "for item in bounded(iter(int, 1), 2):\n    raise SystemExit(7)\n"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 7


def test_bound_of_zero_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        bounded([], 0)
