"""Detection in a terminal: progress, a readable table of what was seen, Ctrl-C, and one line per failure."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from actionunits.detection.analysis import Analysis
from actionunits.detection.inputs import Input
from actionunits.detection.neutral_table import without_moments
from actionunits.detection.output_files import refuse_overwriting
from actionunits.detection.run import Outcome, Run, counts_text, exit_code
from actionunits.detection.run_files import RunFiles
from actionunits.errors import UserError, one_line, print_line
from actionunits.files import cache_folder
from actionunits.media import read_for
from actionunits.media.standard_input import end_standard_input
from actionunits.reports.outcomes import outcomes_table
from actionunits.runtime.processes import INTERRUPTED

LINE_EVERY_S = 60.0  # of progress, where there is no terminal


def detect_inputs(
    run: Run,
    inputs: Sequence[Input],
    out: Path,
    quiet: bool = False,
    report: bool = False,
    whole: bool = True,
) -> int:
    """Analyse the inputs, print what became of them, and return the exit code.

    An input that fails is told in one line and the others go on. 0: all went well. 1: a fault that nobody foresaw.
    2: an input could not be used. 3: an input was damaged, its files hold what could be read. 130: interrupted by
    Ctrl-C or SIGTERM, the files of the inputs in work hold the frames so far. Ending a webcam so is its normal end.
    whole: these are all inputs, and the files about all of them are written. Raises UserError, before any work, where
    a file to write is one of the inputs.
    """
    refuse_overwriting([entry.source for entry in inputs], [entry.paths for entry in inputs], run.options)
    files = RunFiles.of(inputs, out, run.options, report, whole)
    left = without_moments(inputs, run.options.neutral)
    if left is not None and not quiet:
        print(f"actionunits: {one_line(left)}", file=sys.stderr)
    console = SteadyConsole(quiet=quiet)
    outcomes: dict[str, Outcome] = {}
    cut_off: set[str] = {entry.source for entry in inputs}  # what had not come to its end when the user stopped
    with _stop_on_signals() as run.stop:
        with _InputsBar(inputs, quiet) as bar:
            for outcome in run.over(inputs, bar.advance):
                outcomes[outcome.source] = outcome
                if not run.stop.is_set() or (outcome.card is not None and not outcome.card["interrupted"]):
                    cut_off.remove(outcome.source)
                with bar.hidden(outcome.source):
                    _tell(outcome, len(inputs), console)
        if len(inputs) > 1:
            console.print(outcomes_table([entry.source for entry in inputs], outcomes))
            console.print(bar.throughput)
        _print_files(files.write(inputs, outcomes, shlex.join(["actionunits", *sys.argv[1:]])), console)
        interrupted = run.stop.is_set() and not all(source.startswith("webcam:") for source in cut_off)
        if interrupted:
            kept = any(outcome.analysis for outcome in outcomes.values())
            line = "interrupted; the files hold the frames so far" if kept else "interrupted"
            print(f"actionunits: {line}", file=sys.stderr)
    return exit_code(outcomes.values(), interrupted)


def _tell(outcome: Outcome, inputs: int, console: Console) -> None:
    """What became of an input: in full where it is the only one, else in a line; a failure on standard error."""
    if inputs == 1 and outcome.analysis is not None:
        _show(outcome.analysis, outcome.source, console)
    elif outcome.card is not None:
        console.print(one_line(outcome.line), markup=False, highlight=False, soft_wrap=True)
    if outcome.error is not None:
        print_line(outcome.error)


class _InputsBar:
    """One bar over all inputs, by the size of their files, with the inputs per second and the time left.

    Without a terminal, as batch systems run it, there is a line now and then instead.
    """

    def __init__(self, inputs: Sequence[Input], quiet: bool) -> None:
        self._sources = [entry.source for entry in inputs]
        self._numbers = {source: number for number, source in enumerate(self._sources)}
        self._began_s = self._told_s = time.monotonic()
        self._ended = 0
        self._sizes = [_bytes_of(entry.source) for entry in inputs]
        if len(inputs) > 1 and not any(self._sizes):  # those of stores are not asked for
            self._sizes = [1] * len(inputs)
        self._done = [0.0] * len(inputs)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
        console = Console(stderr=True)
        self._in_lines = not quiet and not console.is_terminal
        disable = quiet or not console.is_terminal
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable)
        self._task = self._bar.add_task(self._words(), total=sum(self._sizes) or None)

    def advance(self, number: int, share: float) -> None:
        """This share of the input of that number is done."""
        self._done[number] = share * self._sizes[number]
        self._bar.update(self._task, completed=sum(self._done))

    @contextmanager
    def hidden(self, ended: str) -> Iterator[None]:
        """Out of the way while what became of an input is printed, which has ended, however far it came."""
        self._bar.stop()
        yield
        self._ended += 1
        self.advance(self._numbers[ended], 1.0)
        if self._ended < len(self._sources):
            self._bar.update(self._task, description=self._words())
            self._bar.start()
            self._tell_line()

    @property
    def throughput(self) -> str:
        """How many inputs ended, in which time."""
        seconds = time.monotonic() - self._began_s
        return f"{self._ended} inputs in {timedelta(seconds=round(seconds))}{self._rate()}"

    def _words(self) -> str:
        count = len(self._sources)
        if count == 1:
            return one_line(self._sources[0])
        return f"{self._ended} of {count} inputs{self._rate()}"

    def _rate(self) -> str:
        """Inputs per second so far, once there is one."""
        seconds = time.monotonic() - self._began_s
        if not self._ended or seconds <= 0:
            return ""
        rate = self._ended / seconds
        return f", {rate:.0f} per second" if rate >= 10 else f", {rate:.2g} per second"

    def _tell_line(self) -> None:
        now_s = time.monotonic()
        if not self._in_lines or not sum(self._done) or now_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s, done = now_s, sum(self._done) / sum(self._sizes)
        left = timedelta(seconds=round((now_s - self._began_s) * (1 / done - 1)))
        print(f"actionunits: {self._words()}, {left} left", file=sys.stderr, flush=True)

    def __enter__(self) -> _InputsBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _bytes_of(source: str) -> int:
    """Size of what is read for an input; 0 where that is unknown."""
    try:
        return sum(file.stat().st_size for file in read_for(source))
    except (UserError, OSError):
        return 0


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one interrupts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    watched = (signal.SIGINT, signal.SIGTERM)

    def request_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        end_standard_input()
        for each in watched:
            signal.signal(each, signal.default_int_handler)

    before = [signal.signal(each, request_stop) for each in watched]
    try:
        yield stop
    finally:
        for each, handler in zip(watched, before, strict=True):
            signal.signal(each, handler)


class SteadyConsole(Console):
    """A console that falls silent where nobody reads it any more, as behind `| head`: the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _show(analysis: Analysis, source: str, console: Console) -> None:
    summary, card = analysis.summary, analysis.card
    is_photo = analysis.kind == "image"
    if not summary.frames_with_face:
        console.print(f"{one_line(source)}: no face found", markup=False, highlight=False)
    else:
        console.print(summary.photo_table(source) if is_photo else summary.video_table(source))
    if not is_photo:
        console.print(counts_text(card), markup=False, highlight=False)
    if card["without_neutral_reference"]:
        faces = ", ".join(map(str, card["without_neutral_reference"]))
        console.print(f"no neutral reference for face {faces}: left as they are", markup=False, highlight=False)
    _print_files(analysis.files, console)


def _print_files(files: Sequence[Path], console: Console) -> None:
    for file in files:
        console.print(f"  {one_line(str(file))}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def frames_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with frames per second and the time left, shown from the first call of the function that it
    gives: that takes frames done and frames in all."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("frames,{task.fields[rate]}"))
    bar = Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=Console(stderr=True))
    task = bar.add_task(title, total=None, rate="")
    begin: tuple[float, int] | None = None

    def on_progress(done: int, total: int) -> None:
        nonlocal begin
        now_s = time.monotonic()
        if begin is None:
            begin = (now_s, done)  # what an earlier run did says nothing about the speed of this one
            bar.reset(task, completed=done, total=total)
        passed_s = now_s - begin[0]
        rate = f" {(done - begin[1]) / passed_s:.0f} per second," if passed_s > 1 and done > begin[1] else ""
        bar.update(task, completed=done, total=total, rate=rate)
        bar.start()

    try:
        yield on_progress
    finally:
        if bar.live.is_started:
            bar.stop()


def videos_prepared(folders: Sequence[Path], image_size: int, fps: float) -> list[Path]:
    """The folders of data, where those that hold videos are replaced by what is prepared from them, in the cache.

    What is found, left out and lost is told; what an interrupted run did is kept. Raises UserError like `prepare`.
    """
    from actionunits.datasets.crops.load import is_data
    from actionunits.datasets.crops.prepare import prepare, source_digest
    from actionunits.datasets.readers.videos import read
    from actionunits.reports.prepared import print_inventory, print_prepared

    console = Console(stderr=True)
    found = []
    for folder in folders:
        if is_data(folder):
            found.append(folder)
            continue
        inventory = read(folder, fps=fps)
        print_inventory(inventory, console)
        # Other videos, another place, rate or size: another name.
        key = f"{folder.resolve()} {source_digest(inventory.recordings)}"
        name = f"{folder.resolve().name}-{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}-{image_size}"
        with told_when_interrupted(), frames_progress("preparing") as on_progress:
            prepared = prepare(
                inventory,
                cache_folder() / "videos" / name,
                image_size=image_size,
                options={"fps": fps},
                on_progress=on_progress,
            )
        print_prepared(prepared, console)
        found.append(prepared.folder)
    return found


@contextmanager
def told_when_interrupted() -> Iterator[None]:
    """One line for work that Ctrl-C ended and that the same command goes on with; then exit code 130."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        line = str(stopped) or "interrupted; the same command goes on where it stopped"
        print(f"actionunits: {line}", file=sys.stderr)
        sys.exit(INTERRUPTED)
