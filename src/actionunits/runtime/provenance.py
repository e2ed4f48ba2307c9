"""Which source, and which processor, a result comes from."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

# By Linux's names of them, the widest first.
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
_VNNI = {"avx512_vnni", "avx_vnni"}


def instruction_set(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What decides how fast the processor multiplies: its widest vectors, and whether it sums 8-bit products."""
    try:
        flags = set(cpuinfo.read_text().split())
    except OSError:  # another system
        flags = set()
    widest = [name for flag, name in _VECTORS.items() if flag in flags][:1]
    return " ".join([platform.machine(), *widest, *(["VNNI"] if _VNNI & flags else [])])


@cache
def source_commit() -> str:
    """Commit of the checkout that this package runs from, with `+` where files differ; empty if installed."""
    folder = Path(__file__).parents[1]
    try:
        # A copy that was installed into somebody else's checkout is not of that checkout's commit.
        _git(folder, "ls-files", "--error-unmatch", __file__)
        return _git(folder, "rev-parse", "HEAD") + ("+" if _git(folder, "status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=10, text=True).stdout.strip()
