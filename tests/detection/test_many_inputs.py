"""Inputs in several processes: the same files as one after the other, and what is lost when a process dies."""

import os
import signal
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from staged_faces import picture

from actionunits.detection.detector import Detector
from actionunits.detection.inputs import Input, find_inputs
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.run import ATTEMPTS, Outcome, Run
from actionunits.errors import UserError


@pytest.fixture
def inputs(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(picture(0)).save(tmp_path / name)
    words = [str(tmp_path / name) for name in ("a.png", "b.png", "lost.png", "c.png")]
    return lambda out, table_format="csv": find_inputs(words, tmp_path / out, table_format)


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


ANALYSED = {"damage": None, "interrupted": False}


class DyingWorkers:
    """Two who die as often as `deaths` says for an input, and leave a piece of its table as a killed process does."""

    def __init__(self, deaths):
        self.deaths, self.begun, self.counts = deaths, [], Counter()

    def begin(self, number, entry):
        if len(self.begun) == 2:
            return False
        self.begun.append((number, entry))
        return True

    def ended(self):
        number, entry = self.begun.pop(0)
        self.counts[number] += 1
        if self.counts[number] > self.deaths.get(number, 0):
            return [(number, Outcome(entry.source, ANALYSED))]
        entry.paths.table.parent.mkdir(parents=True, exist_ok=True)
        entry.paths.table.with_name(f".{entry.paths.table.stem}-0123abcd{entry.paths.table.suffix}").touch()
        return [(number, None)]

    def close(self):
        self.begun = None


@pytest.mark.parametrize("table_format", ["csv", "dataset"])
def test_an_input_whose_worker_dies_is_given_to_another_until_it_is_set_aside(inputs, tmp_path, table_format):
    todo = inputs("r", table_format)
    run, workers = Run(pytest.fail, AnalysisOptions()), DyingWorkers({0: 1, 1: ATTEMPTS - 1, 3: ATTEMPTS})
    run._workers = lambda *_: workers
    outcomes = {Path(outcome.source).name: outcome for outcome in run.over(todo)}
    assert [name for name in outcomes if outcomes[name].card] == ["a.png", "b.png"] and len(outcomes) == 4
    assert workers.counts == {0: 2, 1: ATTEMPTS, 3: ATTEMPTS} and workers.begun is None
    told = outcomes["c.png"]
    assert (told.code, told.status) == (2, "failed") and "fewer --jobs" in str(told.error)
    assert [path for path in (tmp_path / "r").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing(inputs, tiny_weights, tmp_path):
    once = partial(KilledOnce, tmp_path / "killed", weights=tiny_weights)
    outcomes = {Path(o.source).name: o.status for o in Run(once, AnalysisOptions(), jobs=2).over(inputs("r"))}
    assert outcomes == {"a.png": "done", "b.png": "done", "c.png": "done", "lost.png": "failed"}
    assert (tmp_path / "killed").exists() and len(list((tmp_path / "r").glob("*.csv"))) == 3


class KilledOnce(Detector):
    """Whoever comes first to the marker leaves it and ends as SIGKILL ends a process."""

    def __init__(self, marker: Path, **settings):
        super().__init__(**settings)
        self._marker = marker

    def stream_frames(self, *arguments, **settings):
        if not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().stream_frames(*arguments, **settings)


def test_standard_input_is_not_shared(inputs):
    both = [*inputs("r"), Input("-", inputs("r")[0].paths)]
    with pytest.raises(UserError, match="analyse it alone"):
        list(Run(pytest.fail, AnalysisOptions(), jobs=2).over(both))


def test_every_input_is_taken_once(inputs, tmp_path):
    found = find_inputs([str(tmp_path / "a.png"), os.path.join(tmp_path, ".", "a.png")], tmp_path / "r")
    assert [entry.source for entry in found] == [str(tmp_path / "a.png")]
    assert len(inputs("r")) == 4
