"""One run over many inputs, whoever analyses them; those that were done before are left out on request."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from actionunits.detection.analysis import Analysis, analyse
from actionunits.detection.detector import Detector
from actionunits.detection.inputs import Input
from actionunits.detection.neutral_table import own_options
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.workers import Here, OnProgress, Processes, Workers
from actionunits.errors import DamagedInputError, UnexpectedError, UserError, extras_explained, traced
from actionunits.faces.recognition import find_weights
from actionunits.files import read_json
from actionunits.media import read_for
from actionunits.media.standard_input import NAMES as STANDARD_INPUT
from actionunits.media.stores import is_stored, stored_state
from actionunits.reports.number_text import people_word
from actionunits.reports.run_card import as_json
from actionunits.runtime.processes import INTERRUPTED

MakeDetector = Callable[[], Detector]
CLUSTERS = ("ray",)
ATTEMPTS = 3  # at an input whose worker dies; who survives a file that kills is not found by trying on
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


def exit_code(outcomes: Iterable[Outcome], interrupted: bool) -> int:
    """That of a run: a fault of ours weighs more than an input that could not be used, that more than damage."""
    codes = {0, *(outcome.code for outcome in outcomes)}
    if interrupted:
        codes.add(INTERRUPTED)
    order = (INTERRUPTED, UnexpectedError.exit_code, UserError.exit_code, DamagedInputError.exit_code, 0)
    return next(code for code in order if code in codes)


@dataclass
class Run:
    """The same options for every input.

    make_detector: gives a detector; called once by every worker, and travels there. jobs: workers; one by default,
    and on a cluster as many as it has cores. skip_done: an input stays as it is where an earlier run with the same
    options and weights has finished it since it was changed. stop: set it, and the inputs in work end with the frames
    so far, and no other is begun. on: one of CLUSTERS, else this machine.
    """

    make_detector: MakeDetector
    options: AnalysisOptions
    jobs: int | None = None
    skip_done: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    on: str | None = None

    def over(self, inputs: Sequence[Input], on_progress: OnProgress | None = None) -> Iterator[Outcome]:
        """What becomes of each input, as they end: one outcome for each, whatever dies.

        An input that fails does not stop the others. Where the worker of one dies, another takes it over; after
        ATTEMPTS workers it is set aside. Inputs that are not there are told before anything is loaded. Raises
        UserError where the detector cannot be made or a package is missing, and for standard input with several
        workers, which have none.
        """
        alone = len(inputs) == 1 and self.on is None
        if not alone and (self.on or self._count > 1) and any(entry.source in STANDARD_INPUT for entry in inputs):
            raise UserError("standard input cannot be read with --jobs; analyse it alone")
        if self.options.same_people:
            with extras_explained():
                find_weights()
        for outcome in self._outcomes(inputs, alone, on_progress):
            _log.info(outcome.line)
            yield outcome

    def _outcomes(self, inputs: Sequence[Input], alone: bool, on_progress: OnProgress | None) -> Iterator[Outcome]:
        there: list[tuple[int, Input]] = []
        for number, entry in enumerate(inputs):
            try:
                read_for(entry.source)
                there.append((number, entry))
            except UserError as error:
                yield Outcome(entry.source, error=error)
        if there:
            with closing(self._workers(len(there), alone, on_progress)) as workers:
                yield from self._spread(workers, there)

    @property
    def _count(self) -> int:
        return self.jobs or 1

    def _workers(self, inputs: int, alone: bool, on_progress: OnProgress | None) -> Workers:
        work = partial(_outcome, options=self.options, skip_done=self.skip_done, alone=alone)
        if self.on is not None:
            from actionunits.detection.ray_workers import RayWorkers

            return RayWorkers(self.jobs, self.make_detector, work, on_progress)
        detector = self.make_detector()  # of several processes, too: faulty weights are told before any is started
        if min(self._count, inputs) > 1:
            return Processes(min(self._count, inputs), self.make_detector, work, on_progress)
        return Here(detector, work, on_progress, self.stop)

    def _spread(self, workers: Workers, todo: Sequence[tuple[int, Input]]) -> Iterator[Outcome]:
        """Hand the inputs to the workers, each again where its worker has died."""
        waiting, in_work = deque(todo), dict[int, Input]()
        deaths: Counter[int] = Counter()
        while waiting or in_work:
            if self.stop.is_set():
                waiting.clear()
                workers.stop()
            # None beyond those at work: what has not begun when the user stops is not begun at all.
            while waiting and workers.begin(*waiting[0]):
                number, entry = waiting.popleft()
                in_work[number] = entry
            for number, outcome in workers.ended():
                entry = in_work.pop(number)
                deaths[number] += outcome is None
                if outcome is None and deaths[number] < ATTEMPTS and not self.stop.is_set():
                    entry.paths.remove_unfinished(self.options)
                    waiting.append((number, entry))
                    continue
                if outcome is None or outcome.card is None:
                    entry.paths.remove_unfinished(self.options)
                yield _set_aside(entry) if outcome is None else outcome


def done_before(detector: Detector, entry: Input, options: AnalysisOptions) -> dict[str, Any] | None:
    """The run card of an earlier run with these options, weights and files that came to its end; else None."""
    try:
        card = read_json(entry.paths.card)
        finished_s = entry.paths.card.stat().st_mtime
        as_now = card["options"] == as_json(asdict(options) | detector.options)
        if not as_now or card["interrupted"] or card["weights_sha256"] != detector.header["sha256"]:
            return None
        state = _state_of(entry.source)
        if state is None or state[1] > finished_s:
            return None
        same = card["input_files"]["bytes"] == state[0]
        return card if same and all(os.path.lexists(file) for file in card["outputs"]) else None
    except (UserError, OSError, KeyError, TypeError):
        return None  # there is no card, or one of another version


def _state_of(source: str) -> tuple[int, float] | None:
    """Bytes of what is read for an input, and when it was changed last; None where nobody can tell."""
    if is_stored(source):
        return stored_state(source)
    states = [file.stat() for file in read_for(source)]
    return (sum(s.st_size for s in states), max(s.st_mtime for s in states)) if states else None


def _outcome(
    detector: Detector,
    entry: Input,
    report: Callable[[int, int | None], None] | None,
    stop: Any,
    *,
    options: AnalysisOptions,
    skip_done: bool,
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


def counts_text(card: dict[str, Any]) -> str:
    """Frames, people and speed of an analysis, from its run card."""
    line = f"{card['frames_written']} frames, {card['frames_with_face']} with a face"
    people = card["people"]
    line += "" if people is None else f", {people} {people_word(people)}"
    return f"{line}; {card['seconds']:.1f} s, {card['frames_per_second']:.0f} frames per second"


def _set_aside(entry: Input) -> Outcome:
    reason = (
        f"{entry.source}: the processes at work on it were ended from outside (out of memory?) or by a fault in it; "
        "run the same command with --skip-done to try it again, with fewer --jobs if memory is short"
    )
    return Outcome(entry.source, error=UserError(reason))
