"""Predictions → a CSV or Parquet file, row by row, and back into pandas.

The file appears under its own name only when it is complete. Parquet holds full precision, CSV the decimals of
the schema; an empty cell is a missing value in both.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from actionunits.errors import UserError, extras_explained
from actionunits.files import write_atomically
from actionunits.reports.schemas import Cell, Column, Row, RowSchema
from actionunits.types import FrameResult

if TYPE_CHECKING:  # a CSV needs neither
    import pandas as pd
    import pyarrow as pa

TABLE_SUFFIXES = (".csv", ".parquet")
ROW_GROUP_ROWS = 1024  # about 1 MB of the widest schema in memory
ARROW_TYPES = {"int": "int32", "float": "float32", "double": "float64", "text": "string"}


class _Sink(Protocol):
    def write_rows(self, rows: list[Row]) -> None: ...

    def close(self) -> None: ...


class TableWriter:
    """Writes frame results as rows; made by `open_table`, which also ends it."""

    def __init__(self, sink: _Sink, schema: RowSchema) -> None:
        self._sink, self.schema = sink, schema
        self.frames_written = 0
        self.rows_written = 0

    def write(self, result: FrameResult) -> None:
        """Append the rows of the next frame."""
        rows = self.schema.rows(result)
        self._sink.write_rows(rows)
        self.frames_written += 1
        self.rows_written += len(rows)


@contextmanager
def open_table(path: Path | str, schema: RowSchema) -> Iterator[TableWriter]:
    """A writer for `path`, CSV or Parquet by suffix; an exception inside the block leaves nothing behind.

    Raises UserError for another suffix and where the file cannot be written.
    """
    path = Path(path)
    check_table_suffix(path)
    with write_atomically(path) as unfinished:
        sink: _Sink
        sink = _CsvSink(unfinished, schema.columns) if path.suffix == ".csv" else _ParquetSink(unfinished, schema)
        try:
            yield TableWriter(sink, schema)
        finally:
            sink.close()


def write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """A CSV of these columns. Raises UserError where the file cannot be written."""
    with write_atomically(path) as unfinished:
        sink = _CsvSink(unfinished, columns)
        try:
            for row in rows:
                sink.write_rows([row])
        finally:
            sink.close()


def read_csv(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    """The rows of a CSV that `write_csv` wrote. Raises UserError where it cannot be read."""
    read = {"int": int, "float": float, "double": float, "text": str}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield [read[each.kind](row[each.name]) if row[each.name] else None for each in columns]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table: {error}") from error


def check_table_suffix(path: Path) -> None:
    """Raises UserError unless a table can be written under this name."""
    if path.suffix not in TABLE_SUFFIXES:
        raise UserError(f"{path}: a table ends in {' or '.join(TABLE_SUFFIXES)}")


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table of any schema, also OpenFace's own CSV of any version (blanks around names are stripped).

    columns: read only those that are there. Raises UserError where the file is missing or no table.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    check_table_suffix(path)
    wanted = None if columns is None else set(columns)
    try:
        if path.suffix == ".parquet":
            names = [n for n in pq.read_schema(path).names if wanted is None or n in wanted]
            return pd.read_parquet(path, columns=names)
        return pd.read_csv(
            path, skipinitialspace=True, usecols=lambda name: wanted is None or name.strip() in wanted
        ).rename(columns=str.strip)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, pa.ArrowInvalid, UnicodeError) as error:
        reason = str(error).splitlines()[0] if not isinstance(error, OSError) else error.strerror or error
        raise UserError(f"{path} cannot be read as a table: {reason}") from error


def to_dataframe(results: Iterable[FrameResult], schema: RowSchema) -> pd.DataFrame:
    """The rows of these results in memory, full precision. Raises UserError without pandas."""
    return rows_to_dataframe(schema.columns, (row for result in results for row in schema.rows(result)))


def rows_to_dataframe(columns: Sequence[Column], rows: Iterable[Row]) -> pd.DataFrame:
    """A data frame of these columns. Raises UserError without pandas."""
    with extras_explained():
        return _arrow_table(list(rows), columns).to_pandas()


def _arrow_table(rows: list[Row], columns: Sequence[Column]) -> pa.Table:
    import pyarrow as pa

    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    arrays = [
        # NaN is "no value" here, as None is: one kind of missing, whatever the reader.
        pa.array(cells, ARROW_TYPES[column.kind], from_pandas=True)
        for cells, column in zip(values, columns, strict=True)
    ]
    return pa.table(arrays, schema=_arrow_schema(columns))


def _arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in columns])


class _CsvSink:
    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([column.name for column in columns])
        self._formats = [f"%.{c.decimals}f" if c.kind in ("float", "double") else "%s" for c in columns]

    def write_rows(self, rows: list[Row]) -> None:
        for row in rows:
            self._writer.writerow(
                ["" if _is_missing(cell) else fmt % cell for cell, fmt in zip(row, self._formats, strict=True)]
            )

    def close(self) -> None:
        self._file.close()


class _ParquetSink:
    def __init__(self, path: Path, schema: RowSchema) -> None:
        import pyarrow.parquet as pq

        self._columns = schema.columns
        self._writer = pq.ParquetWriter(path, _arrow_schema(self._columns))
        self._waiting: list[Row] = []

    def write_rows(self, rows: list[Row]) -> None:
        self._waiting += rows
        if len(self._waiting) >= ROW_GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(_arrow_table(self._waiting, self._columns))
            self._waiting = []


def _is_missing(cell: Cell | Any) -> bool:
    return cell is None or cell != cell  # only NaN differs from itself
