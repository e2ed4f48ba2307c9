"""What became of the inputs of a run: the last table in the terminal, and the file of those that failed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from actionunits.errors import one_line
from actionunits.files import valid_text
from actionunits.reports.number_text import percent
from actionunits.reports.schemas import Column, Row
from actionunits.reports.tables import write_csv

NOT_BEGUN = "not begun"
FAILURES = "failed.csv"
COLUMNS = (Column("input", "text"), Column("status", "text"), Column("reason", "text"))


class Outcome(Protocol):
    """See detection/run.py."""

    @property
    def card(self) -> dict[str, Any] | None: ...

    @property
    def status(self) -> str: ...

    @property
    def error(self) -> Any: ...


def outcomes_table(sources: Sequence[str], outcomes: Mapping[str, Outcome]) -> Table:
    """A row per input, named below the folder that all lie in: what became of it, frames, faces and people."""
    statuses = [outcomes[source].status if source in outcomes else NOT_BEGUN for source in sources]
    counts = ", ".join(f"{count} {status}" for status, count in Counter(statuses).items())
    table = Table(title=f"{len(sources)} inputs: {counts}", title_justify="left")
    table.add_column("input", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("frames", "with a face", "usable", "people"):
        table.add_column(heading, justify="right")
    for name, source, status in zip(short_names(sources), sources, statuses, strict=True):
        card = outcomes[source].card if source in outcomes else None
        cells = [""] * 4
        if card is not None:
            frames = card["frames_written"]
            shares = [percent(card[name] / max(frames, 1)) for name in ("frames_with_face", "frames_usable")]
            cells = [str(frames), *shares, "" if card["people"] is None else str(card["people"])]
        table.add_row(Text(one_line(name)), Text(status), *cells)
    return table


def short_names(sources: Sequence[str]) -> list[str]:
    """Names without the folder that all share."""
    folders = [os.path.split(source)[0] + os.sep for source in sources]
    common = os.path.commonprefix(folders)  # noqa: RUF071 - cut at a separator below
    length = common.rfind(os.sep) + 1
    return [source[length:] for source in sources]


def write_failures(path: Path, outcomes: Mapping[str, Outcome]) -> bool:
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
