"""Those who analyse the inputs of a run: this process itself, or several processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol

from actionunits.detection.inputs import Input

if TYPE_CHECKING:
    from actionunits.detection.detector import Detector
    from actionunits.detection.run import Outcome

OnProgress = Callable[[int, float], None]  # number of an input, and the share of it that is done
Work = Callable[..., "Outcome"]  # detector, input, what is told of its frames, and what asks to stop
MOMENT_S = 0.2  # for which `ended` waits


class Workers(Protocol):
    """Each analyses one input at a time. One that dies is replaced, and its input is given back."""

    def begin(self, number: int, entry: Input) -> bool:
        """Hand an input to a worker that is free; False where none is."""
        ...

    def ended(self) -> list[tuple[int, Outcome | None]]:
        """The inputs that came to an end within a moment; None for one whose worker died."""
        ...

    def stop(self) -> None:
        """Have the inputs in work end with the frames so far."""
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


def share_of(done: int, total: int | None) -> float:
    """Share of an input that is done, from its frames; 0 where their number is not known."""
    return min(done / total, 1.0) if total else 0.0


class Here:
    """This process, which does an input while it is waited for. stop: as `Run` has it."""

    def __init__(self, detector: Detector, work: Work, on_progress: OnProgress | None, stop: Any) -> None:
        self._detector, self._work, self._on_progress, self._stop = detector, work, on_progress, stop
        self._begun: tuple[int, Input] | None = None

    def begin(self, number: int, entry: Input) -> bool:
        """See Workers."""
        if self._begun is not None:
            return False
        self._begun = (number, entry)
        return True

    def ended(self) -> list[tuple[int, Outcome | None]]:
        """See Workers; waits for the end."""
        if self._begun is None:
            return []
        (number, entry), self._begun = self._begun, None

        def report(done: int, total: int | None) -> None:
            if self._on_progress is not None:
                self._on_progress(number, share_of(done, total))

        return [(number, self._work(self._detector, entry, report, self._stop))]

    def stop(self) -> None:
        """See Workers; what is in work looks at the same event."""

    def close(self) -> None:
        """See Workers."""


class Processes:
    """Processes of this machine, with a detector each."""

    def __init__(
        self, count: int, make_detector: Callable[[], Detector], work: Work, on_progress: OnProgress | None
    ) -> None:
        self._settings = (make_detector, work, count)
        self._on_progress = on_progress
        self._free = [_Process(self._settings) for _ in range(count)]
        self._busy: dict[Future[Outcome], tuple[int, _Process]] = {}

    def begin(self, number: int, entry: Input) -> bool:
        """See Workers."""
        if not self._free:
            return False
        process = self._free.pop()
        self._busy[process.begin(entry)] = (number, process)
        return True

    def ended(self) -> list[tuple[int, Outcome | None]]:
        """See Workers."""
        finished, _ = wait(self._busy, timeout=MOMENT_S, return_when=FIRST_COMPLETED)
        if self._on_progress is not None:
            for number, process in self._busy.values():
                self._on_progress(number, process.share)
        return [self._outcome(future) for future in finished]

    def _outcome(self, future: Future[Outcome]) -> tuple[int, Outcome | None]:
        number, process = self._busy.pop(future)
        try:
            outcome = future.result()
        except BrokenProcessPool:
            process.close()
            self._free.append(_Process(self._settings))
            return number, None
        self._free.append(process)
        return number, outcome

    def stop(self) -> None:
        """See Workers."""
        for _, process in self._busy.values():
            process.stop()

    def close(self) -> None:
        """See Workers."""
        self.stop()
        for process in [*self._free, *(process for _, process in self._busy.values())]:
            process.close()


class _Process:
    """One process. What it shares with its parent has no lock, which it would take with it when it is killed."""

    def __init__(self, settings: tuple[Callable[[], Detector], Work, int]) -> None:
        # ONNX Runtime and torch hold threads, which a forked child would inherit in an unknown state.
        context = multiprocessing.get_context("spawn")
        self._share, self._stop = context.RawValue("d", 0.0), context.RawValue("b", False)
        self._pool = ProcessPoolExecutor(1, context, _start, (*settings, self._share, self._stop))

    @property
    def share(self) -> float:
        """Of the input in work, as far as it is done."""
        return self._share.value

    def begin(self, entry: Input) -> Future[Outcome]:
        """Analyse an input; the future raises BrokenProcessPool where the process dies."""
        self._share.value = 0.0
        try:
            return self._pool.submit(_analyse, entry)
        except BrokenProcessPool as error:
            lost: Future[Outcome] = Future()
            lost.set_exception(error)
            return lost

    def stop(self) -> None:
        """Have the input in work end with the frames so far."""
        self._stop.value = True

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Stop:
    """What the parent asks for, as an event says it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def is_set(self) -> bool:
        return bool(self._value.value)


_worker: dict[str, Any] = {}  # of this process: the detector, what to do with it, and the ways to its parent


def _start(make_detector: Callable[[], Detector], work: Work, processes: int, share: Any, stop: Any) -> None:
    from actionunits.detection.engine import share_cores
    from actionunits.runtime.processes import be_a_worker

    be_a_worker()
    share_cores(processes)
    _worker.update(detector=make_detector(), work=work, share=share, stop=_Stop(stop))


def _analyse(entry: Input) -> Outcome:
    own = _worker

    def report(done: int, total: int | None) -> None:
        own["share"].value = share_of(done, total)

    return own["work"](own["detector"], entry, report, own["stop"])
