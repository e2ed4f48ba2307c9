"""Signals and streams of a run, and the processes that work for it, which end with it."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import platform
import signal
import sys
import threading
from types import FrameType

INTERRUPTED = 130  # exit code: 128 + SIGINT, as shells count
# Options of glibc's mallopt, by the numbers of malloc.h.
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
GRACE_S = 5.0  # for a worker to tidy up after it was asked to end


def fill_standard_streams() -> None:
    """Open those of the streams 0, 1 and 2 that whoever started this process has closed.

    Else the next file that is opened takes the number, and messages are written into it.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, mode), number)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open as long as the process
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def drop_unwritten_output() -> None:
    """Throw away what standard output still holds where it cannot be written, as on a full disk or behind `| head`.

    Else Python tries it once more as it ends, complains, and exits with 120.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def hear_sigterm_as_ctrl_c() -> None:
    """What batch systems, `timeout` and containers send ends a run as Ctrl-C does: in good order."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def be_a_worker() -> None:
    """Set up a freshly spawned process: one thread, deaf to Ctrl-C (its parent hears it), gone with its parent.

    SIGTERM ends what it does at the next chance, with unfinished files removed, and the process soon after.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon)
    keep_to_one_thread()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed; other C libraries stay as they are.

    A training step needs arrays as large as those of the step before. To hand them back to the system, which clears
    them before it gives them out again, takes time.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    for option, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (ARENA_MAX, 1)):
        library.mallopt(option, value)


def keep_to_one_thread() -> None:
    """Leave the other cores to the processes beside this one, as far as OpenCV and NumPy decide."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)


def _end_soon(number: int, frame: FrameType | None) -> None:
    timer = threading.Timer(GRACE_S, os._exit, (INTERRUPTED,))
    timer.daemon = True
    timer.start()
    sys.exit(INTERRUPTED)


def _end_with_parent() -> None:
    """Wait for the end of the parent, and end too; a killed run must not go on writing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
