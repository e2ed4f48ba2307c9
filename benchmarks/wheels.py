"""Which dependencies have a wheel for which Python and system, from the package index.

    python benchmarks/wheels.py [--python 3.11 3.12 3.13 3.14]

Asks pip which files the index has of each package of `dependencies` and of the extras in pyproject.toml, and of the
compiled packages behind them; nothing is downloaded. Prints those that lack a wheel somewhere and writes
results/wheels.csv: per package and system the Pythons with a wheel of a release that pyproject.toml allows.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from actionunits.files import write_atomically

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "wheels.csv"
EXTRAS = ("tables", "plots", "ray", "people", "web", "train", "landmarker")
BEHIND = {"detect": ("pydantic-core", "protobuf"), "train": ("llvmlite", "ml-dtypes")}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux x86_64": r"manylinux.*_x86_64",
    "Linux aarch64": r"manylinux.*_aarch64",
    "macOS arm64": r"macosx_.*_(arm64|universal2)",
    "macOS x86_64": r"macosx_.*_(x86_64|universal2)",
    "Windows amd64": r"win_amd64",
}
# pip tells all files it sees, those for other machines included.
_WHEEL = re.compile(r"/([^/\s]+\.whl)")


def packages() -> list[tuple[Requirement, str]]:
    """What is needed, with the part that needs it: `detect` or an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = {"detect": project["dependencies"]} | {extra: project["optional-dependencies"][extra] for extra in EXTRAS}
    named = [(Requirement(line), part) for part, lines in parts.items() for line in [*lines, *BEHIND.get(part, ())]]
    return [(requirement, part) for requirement, part in named if requirement.name != "actionunits"]


def tags_of(requirement: Requirement) -> set[Tag]:
    """The tags of all wheels of releases that a requirement allows."""
    command = [sys.executable, "-m", "pip", "index", "versions", requirement.name, "-vvv"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    tags: set[Tag] = set()
    for name in set(_WHEEL.findall(said.stdout + said.stderr)):
        try:
            _, release, _, of_file = parse_wheel_filename(unquote(name))
        except InvalidWheelFilename:
            continue
        if requirement.specifier.contains(release):  # without pre-releases
            tags |= of_file
    return tags


def serves(tag: Tag, python: str, system: str) -> bool:
    """Whether a wheel of this tag installs on a Python of that system."""
    interpreter = re.fullmatch(r"(cp|py)3(\d*)", tag.interpreter)
    if interpreter is None or not (tag.platform == "any" or re.fullmatch(SYSTEMS[system], tag.platform)):
        return False
    minor, own = int(interpreter[2] or 0), int(python.split(".")[1])
    return minor == own if tag.abi == f"cp3{own}" else tag.abi in ("abi3", "none") and minor <= own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="versions to ask for")
    options = parser.parse_args()
    rows = []
    for requirement, part in packages():
        tags = tags_of(requirement)
        there = [
            " ".join(python for python in options.python if any(serves(tag, python, system) for tag in tags)) or "-"
            for system in SYSTEMS
        ]
        rows.append([requirement.name, part, *there])
        if set(there) != {" ".join(options.python)}:
            print(*rows[-1], sep=" | ")
    with write_atomically(RESULTS) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["package", "needed for", *SYSTEMS], *rows])
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
