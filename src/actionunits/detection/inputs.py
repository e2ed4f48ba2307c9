"""From what a user names to the single inputs of a run, each with the place of its results."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionunits.detection.output_files import DATASET, OutputPaths, dataset_paths, output_paths
from actionunits.detection.spreadsheet import named_cells
from actionunits.errors import UserError
from actionunits.media import expand
from actionunits.media.images import fault_of
from actionunits.media.stores import expand_stored, is_stored
from actionunits.reports.tables import TABLE_SUFFIXES

INPUT = "input"  # the column of a table of inputs


@dataclass(frozen=True)
class Input:
    """One of the inputs of a run, and where its files go."""

    source: str
    paths: OutputPaths
    neutral: str | None = None  # its own, where the options name a table: see neutral_table.py


def find_inputs(
    words: Sequence[str],
    out: Path,
    table_format: str = "csv",
    recursive: bool = False,
    allow_network: bool = False,
) -> list[Input]:
    """The inputs that files, folders, patterns, webcams and tables of these stand for, each once, in their order.

    recursive: also what lies in folders of folders; results then lie in such folders below `out`. allow_network: also
    what lies in folders of object stores. Raises UserError as `output_paths` does, and for a table that names none.
    """
    places: dict[str, tuple[str, Path]] = {}  # by what is read
    named = [name for word in words for name in (listed(Path(word)) if _is_list(word) else [word])]
    for word in named:
        in_store = allow_network and is_stored(word)
        for source in expand_stored(word, recursive) if in_store else expand(word, recursive):
            read = os.path.realpath(source) if os.path.lexists(source) else source
            places.setdefault(read, (source, _below(word, source)))
    sources, below = zip(*places.values(), strict=True)
    if table_format == DATASET:
        paths = dataset_paths(sources, out)
    else:
        paths = output_paths(sources, out, table_format, below)
    return [Input(*pair) for pair in zip(sources, paths, strict=True)]


def listed(table: Path) -> list[str]:
    """What the column `input` of a table names. Raises UserError where there is no such column, or nothing in it."""
    cells = (
        _parquet_cells(table) if table.suffix == ".parquet" else [cell for _, (cell,) in named_cells(table, [INPUT])]
    )
    named = [cell for cell in cells if cell]
    if not named:
        raise UserError(f"{table} names no input; its column `{INPUT}` is empty")
    return named


def _parquet_cells(table: Path) -> list[str]:
    import pyarrow.parquet as pq

    try:
        cells = pq.read_table(table, columns=[INPUT])[INPUT].to_pylist()
    except OSError as error:
        raise UserError(f"cannot read {table}: {fault_of(error)}") from error
    except (KeyError, ValueError):
        raise UserError(f"{table} has no column `{INPUT}`, which names an input in each row") from None
    return ["" if cell is None else str(cell).strip() for cell in cells]


def shard_of(inputs: Sequence[Input], shard: str) -> list[Input]:
    """The inputs that are the share of one of several runs, such as "2/8": every 8th, from the second on.

    Raises UserError for anything else.
    """
    numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", shard)
    if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise UserError(f"--shard {shard}: give the number of the share and of all, such as 1/8, ..., 8/8")
    return list(inputs[int(numbers[1]) - 1 :: int(numbers[2])])


def _is_list(word: str) -> bool:
    return word.endswith(TABLE_SUFFIXES) and os.path.isfile(word)


def _below(word: str, source: str) -> Path:
    """Where in the folder that a user names an input lies."""
    if not os.path.isdir(word):
        return Path()
    place = Path(source) if os.path.isdir(source) else Path(source).parent
    return place.relative_to(word)
