"""Fills the tables of the documents from results/, so that a number is written in one place.

    python benchmarks/tables.py          # writes
    python benchmarks/tables.py --check  # only tells what is out of date, exit code 1

A document marks a place with `<!-- table: NAME -->` and `<!-- end -->`; NAME is one of TABLES.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from actionunits.aus import AUS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "docs" / "renders.md",
    ROOT / "docs" / "detect.md",
    ROOT / "src" / "actionunits" / "weights" / "resnet18.md",
)
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rows_to_markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    header = list(header)
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value: float, digits: int = 2) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def named(au: str) -> str:
    return f"{au} {AUS[int(au[2:])].name}"


def detector_scores() -> str:
    """Scores of the released detector per AU on unseen synthetic people of both looks."""
    table = pd.read_csv(RESULTS / "resnet18_synthau.csv")
    looks = [table[table["data"] == f"synthau-{look}"].set_index("au") for look in ("studio", "wild")]
    columns = ("base_rate", "f1", "auc", "icc", "mae")
    rows = [[named(au), *(number(look.loc[au, c]) for look in looks for c in columns)] for au in looks[0].index]
    rows.append(["**mean**", *(f"**{number(look[c].mean())}**" for look in looks for c in columns)])
    return rows_to_markdown(
        ["AU", *(f"{look} {c}" for look in ("studio", "wild") for c in ("rate", "F1", "AUC", "ICC", "MAE"))], rows
    )


def real_agreement() -> str:
    """Pearson r of detected intensities with the readings of MediaPipe on the real clip."""
    table = pd.read_csv(RESULTS / "resnet18_real.csv")
    rows = [
        [named(r.au), number(r.spread, 3), number(r.r) if r.varies else f"({number(r.r)})"]
        for r in table.itertuples()
    ]
    median = table.loc[table["varies"], "r"].median()
    return rows_to_markdown(
        ["AU", "spread of the blendshape", "r"],
        [*rows, ["**median of those that vary**", "", f"**{number(median)}**"]],
    )


def detection_speed() -> str:
    """Time of each part of detection and of the whole."""
    table = pd.read_csv(RESULTS / "benchmark_detect.csv")
    return rows_to_markdown(
        ["measured", "value", "unit"], [[r.measured, number(r.value, 1), r.unit] for r in table.itertuples()]
    )


TABLES: dict[str, Callable[[], str]] = {
    "detector_scores": detector_scores,
    "real_agreement": real_agreement,
    "detection_speed": detection_speed,
}


def filled(text: str) -> str:
    """The document with its tables made anew."""
    return MARK.sub(lambda mark: mark[1] + TABLES[mark[2]]() + mark[3], text)


def outdated() -> list[Path]:
    """Documents whose tables differ from the results."""
    return [path for path in DOCUMENTS if path.is_file() and filled(path.read_text()) != path.read_text()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    paths = outdated()
    for path in paths:
        print(f"{path.relative_to(ROOT)}: {'out of date' if options.check else 'written'}")
        if not options.check:
            path.write_text(filled(path.read_text()))
    return int(bool(paths) and options.check)


if __name__ == "__main__":
    sys.exit(main())
