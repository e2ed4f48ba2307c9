"""What a command costs as a process of its own: wall and CPU time, and memory; and two commands that take turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from processes import memory_mb

POLL_S = 0.01


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    wall_s: float
    user_s: float
    system_s: float
    peak_mb: float  # resident memory of the process itself, without its children; 0 where there is no /proc


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end. Raises SystemExit where it is not there or fails, with what it said."""
    with tempfile.TemporaryFile("w+") as said:
        start, peak = time.perf_counter(), 0.0
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        except OSError as error:
            raise SystemExit(f"{command[0]}: {error.strerror}") from None
        ended = 0
        while not ended:
            time.sleep(POLL_S)
            # Asked for while it runs: Linux counts what a parent held at its peak into its child's maximum.
            peak = max(peak, memory_mb("VmHWM", process.pid))
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{said.read().strip()}")
    return Cost(wall_s, used.ru_utime, used.ru_stime, peak)


def in_turns(commands: Sequence[Sequence[str]], repeats: int) -> list[list[Cost]]:
    """The costs of each command's runs; they alternate, so that a machine that slows down slows all of them."""
    turns = [[run(command) for command in commands] for _ in range(repeats)]
    return [list(costs) for costs in zip(*turns, strict=True)]


def median(costs: Sequence[Cost]) -> Cost:
    """Each value's own median."""
    return Cost(*(statistics.median(values) for values in zip(*map(astuple, costs), strict=True)))
