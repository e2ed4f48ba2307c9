"""What Linux tells in /proc of a process and of those that it has started; nothing of one that has ended."""

from __future__ import annotations

import os
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, at = list(children.get(pid, [])), 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def words_of(pid: int) -> str:
    """The words that a process was started with, or the title that it has given itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def memory_mb(field: str, pid: int | str = "self") -> float:
    """A line of a process's status, `VmHWM` (peak) or `VmRSS` (now), in MB; 0 where it is not there."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # another system, or the process has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name; none where the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
