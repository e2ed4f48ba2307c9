"""Tables that users write: columns by their names, as spreadsheets of any language save them.

Cells are parted by commas, semicolons or tabs, whichever the first line has most of.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from actionunits.errors import UserError


def named_cells(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number of the line, and the cells of these columns without blanks around them, of each row of a CSV.

    A cell that is not there is empty. Raises UserError for a table that cannot be read or lacks a column.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {table}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{table} is not in UTF-8; save it as 'CSV UTF-8'") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, restval="")
    try:
        heads = {str(head).strip().lower(): head for head in rows.fieldnames or ()}
        missing = [column for column in columns if column not in heads]
        if missing:
            named = " and ".join(f"`{column}`" for column in columns)
            raise UserError(f"{table} has no column `{missing[0]}`; its first line must name {named}")
        for row in rows:
            yield rows.line_num, [row[heads[column]].strip() for column in columns]
    except csv.Error as error:
        raise UserError(f"{table} is no table: {error}") from None
