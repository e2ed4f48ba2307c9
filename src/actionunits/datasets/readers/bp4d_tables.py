"""Tables of codes as BP4D and BP4D+ hold them: occurrence with a header of AU numbers, intensity without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionunits.aus import AUS, UNKNOWN_CODE
from actionunits.datasets.readers.video_rows import FRAMES_COUNT, LARGEST_FRAME
from actionunits.errors import UserError

OCCURRENCE_CODES = {"0": 0, "1": 1, "9": UNKNOWN_CODE}
INTENSITY_CODES = {**{str(k): k for k in range(6)}, "9": UNKNOWN_CODE}

_AU_NAME = re.compile(r"(?:AU)?0*([1-9]\d{0,3})", re.IGNORECASE)


@dataclass(frozen=True)
class OccurrenceTable:
    """Codes of one sequence in the order of frame numbers."""

    frame: np.ndarray  # (T,) int64, ascending
    codes: dict[int, np.ndarray]  # AU -> (T,) int8: 0, 1 or 9 (unknown)


def read_occurrence(path: Path) -> OccurrenceTable:
    """Columns of known AUs, found by the name in the header; other columns are left out.

    Raises UserError with file and line for a header that does not name its columns, a line with too few or too many
    cells, a frame that is named twice and a code that is neither 0, 1 nor 9.
    """
    lines = _lines(path)
    _, header = next(lines, (0, []))
    columns = _au_columns(path, header)
    frames: dict[int, int] = {}
    rows = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise UserError(f"{path}, line {number}: {len(cells)} cells where the header names {len(header)}")
        _add_frame(path, number, cells[0], frames)
        try:
            rows.append([OCCURRENCE_CODES[cells[k]] for k in columns.values()])
        except KeyError as error:
            au = next(au for au, k in columns.items() if cells[k] not in OCCURRENCE_CODES)
            raise UserError(
                f"{path}, line {number} (frame {cells[0]}): AU {au} has the code {error}; known are 0, 1 and 9"
            ) from None
    frame = np.array(list(frames), np.int64)
    order = np.argsort(frame)
    table = np.array(rows, np.int8).reshape(len(rows), len(columns))[order]
    return OccurrenceTable(frame[order], {au: table[:, k] for k, au in enumerate(columns)})


def read_intensity(path: Path) -> dict[int, int]:
    """Intensity by frame: 0 to 5, or 9 where it is not coded.

    Raises UserError with file and line for a line that is not `frame,intensity`, a frame that is named twice and
    another intensity.
    """
    frames: dict[int, int] = {}
    levels = []
    for number, cells in _lines(path):
        if len(cells) != 2:
            raise UserError(f"{path}, line {number}: expected 'frame,intensity', found '{','.join(cells)[:40]}'")
        _add_frame(path, number, cells[0], frames)
        if cells[1] not in INTENSITY_CODES:
            raise UserError(
                f"{path}, line {number} (frame {cells[0]}): the intensity is '{cells[1]}'; known are 0 to 5, and 9"
            )
        levels.append(INTENSITY_CODES[cells[1]])
    return dict(zip(frames, levels, strict=True))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number from 1 and cells of every line that is not blank, without blanks around the cells."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not text'}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, [cell.strip() for cell in line.split(",")]


def _au_columns(path: Path, header: list[str]) -> dict[int, int]:
    """Column of every AU of the project's table that a header names; the first column holds frame numbers."""
    numbers = [(k, int(match[1])) for k, name in enumerate(header) if k and (match := _AU_NAME.fullmatch(name))]
    columns = {number: k for k, number in numbers}
    if len(columns) < len(numbers):
        raise UserError(f"{path}, line 1: the header is missing or names an AU twice; expected '0,1,2,4,5...'")
    known = {au: columns[au] for au in AUS if au in columns}
    if not known:
        raise UserError(
            f"{path}, line 1: expected a header of AU numbers with commas between, '0,1,2,4,5...', "
            f"found '{','.join(header)[:40]}'"
        )
    return known


def _add_frame(path: Path, line: int, cell: str, frames: dict[int, int]) -> None:
    """Note the frame number that a line begins with."""
    if not (cell.isascii() and cell.isdigit()):
        raise UserError(f"{path}, line {line}: expected a frame number, found '{cell[:40]}'")
    frame = int(cell[:40])
    if frame > LARGEST_FRAME:
        raise UserError(f"{path}, line {line}: frame {cell[:40]}, but {FRAMES_COUNT}")
    if frame in frames:
        raise UserError(f"{path}, line {line}: frame {frame} is already on line {frames[frame]}")
    frames[frame] = line
