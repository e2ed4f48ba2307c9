"""People rendered in parallel: a process per core, each with its own prepared head."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import islice

import cv2
from threadpoolctl import threadpool_limits

from actionunits.errors import UserError
from actionunits.runtime.processes import be_a_worker
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.person import Casting


@lru_cache(maxsize=1)  # preparing a head takes a second
def casting_of(facekit: str) -> Casting:
    """People made from the face model in this folder or file."""
    return Casting(build_head(read_facekit(facekit)))


def render_people(render: Callable[[int], None], people: Sequence[int], workers: int | None = None) -> Iterator[None]:
    """Call `render` for each person, in parallel and in any order, yielding after each that is finished.

    render: has to be picklable, as a partial of a function is. workers: all cores by default.
    Raises UserError if a process is ended from outside.
    """
    workers = min(workers or os.cpu_count() or 1, len(people))
    if workers <= 1:
        # Sums must not depend on the number of threads.
        cv2.setNumThreads(1)
        threadpool_limits(1)
        for person in people:
            render(person)
            yield
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
        queue = iter(people)
        running: set[Future[None]] = {pool.submit(render, person) for person in islice(queue, 2 * workers)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    yield
                    running |= {pool.submit(render, person) for person in islice(queue, 1)}
        except BrokenProcessPool as error:
            raise UserError(
                "a rendering process was ended from outside (out of memory?); run the same command again to go on, "
                "with fewer --workers if it happens again"
            ) from error
        except KeyboardInterrupt:
            # They do not hear Ctrl-C themselves, and a person can take minutes; files are whole or absent.
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
