"""Inputs in several processes: the same files as one after the other, and what is lost when a process dies."""

import os
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from staged_faces import picture

from actionunits.detection.detector import Detector
from actionunits.detection.inputs import Input, find_inputs
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.run import Run, _result_of
from actionunits.errors import UserError


@pytest.fixture
def inputs(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(picture(0)).save(tmp_path / name)
    words = [str(tmp_path / name) for name in ("a.png", "b.png", "lost.png", "c.png")]
    return lambda out: find_inputs(words, tmp_path / out)


@pytest.mark.slow
def test_processes_write_the_files_of_one_after_the_other(inputs, tiny_weights, tmp_path):
    make, passed = partial(Detector, weights=tiny_weights), []
    for jobs, out in ((1, "one"), (2, "two")):
        run = Run(make, AnalysisOptions(schema="tidy"), jobs)
        outcomes = {Path(o.source).name: o.status for o in run.over(inputs(out), lambda *a: passed.append(a))}
        assert outcomes == {"a.png": "done", "b.png": "done", "c.png": "done", "lost.png": "failed"}
    tables = sorted(path.name for path in (tmp_path / "one").glob("*.csv"))
    assert tables == ["a.csv", "b.csv", "c.csv"] and {number for number, _ in passed} == {0, 1, 3}
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in tables)


@pytest.mark.slow
def test_what_was_not_begun_when_the_user_stops_is_not_begun(inputs, tiny_weights):
    stop = threading.Event()
    stop.set()
    run = Run(partial(Detector, weights=tiny_weights), AnalysisOptions(), jobs=2, stop=stop)
    assert [Path(o.source).name for o in run.over(inputs("r"))] == ["lost.png"]


def test_a_process_that_is_ended_from_outside_is_told(inputs):
    lost: Future = Future()
    lost.set_exception(BrokenProcessPool())
    outcome = _result_of(lost, inputs("r")[0])
    assert (outcome.code, outcome.status) == (2, "failed") and "fewer --jobs" in str(outcome.error)


def test_standard_input_is_not_shared(inputs):
    both = [*inputs("r"), Input("-", inputs("r")[0].paths)]
    with pytest.raises(UserError, match="analyse it alone"):
        list(Run(pytest.fail, AnalysisOptions(), jobs=2).over(both))


def test_every_input_is_taken_once(inputs, tmp_path):
    found = find_inputs([str(tmp_path / "a.png"), os.path.join(tmp_path, ".", "a.png")], tmp_path / "r")
    assert [entry.source for entry in found] == [str(tmp_path / "a.png")]
    assert len(inputs("r")) == 4
