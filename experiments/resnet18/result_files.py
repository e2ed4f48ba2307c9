"""Tables in results/, each with the commit that made it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from actionunits.runtime.provenance import source_commit

RESULTS = Path(__file__).parents[2] / "results"


def write_results(table: pd.DataFrame, name: str) -> None:
    """Write a table of results and print it."""
    print(table.round(3).to_string(index=False))
    path = RESULTS / f"{name}.csv"
    table.assign(commit=source_commit()).to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
