"""Which dependencies have a wheel for which Python and system, from the package index.

    python benchmarks/wheels.py [--python 3.11 3.12 3.13 3.14]

Asks pip, without installing anything, for a wheel of each package of `dependencies` and of the extras in
pyproject.toml, and of the compiled packages behind them. Prints those that are missing somewhere and writes
results/wheels.csv: per package and system the Pythons with a wheel, and "-" where there is none.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from actionunits.files import write_atomically

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "wheels.csv"
EXTRAS = ("tables", "plots", "train")
BEHIND = {"detect": ("pydantic-core", "protobuf"), "train": ("llvmlite", "ml-dtypes")}
AT_ONCE = 4  # questions; pip mostly waits for the index
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Newest system that a wheel may ask for, with those before it.
SYSTEMS = {
    "Linux x86_64": [f"manylinux{v}_x86_64" for v in ("2014", *(f"_2_{n}" for n in (17, 24, 26, 27, 28, 34, 35)))],
    "Linux aarch64": [f"manylinux{v}_aarch64" for v in ("2014", *(f"_2_{n}" for n in (17, 24, 26, 27, 28, 34, 35)))],
    "macOS arm64": [f"macosx_{n}_0_{kind}" for n in (11, 12, 13, 14, 15) for kind in ("arm64", "universal2")],
    "macOS x86_64": [
        f"macosx_{n}_{kind}"
        for n in ("10_9", "10_12", "10_13", "10_14", "10_15", "11_0", "12_0", "13_0", "14_0")
        for kind in ("x86_64", "universal2")
    ],
    "Windows amd64": ["win_amd64"],
}


def packages() -> dict[str, str]:
    """Requirement by the part that needs it: `detect` or an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = {"detect": project["dependencies"]} | {extra: project["optional-dependencies"][extra] for extra in EXTRAS}
    lines = {part: [*found, *BEHIND.get(part, ())] for part, found in lines.items()}
    return {line: part for part, found in lines.items() for line in found if not line.startswith("actionunits")}


def without_wheel(wanted: list[str], python: str, tags: list[str]) -> set[str]:
    """Those of the requirements that have no wheel, one answer of pip after the other."""
    missing: set[str] = set()
    platforms = [word for tag in tags for word in ("--platform", tag)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet"),
        *("--target", "unused", "--only-binary=:all:", "--python-version", python, *platforms),
    ]
    while left := [name for name in wanted if name not in missing]:
        done = subprocess.run([*command, *left], capture_output=True, text=True)
        if not done.returncode:
            break
        named = re.search(r"No matching distribution found for (\S+)", done.stderr)
        if named is None:
            raise SystemExit(f"pip failed:\n{done.stderr}")
        missing.add(named[1])
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="versions to ask for")
    options = parser.parse_args()
    wanted = packages()
    asked = [(system, python) for system in SYSTEMS for python in options.python]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda each: without_wheel(list(wanted), each[1], SYSTEMS[each[0]]), asked)
        absent = dict(zip(asked, answers, strict=True))
    rows = []
    for line, part in wanted.items():
        there = [
            " ".join(python for python in options.python if line not in absent[system, python]) or "-"
            for system in SYSTEMS
        ]
        rows.append([re.split(r"[^A-Za-z0-9-]", line)[0], part, *there])
        if set(there) != {" ".join(options.python)}:
            print(rows[-1])
    with write_atomically(RESULTS) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["package", "needed for", *SYSTEMS], *rows])
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
