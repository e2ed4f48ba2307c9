"""Detection in a terminal: progress, a readable table of what was seen, Ctrl-C, and one line per failure."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from actionunits.detection.analysis import Analysis, analyse
from actionunits.detection.detector import Detector
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths, refuse_overwriting
from actionunits.errors import DamagedInputError, UnexpectedError, UserError, one_line, tell
from actionunits.files import cache_folder
from actionunits.media.standard_input import end_standard_input
from actionunits.runtime.processes import INTERRUPTED


def detect_inputs(
    detector: Detector,
    sources: Sequence[str],
    paths: Sequence[OutputPaths],
    options: AnalysisOptions,
    quiet: bool = False,
) -> int:
    """Analyse one input after the other, print what was seen, and return the exit code.

    An input that fails is told in one line and the others go on. 0: all went well. 1: a fault that nobody foresaw.
    2: an input could not be used. 3: an input was damaged, its files hold what could be read. 130: interrupted by
    Ctrl-C or SIGTERM, the files of the input in work hold the frames so far. Ending a webcam so is its normal end.
    Raises UserError, before any work, where a file to write is one of the inputs.
    """
    refuse_overwriting(sources, paths, options)
    codes = [0]
    with _stop_on_signals() as stop:
        for source, to in zip(sources, paths, strict=True):
            codes.append(_analysed(detector, source, to, options, quiet, stop))
            if stop.is_set():
                if not source.startswith("webcam:"):
                    kept = codes[-1] in (0, DamagedInputError.exit_code)
                    line = "interrupted; the files hold the frames so far" if kept else "interrupted"
                    print(f"actionunits: {line}", file=sys.stderr)
                    codes.append(INTERRUPTED)
                break
    # A fault of ours weighs more than an input that could not be used, and that more than a damaged one.
    order = (INTERRUPTED, UnexpectedError.exit_code, UserError.exit_code, DamagedInputError.exit_code, 0)
    return next(code for code in order if code in codes)


def _analysed(
    detector: Detector, source: str, to: OutputPaths, options: AnalysisOptions, quiet: bool, stop: threading.Event
) -> int:
    """Analyse one input and print what was seen; whatever fails is told in one line. Returns the exit code."""
    try:
        with _progress_bar(Console(stderr=True), source, quiet) as bar:
            progress = partial(_advance, bar, bar.add_task(one_line(source), total=None))
            analysis = analyse(detector, source, to, options, progress, stop)
        _show(analysis, source, SteadyConsole(quiet=quiet))
        if analysis.damage:
            raise DamagedInputError(_damage_line(analysis))
    except Exception as error:
        return tell(error)
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


def _advance(bar: Progress, task: TaskID, done: int, total: int | None) -> None:
    bar.update(task, completed=done, total=total)


def _progress_bar(console: Console, source: str, quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    return Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)


def _show(analysis: Analysis, source: str, console: Console) -> None:
    summary, card = analysis.summary, analysis.card
    is_photo = analysis.kind == "image"
    if not summary.frames_with_face:
        console.print(f"{one_line(source)}: no face found", markup=False, highlight=False)
    else:
        console.print(summary.photo_table(source) if is_photo else summary.video_table(source))
    if not is_photo:
        line = f"{card['frames_written']} frames, {card['frames_with_face']} with a face"
        people = card["people"]
        line += "" if people is None else f", {people} {'person' if people == 1 else 'people'}"
        speed = f"{card['seconds']:.1f} s, {card['frames_per_second']:.0f} frames per second"
        console.print(f"{line}; {speed}", markup=False, highlight=False)
    if card["without_neutral_reference"]:
        faces = ", ".join(map(str, card["without_neutral_reference"]))
        console.print(f"no neutral reference for face {faces}: left as they are", markup=False, highlight=False)
    for file in analysis.files:
        console.print(f"  {one_line(str(file))}", markup=False, highlight=False, soft_wrap=True)


def _damage_line(analysis: Analysis) -> str:
    written = analysis.card["frames_written"]
    return f"{analysis.damage}; {analysis.files[0]} holds the {written} frames that could be read"


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
