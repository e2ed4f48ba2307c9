"""Arrays on disk that grow row by row while they are written, and are mapped when rows are asked for."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.files import write_errors_told

_OPEN_MAPS = 1024  # the system allows some 65,000 maps, and a data set of tracks may have more files than that


class GrowingArray:
    """An .npy file that rows are appended to; nothing of it stays in memory.

    Plain writes, since a full disk then is an error, while a memory map would end the program.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: type[np.generic], rows: int = 0) -> None:
        """rows: that an interrupted run has written, and that are kept. Raises ValueError where there are fewer."""
        self.path = path
        self.rows = rows
        self._row_shape = row_shape
        self._dtype = np.dtype(dtype)
        if rows and not path.is_file():
            raise ValueError(f"{path} is missing")
        with write_errors_told(path), open(path, "r+b" if rows else "wb") as file:
            self._header_bytes = self._write_header(file)
            if rows:
                self._cut(file)

    def append(self, row: np.ndarray) -> None:
        """Add one row. Raises UserError where the disk is full."""
        values = np.ascontiguousarray(row, self._dtype)
        assert values.shape == self._row_shape
        with write_errors_told(self.path), open(self.path, "ab") as file:
            file.write(values.data)
        self.rows += 1

    def stored(self) -> np.ndarray:
        """The rows so far, mapped."""
        self._tell_rows()
        return np.load(self.path, mmap_mode="r")  # type: ignore[no-any-return]

    def finish(self, target: Path) -> None:
        """Write the number of rows into the file and give it its name."""
        self._tell_rows()
        with write_errors_told(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path, target)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self.path.unlink(missing_ok=True)

    def _cut(self, file: Any) -> None:
        """Remove what is behind the rows."""
        size = self._header_bytes + self.rows * int(np.prod(self._row_shape)) * self._dtype.itemsize
        if file.seek(0, os.SEEK_END) < size:
            raise ValueError(f"{self.path} holds fewer than {self.rows} rows")
        file.truncate(size)

    def _tell_rows(self) -> None:
        with write_errors_told(self.path), open(self.path, "r+b") as file:
            # NumPy leaves room in the header for a first axis that grows.
            assert self._write_header(file) == self._header_bytes

    def _write_header(self, file: Any) -> int:
        shape = (self.rows, *self._row_shape)
        description = np.lib.format.dtype_to_descr(self._dtype)
        np.lib.format.write_array_header_1_0(file, {"descr": description, "fortran_order": False, "shape": shape})
        return int(file.tell())


class StoredRows:
    """The rows of one .npy file as an array that opens the file when rows are taken, for `crops.Rows`.

    Raises UserError where the file is missing or does not hold that many rows.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)
        try:
            size = path.stat().st_size
        except OSError:
            raise UserError(f"{path} is missing; prepare the data again") from None
        values = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        if not 0 < size - values < 4096:  # what is left is the header
            raise UserError(f"{path} is damaged: it does not hold {shape[0]} rows of {shape[1:]}; prepare again")

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: np.ndarray, axis: int = 0, out: Any = None, mode: str = "raise") -> np.ndarray:
        """Rows at the indices, read into memory; what np.take calls."""
        assert axis == 0 and out is None and mode == "raise"
        return np.take(_mapped(self.path), indices, axis=0)

    def __getitem__(self, key: Any) -> np.ndarray:
        return _mapped(self.path)[key]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(_mapped(self.path), dtype)


@lru_cache(maxsize=_OPEN_MAPS)
def _mapped(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
