"""Which source a result comes from."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path


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
