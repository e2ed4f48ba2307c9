"""Size of a fresh environment with what detection needs, and how long installing takes, for each Python that is here.

    python benchmarks/install.py [--python python3.11 python3.12 python3.13 python3.14]

Makes an environment of each in turn and installs this folder into it, with the versions of constraints.txt and
without bytecode, which Python writes for what it imports. Reads a photograph there, so that this is written too, and
measures what lies in the folder: in all, and of bytecode. Prints both and writes results/install.csv; a Python that
is not here is left out. The time is mostly the network's.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "install.csv"
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
PHOTO = ROOT / "docs" / "img" / "astronaut.png"
MEGABYTE = 1 << 20


def size_mb(folder: Path, ending: str = "") -> float:
    """Of all files below a folder, or of those with an ending, by the blocks that they take."""
    files = (Path(where) / name for where, _, names in os.walk(folder) for name in names if name.endswith(ending))
    return sum(path.lstat().st_blocks * 512 for path in files) / MEGABYTE


def measured(python: str, folder: Path) -> dict[str, object]:
    """One environment, made, used and measured."""
    begin_s = time.perf_counter()
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(ROOT)], check=True)
    install_s = time.perf_counter() - begin_s
    words = [str(folder / "bin" / "actionunits"), "detect", str(PHOTO), "--out", str(folder.with_name("read"))]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    version = subprocess.run([python, "-V"], check=True, capture_output=True, text=True).stdout.split()[1]
    return {
        "python": version,
        "install_s": round(install_s, 1),
        "size_mb": round(size_mb(folder)),
        "bytecode_mb": round(size_mb(folder, ".pyc")),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="interpreters to try")
    options = parser.parse_args()
    rows = []
    for python in options.python:
        runs = shutil.which(python) and subprocess.run([python, "-V"], capture_output=True).returncode == 0
        if not runs:  # a name on the path may be a shim without a Python behind it
            print(f"{python}: not here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measured(python, Path(folder) / "environment"))
        print(rows[-1], flush=True)
    if rows:
        pd.DataFrame(rows).to_csv(RESULTS, index=False, lineterminator="\n")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
