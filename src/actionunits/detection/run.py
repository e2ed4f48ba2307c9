"""One run over many inputs: in turn or in several processes, those that were done before left out on request."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from actionunits.detection.analysis import Analysis, analyse
from actionunits.detection.detector import Detector
from actionunits.detection.inputs import Input
from actionunits.detection.neutral_table import own_options
from actionunits.detection.options import AnalysisOptions
from actionunits.errors import DamagedInputError, UserError, traced
from actionunits.files import read_json
from actionunits.media import read_for
from actionunits.media.standard_input import NAMES as STANDARD_INPUT

OnProgress = Callable[[int, float], None]  # number of an input, and the share of it that is done
MakeDetector = Callable[[], Detector]
_REPORT_EVERY_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    source: str
    card: dict[str, Any] | None = None  # the run card, where the input has been analysed, now or before
    analysis: Analysis | None = None  # where it was analysed now
    error: UserError | None = None

    @property
    def line(self) -> str:
        """The same in one line, without the reason of a failure."""
        if self.card is None or self.analysis is None:
            return f"{self.source}: {self.status}"
        return f"{self.source}: {self.status}, {counts_text(self.card)}"

    @property
    def code(self) -> int:
        """The exit code of a run over this input alone."""
        return 0 if self.error is None else self.error.exit_code

    @property
    def status(self) -> str:
        """The same in a word or two."""
        if self.card is None:
            return "failed"
        words = "done before" if self.analysis is None else "interrupted" if self.card["interrupted"] else "done"
        return f"{words}, damaged" if self.card["damage"] else words


@dataclass
class Run:
    """The same options for every input.

    make_detector: gives a detector; called once in every process, and travels there. jobs: processes. skip_done: an
    input stays as it is where an earlier run with the same options and weights has finished it since it was changed.
    stop: set it, and the inputs in work end with the frames so far, and no other is begun.
    """

    make_detector: MakeDetector
    options: AnalysisOptions
    jobs: int = 1
    skip_done: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def over(self, inputs: Sequence[Input], on_progress: OnProgress | None = None) -> Iterator[Outcome]:
        """What becomes of each input, as they end. An input that fails does not stop the others.

        Inputs that are not there are told before anything is loaded. Raises UserError where the detector cannot be
        made, and for standard input with several processes, which have none.
        """
        if self.jobs > 1 and len(inputs) > 1 and any(entry.source in STANDARD_INPUT for entry in inputs):
            raise UserError("standard input cannot be read with --jobs; analyse it alone")
        for outcome in self._outcomes(inputs, on_progress):
            _log.info(outcome.line)
            yield outcome

    def _outcomes(self, inputs: Sequence[Input], on_progress: OnProgress | None) -> Iterator[Outcome]:
        there: list[int] = []
        for number, entry in enumerate(inputs):
            try:
                read_for(entry.source)
                there.append(number)
            except UserError as error:
                yield Outcome(entry.source, error=error)
        if not there:
            return
        detector = self.make_detector()
        if min(self.jobs, len(there)) > 1:
            yield from self._in_processes([(number, inputs[number]) for number in there], on_progress)
            return
        for number in there:
            report = None if on_progress is None else _share_of(number, on_progress)
            alone = len(inputs) == 1
            yield _outcome(detector, inputs[number], self.options, self.skip_done, report, self.stop, alone)
            if self.stop.is_set():
                return

    def _in_processes(self, todo: list[tuple[int, Input]], on_progress: OnProgress | None) -> Iterator[Outcome]:
        # ONNX Runtime and torch hold threads, which a forked child would inherit in an unknown state.
        context = multiprocessing.get_context("spawn")
        stop, reports = context.Event(), context.Queue()
        settings = (self.make_detector, self.options, self.skip_done, stop, reports, self.jobs)
        with ProcessPoolExecutor(min(self.jobs, len(todo)), context, _start_worker, settings) as pool:
            rest = iter(todo)
            running: dict[Future[Outcome], Input] = {}

            def begin(count: int) -> None:
                # None beyond those at work: what has not begun when the user stops is not begun at all.
                for number, entry in islice(rest, 0 if self.stop.is_set() else count):
                    running[_submitted(pool, number, entry)] = entry

            try:
                begin(self.jobs)
                while running:
                    finished, _ = wait(running, timeout=_REPORT_EVERY_S, return_when=FIRST_COMPLETED)
                    if self.stop.is_set():
                        stop.set()
                    _pass_on(reports, on_progress)
                    for future in finished:
                        yield _result_of(future, running.pop(future))
                    begin(len(finished))
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)


def done_before(detector: Detector, entry: Input, options: AnalysisOptions) -> dict[str, Any] | None:
    """The run card of an earlier run with these options, weights and files that came to its end; else None."""
    try:
        card = read_json(entry.paths.card)
        finished_s = entry.paths.card.stat().st_mtime
        as_now = card["options"] == _as_json(asdict(options) | detector.options)
        if not as_now or card["interrupted"] or card["weights_sha256"] != detector.header["sha256"]:
            return None
        files = read_for(entry.source)
        if not files or max(file.stat().st_mtime for file in files) > finished_s:
            return None
        same = card["input_files"]["bytes"] == sum(file.stat().st_size for file in files)
        return card if same and all(os.path.lexists(file) for file in card["outputs"]) else None
    except (UserError, OSError, KeyError, TypeError):
        return None  # there is no card, or one of another version


def _outcome(
    detector: Detector,
    entry: Input,
    options: AnalysisOptions,
    skip_done: bool,
    report: Callable[[int, int | None], None] | None,
    stop: threading.Event,
    alone: bool,
) -> Outcome:
    """Analyse one input; whatever fails is in the outcome."""
    options = own_options(entry, options)
    try:
        card = done_before(detector, entry, options) if skip_done else None
        if card is not None:
            return Outcome(entry.source, card, error=_damage(card))
        analysis = analyse(detector, entry.source, entry.paths, options, report, stop, alone=alone)
    except Exception as error:
        return Outcome(entry.source, error=traced(error))
    return Outcome(entry.source, analysis.card, analysis, _damage(analysis.card))


def _damage(card: dict[str, Any]) -> DamagedInputError | None:
    if not card["damage"]:
        return None
    held = f"{card['outputs'][0]} holds the {card['frames_written']} frames that could be read"
    return DamagedInputError(f"{card['damage']}; {held}")


def _as_json(value: Any) -> Any:
    """The value as it comes back from a file."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _share_of(number: int, on_progress: OnProgress) -> Callable[[int, int | None], None]:
    """Turns the frames of an input into the share of it that is done; where the end is not known, none is."""

    def report(done: int, total: int | None) -> None:
        on_progress(number, min(done / total, 1.0) if total else 0.0)

    return report


def counts_text(card: dict[str, Any]) -> str:
    """Frames, people and speed of an analysis, from its run card."""
    line = f"{card['frames_written']} frames, {card['frames_with_face']} with a face"
    people = card["people"]
    line += "" if people is None else f", {people} {'person' if people == 1 else 'people'}"
    return f"{line}; {card['seconds']:.1f} s, {card['frames_per_second']:.0f} frames per second"


_worker: dict[str, Any] = {}  # of this process: the detector, the options, and the ways to its parent


def _start_worker(
    make_detector: MakeDetector, options: AnalysisOptions, skip_done: bool, stop: Any, reports: Any, processes: int
) -> None:
    from actionunits.detection.engine import share_cores
    from actionunits.runtime.processes import be_a_worker

    be_a_worker()
    share_cores(processes)
    _worker.update(detector=make_detector(), options=options, skip_done=skip_done, stop=stop, reports=reports)


def _do_in_worker(number: int, entry: Input) -> Outcome:
    told_s = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal told_s
        if total and time.monotonic() - told_s > _REPORT_EVERY_S:
            told_s = time.monotonic()
            _worker["reports"].put((number, min(done / total, 1.0)))

    own = _worker
    return _outcome(own["detector"], entry, own["options"], own["skip_done"], report, own["stop"], alone=False)


def _pass_on(reports: Any, on_progress: OnProgress | None) -> None:
    """Hand what the processes have reported so far to the caller."""
    while not reports.empty():
        number, share = reports.get()
        if on_progress is not None:
            on_progress(number, share)


def _submitted(pool: ProcessPoolExecutor, number: int, entry: Input) -> Future[Outcome]:
    try:
        return pool.submit(_do_in_worker, number, entry)
    except BrokenProcessPool as error:
        lost: Future[Outcome] = Future()
        lost.set_exception(error)
        return lost


def _result_of(future: Future[Outcome], entry: Input) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(
            entry.source,
            error=UserError(
                f"{entry.source}: a process was ended from outside (out of memory?); run the same command with "
                "--skip-done to go on, with fewer --jobs if it happens again"
            ),
        )
