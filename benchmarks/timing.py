"""What timing benchmarks share: calls that take turns, and a table of the times with where they were measured."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit


def fastest(calls: Mapping[str, Callable[[], Any]], repeats: int, device: str = "cpu") -> dict[str, float]:
    """Seconds of each call (a processor's own where that computes): the smallest of some turns after a first."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if device != "cpu":
                torch.cuda.synchronize()
            found[name].append(clock() - start)
    return {name: min(times[1:]) for name, times in found.items()}


def report(table: pd.DataFrame, path: Path, device: str = "cpu") -> None:
    """Print the table and write it as CSV, with the machine, torch and the commit it was measured with."""
    name = torch.cuda.get_device_name() if device != "cpu" else platform.machine()
    cores = len(os.sched_getaffinity(0))
    machine = f"{name}, {torch.get_num_threads()} thread on {cores} core{'s' * (cores > 1)}"
    print(f"{table.to_string(index=False, float_format='%.3f')}\n{machine}")
    with write_atomically(path) as temporary:
        told = table.assign(machine=machine, torch=torch.__version__, commit=source_commit())
        told.to_csv(temporary, index=False, float_format="%.3f", lineterminator="\n")
    print(f"written to {path}")
