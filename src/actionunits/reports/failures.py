"""The table of the inputs of a run that failed or are damaged, with the reason of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from actionunits.errors import one_line
from actionunits.files import valid_text
from actionunits.reports.schemas import Column, Row
from actionunits.reports.tables import write_csv

NAME = "failed.csv"
COLUMNS = (Column("input", "text"), Column("status", "text"), Column("reason", "text"))


class Failure(Protocol):
    """See `Outcome` in detection/run.py."""

    @property
    def error(self) -> Any: ...

    @property
    def status(self) -> str: ...


def write_failures(path: Path, outcomes: Mapping[str, Failure]) -> bool:
    """Write the table, a row for each that has an error; without any there is none. Tells whether it was written.

    outcomes: by input. Raises UserError where the file cannot be written.
    """
    failed = [(source, outcome) for source, outcome in outcomes.items() if outcome.error is not None]
    if failed:
        rows: list[Row] = [[valid_text(name), each.status, one_line(str(each.error))] for name, each in failed]
        write_csv(path, COLUMNS, rows)
    elif _is_ours(path):
        path.unlink()
    return bool(failed)


def _is_ours(path: Path) -> bool:
    """Whether an earlier run has written the table, of which nothing holds any more."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().decode(errors="replace").split() == [",".join(column.name for column in COLUMNS)]
