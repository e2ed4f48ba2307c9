"""What lies in a data set's folder, in words for messages and by names of any case."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from actionunits.errors import UserError
from actionunits.files import valid_text

_SHOWN = 8


def contents(folder: Path) -> str:
    """Names in a folder, the first few, for the end of "expected ..., found ...".

    Raises UserError if there is no such folder, or it cannot be listed.
    """
    try:
        names = sorted(
            valid_text(entry.name) + ("/" if os.path.isdir(entry.path) else "") for entry in os.scandir(folder)
        )
    except FileNotFoundError:
        raise UserError(f"no such folder: {folder}") from None
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error
    return some(names, _SHOWN) or "nothing"


def subfolders(root: Path, pattern: str) -> list[Path]:
    """Folders right in `root` whose whole name matches a regular expression, case aside, in order of name."""
    expression = re.compile(pattern, re.IGNORECASE)
    return sorted(Path(e.path) for e in os.scandir(root) if e.is_dir() and expression.fullmatch(e.name))


def files_below(folder: Path) -> Iterator[Path]:
    """All files at any depth, hidden files and folders aside, in order of name; a linked folder is entered once."""
    entered = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(place, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                kept.append(name)
        folders[:] = kept
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def gaps_between(numbers: Sequence[int], first: int) -> tuple[int, list[int]]:
    """How many whole numbers from `first` on to the last are missing from ascending ones, and the first few.

    >>> gaps_between([2, 3, 7], first=1)
    (4, [1, 4, 5, 6])
    """
    missing: list[int] = []
    before = first - 1
    for number in numbers:
        missing += range(before + 1, min(number, before + 1 + _SHOWN - len(missing)))
        before = number
    return before - first + 1 - len(numbers), missing


def some(values: Sequence[object], shown: int = 5, count: int | None = None) -> str:
    """The first few values in words. count: how many there are in all, where `values` are but the first ones.

    >>> some([3, 4, 5], shown=2)
    '3, 4 and 1 more'
    """
    count = len(values) if count is None else count
    more = f" and {count - shown} more" if count > shown else ""
    return ", ".join(map(str, values[:shown])) + more
