"""Workers on a Ray cluster: actors that analyse an input at a time, on as many machines as it has.

All machines need this package, and the folders of inputs and results under the same names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actionunits.detection.inputs import Input
from actionunits.detection.workers import MOMENT_S, OnProgress, Work, share_of
from actionunits.errors import UserError, explained

# Read when ray is imported. What became of an input whose worker died is told in words of our own. A head that does
# not answer for a minute, as on a machine with too much to do, is no reason to end a run of hours.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "died or was killed|Raylet is terminated|marked dead")
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "900")
import ray

if TYPE_CHECKING:
    from actionunits.detection.detector import Detector
    from actionunits.detection.run import Outcome

_CORES = 1  # of a worker, whose decoder and model each have a thread
_CONNECTIONS = 3  # attempts: Ray gives its own processes half a minute to start, which is short on a busy machine
_FAILED_STARTS = 10  # one after another, until the cluster is taken to be broken


class RayWorkers:
    """Actors of the cluster that this process is connected to, or that RAY_ADDRESS names, else of one made here.

    count: how many, by default one per core of the cluster. An actor gets inputs once it is ready, so that those for
    which there is no core do not hold up the others. Raises UserError where there is no such cluster.
    """

    def __init__(
        self, count: int | None, make_detector: Callable[[], Detector], work: Work, on_progress: OnProgress | None
    ) -> None:
        self._connects = not ray.is_initialized()
        if self._connects:
            _connect()
        self._settings = (os.getcwd(), make_detector, work)
        self._on_progress = on_progress
        self._failed_starts = 0
        self._starting: dict[Any, Any] = {}  # what tells that an actor is ready -> the actor
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[int, Any]] = {}  # the outcome to come -> number of the input, actor
        self._shares: dict[Any, int] = {}  # the share to come -> number of the input
        for _ in range(count or max(1, int(ray.cluster_resources().get("CPU", 1)) // _CORES)):
            self._start_one()

    def begin(self, number: int, entry: Input) -> bool:
        """See Workers."""
        if not self._free:
            return False
        actor = self._free.pop()
        self._busy[actor.analyse.remote(entry)] = (number, actor)
        return True

    def ended(self) -> list[tuple[int, Outcome | None]]:
        """See Workers. Raises UserError where workers cannot start."""
        pending = [*self._starting, *self._busy]
        finished, _ = ray.wait(pending, num_returns=len(pending), timeout=0)
        if not finished:
            finished, _ = ray.wait(pending, num_returns=1, timeout=MOMENT_S)
        for ready in [each for each in finished if each in self._starting]:
            self._started(ready)
        self._tell_progress()
        return [self._outcome(each) for each in finished if each in self._busy]

    def stop(self) -> None:
        """See Workers."""
        for _, actor in self._busy.values():
            actor.stop.remote()

    def close(self) -> None:
        """See Workers."""
        for actor in [*self._starting.values(), *self._free, *(actor for _, actor in self._busy.values())]:
            ray.kill(actor)
        if self._connects:
            ray.shutdown()

    def _start_one(self) -> None:
        # A second thread answers while the first is at work.
        analyst: Any = ray.remote(_Analyst)
        actor = analyst.options(num_cpus=_CORES, max_restarts=0, max_concurrency=2).remote()
        self._starting[actor.start.remote(*self._settings)] = actor

    def _started(self, ready: Any) -> None:
        actor = self._starting.pop(ready)
        try:
            ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            fault = explained(error.cause if isinstance(error.cause, Exception) else error)
            raise UserError(f"a worker of the cluster cannot start: {fault}") from error
        except ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                raise UserError(
                    f"{_FAILED_STARTS} workers of the cluster ended before they began: {str(error).splitlines()[0]}"
                ) from error
            self._start_one()
            return
        self._failed_starts = 0
        self._free.append(actor)

    def _outcome(self, finished: Any) -> tuple[int, Outcome | None]:
        number, actor = self._busy.pop(finished)
        try:
            outcome = ray.get(finished)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError:  # the process or its machine is gone, or cannot be reached
            ray.kill(actor)
            self._start_one()
            return number, None
        self._free.append(actor)
        return number, outcome

    def _tell_progress(self) -> None:
        """Pass on the shares that have come, and ask for new ones where none is to come."""
        if self._on_progress is None:
            return
        come, _ = ray.wait([*self._shares], num_returns=len(self._shares), timeout=0) if self._shares else ([], [])
        working = {number for number, _ in self._busy.values()}
        for each in come:
            number = self._shares.pop(each)
            try:
                share = ray.get(each)
            except ray.exceptions.RayError:
                continue  # `ended` finds out, too
            if number in working:
                self._on_progress(number, share)
        asked = set(self._shares.values())
        self._shares |= {actor.share.remote(): number for number, actor in self._busy.values() if number not in asked}


class _Analyst:
    """One worker, in a process of its own: a detector, and a decoder for one input at a time."""

    def __init__(self) -> None:
        self._stop, self._share = threading.Event(), 0.0

    def start(self, folder: str, make_detector: Callable[[], Detector], work: Work) -> None:
        """Be ready. folder: what paths are relative to."""
        from actionunits.detection.engine import share_cores
        from actionunits.runtime.processes import keep_to_one_thread

        os.chdir(folder)
        keep_to_one_thread()
        share_cores(os.cpu_count() or 1)
        self._detector, self._work = make_detector(), work

    def analyse(self, entry: Input) -> Outcome:
        """What becomes of an input."""
        self._share = 0.0

        def report(done: int, total: int | None) -> None:
            self._share = share_of(done, total)

        return self._work(self._detector, entry, report, self._stop)

    def share(self) -> float:
        """How much of the input in work is done."""
        return self._share

    def stop(self) -> None:
        """End the input in work with the frames so far."""
        self._stop.set()


def _connect() -> None:
    for attempt in range(_CONNECTIONS):
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as error:  # a cluster that does not start raises one without a class of its own
            ray.shutdown()
            if attempt == _CONNECTIONS - 1:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                raise UserError(f"there is no Ray cluster at RAY_ADDRESS, and none starts here: {first}") from error
