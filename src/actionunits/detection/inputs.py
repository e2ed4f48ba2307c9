"""From what a user names to the single inputs of a run, each with the place of its results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionunits.detection.output_files import OutputPaths, output_paths
from actionunits.detection.same_people import FILE as PEOPLE_FILE
from actionunits.errors import UserError
from actionunits.media import expand
from actionunits.reports.summary import FILES as SUMMARY_FILES
from actionunits.reports.summary import RELATION_FILES
from actionunits.reports.tables import TABLE_SUFFIXES


@dataclass(frozen=True)
class Input:
    """One of the inputs of a run, and where its files go."""

    source: str
    paths: OutputPaths
    neutral: str | None = None  # its own, where the options name a table: see neutral_table.py


def find_inputs(words: Sequence[str], out: Path, table_format: str = "csv", recursive: bool = False) -> list[Input]:
    """The inputs that files, folders, patterns and webcams stand for, each once, in the order of the words.

    recursive: also what lies in folders of folders; results then lie in such folders below `out`. Raises UserError as
    `output_paths` does.
    """
    places: dict[str, tuple[str, Path]] = {}  # by what is read
    for word in words:
        for source in expand(word, recursive):
            read = os.path.realpath(source) if os.path.lexists(source) else source
            places.setdefault(read, (source, _below(word, source)))
    sources, below = zip(*places.values(), strict=True)
    paths = output_paths(sources, out, table_format, below)
    return [Input(*pair) for pair in zip(sources, paths, strict=True)]


def summary_files(out: Path, relations: bool = False) -> list[Path]:
    """Where the tables over all inputs go: into the folder of the results. relations: those too."""
    return [_folder(out) / name for name in (*SUMMARY_FILES, *RELATION_FILES * relations)]


def people_file(out: Path) -> Path:
    """Where the table of the people of all inputs goes: beside them."""
    return _folder(out) / PEOPLE_FILE


def report_file(out: Path) -> Path:
    """Where the report goes: beside them."""
    return _folder(out) / "report.html"


def _folder(out: Path) -> Path:
    return out.parent if out.suffix in TABLE_SUFFIXES and not out.is_dir() else out


def refuse_clashes(summaries: Sequence[Path], inputs: Sequence[Input]) -> None:
    """Raises UserError where an input has the name of a table over all of them."""
    for entry in inputs:
        if entry.paths.table in summaries:
            raise UserError(
                f"the table of {entry.source} would be {entry.paths.table}, which is that of all inputs; rename it, "
                "or leave that one out with --no-summary"
            )


def _below(word: str, source: str) -> Path:
    """Where in the folder that a user names an input lies."""
    if not os.path.isdir(word):
        return Path()
    place = Path(source) if os.path.isdir(source) else Path(source).parent
    return place.relative_to(word)
