"""What the service takes and keeps at most, and what one of its processes may use."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one service. Uploads that are refused cost nothing; a process that goes beyond its own is ended."""

    upload_bytes: int = 1024 * MEGABYTE  # of one request
    disk_bytes: int = 8192 * MEGABYTE  # of all uploads and their results
    upload_s: float = 900.0  # for a request to arrive
    duration_s: float = 3600.0  # of a video
    pixels: int = 50_000_000  # of a frame
    memory_bytes: int = 4096 * MEGABYTE  # of the data of one process
    run_s: float = 7200.0  # of one analysis
    running: int = max(1, (os.cpu_count() or 1) // 2)  # analyses at once; each uses about two cores
    waiting: int = 64  # analyses in the queue
    kept: int = 200  # analyses that have ended
    kept_s: float = 3600.0  # from the end of an analysis to its removal
    live: int = 4  # webcams at once
    live_frame_bytes: int = 4 * MEGABYTE
    live_idle_s: float = 60.0  # without a frame
    starts_per_minute: int = 120  # uploads and webcams of one address

    @property
    def cpu_s(self) -> float:
        """Processor time of one analysis, for one that nobody watches any more."""
        return 60 + (os.cpu_count() or 1) * self.run_s


def limit_this_process(memory_bytes: int, cpu_s: float, file_bytes: int) -> None:
    """Bound the data, processor time and files of the calling process, as far as its system can.

    Linux bounds all three. macOS does not count mapped memory as data, so that memory is not bounded there. Windows
    bounds none of them; what takes too long is ended by the service.
    """
    if sys.platform == "win32":
        return
    import resource

    os.nice(5)  # the service answers first
    wanted = {"RLIMIT_CPU": int(cpu_s), "RLIMIT_FSIZE": file_bytes, "RLIMIT_CORE": 0}
    if sys.platform == "linux":
        wanted["RLIMIT_DATA"] = memory_bytes
    for name, value in wanted.items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))
