"""Markdown tables for `tables.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from actionunits.aus import AUS


def rows_to_markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    header = list(header)
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value: float, digits: int = 2) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def tests_in_points(folder: Path, tests: Mapping[str, str]) -> str:
    """Differences of mean F1 and AUC on the same frames, in points, from files of `actionunits compare` by name."""
    rows = []
    for name, words in tests.items():
        found = pd.read_csv(folder / f"{name}.csv").query("au == 'mean'").set_index("metric")
        cells = [words]
        for metric in ("f1", "auc"):
            r = found.loc[metric]
            cells.append(f"{100 * r.difference:+.1f} ({100 * r.low:+.1f} to {100 * r.high:+.1f})")
            cells.append(f"{r.p_flip:.3f}" if r.p_flip >= 0.001 else "below 0.001")
        rows.append(cells)
    return rows_to_markdown(["", "F1, points", "p", "AUC, points", "p"], rows)


def named_au(au: str) -> str:
    """An action unit's label with its name."""
    return f"{au} {AUS[int(au[2:])].name}"
