"""Neutral moments of many videos in one table: a CSV with the columns `video` and `time`, one row per moment.

A time is in seconds, or in minutes and seconds as players show it (1:05.5), with a decimal point or comma.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from actionunits.detection.inputs import Input
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.spreadsheet import named_cells
from actionunits.errors import UserError

SUFFIX = ".csv"
COLUMNS = ("video", "time")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?) ?s?")
_NAMES_TOLD = 5


def is_table(neutral: str) -> bool:
    """Whether what the user gave as neutral is a table of moments."""
    return neutral.lower().endswith(SUFFIX)


def own_options(entry: Input, options: AnalysisOptions) -> AnalysisOptions:
    """The options for one input: where they name a table, with the moments that it has for this one, or none."""
    return replace(options, neutral=entry.neutral) if options.neutral and is_table(options.neutral) else options


def with_moments(inputs: Sequence[Input], table: Path) -> list[Input]:
    """The inputs, each with the moments that the table has for it.

    A row names an input by its path, or by the end of it, such as the file's name. Raises UserError for a table that
    cannot be read, for a name that is the end of several inputs' paths, and where no row names an input.
    """
    moments: dict[str, list[str]] = {}
    for name, times in read_moments(table).items():
        found = _named(name, [entry.source for entry in inputs])
        if len(found) > 1:
            raise UserError(f"{table}: {name} may be {found[0]} or {found[1]}; write more of the path")
        for source in found:
            moments.setdefault(source, []).extend(times)
    if not moments:
        raise UserError(f"{table} names none of the inputs; its column `video` holds their names or paths")
    return [replace(entry, neutral=",".join(moments.get(entry.source, ())) or None) for entry in inputs]


def without_moments(inputs: Sequence[Input], neutral: str | None) -> str | None:
    """A line about the inputs that a table does not name; None where it names all, or neutral is no table."""
    left = [entry.source for entry in inputs if entry.neutral is None]
    if neutral is None or not is_table(neutral) or not left:
        return None
    names = ", ".join(left[:_NAMES_TOLD]) + (", ..." if len(left) > _NAMES_TOLD else "")
    return f"{neutral} has no neutral moment for {len(left)} of {len(inputs)} inputs, which stay as they are: {names}"


def read_moments(table: Path) -> dict[str, list[str]]:
    """Moments by name as `parse_neutral` reads them, such as "65.5s". Raises UserError for a faulty table."""
    moments: dict[str, list[str]] = {}
    for line, (name, time) in named_cells(table, COLUMNS):
        if name or time:
            moments.setdefault(name, []).append(_moment(time, f"{table}, line {line}"))
    return moments


def _moment(time: str, where: str) -> str:
    match = _TIME.fullmatch(time)
    if match is None:
        raise UserError(f"{where}: '{time}' is no time; write seconds (3.2) or minutes and seconds (1:05.5)")
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
    return f"{3600 * hours + 60 * minutes + seconds:.6f}".rstrip("0").rstrip(".") + "s"


def _named(name: str, sources: Sequence[str]) -> list[str]:
    """The sources that a name stands for: that very path, else those that end so."""
    parts = _parts(name)
    by_parts: Mapping[str, tuple[str, ...]] = {source: _parts(source) for source in sources}
    same = [source for source, of_source in by_parts.items() if of_source == parts]
    return same or [source for source, of_source in by_parts.items() if of_source[-len(parts) :] == parts]


def _parts(path: str) -> tuple[str, ...]:
    r"""Folders and name, with letters in one spelling: macOS writes an umlaut as two, Windows parts by \."""
    return PurePosixPath(unicodedata.normalize("NFC", path).replace("\\", "/")).parts
