"""Scores of an evaluation as a table for the terminal."""

from __future__ import annotations

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actionunits.aus import AUS
from actionunits.evaluation.protocols import METRICS, EvaluationResult

HEADINGS = ("F1", "norm", "event", "prec.", "rec.", "acc.", "AUC", "ICC", "MAE", "PCC")  # one for each of METRICS
WIDE = 112  # terminal columns from which the names of the AUs and the numbers of frames fit


def score_text(value: float) -> str:
    """A score as text.

    >>> score_text(0.6449), score_text(float("nan"))
    ('0.645', '–')
    """
    return f"{value:.3f}" if np.isfinite(value) else "–"


def evaluation_table(result: EvaluationResult, run: str, width: int = 80) -> RenderableType:
    """One line per AU, the means with their intervals, and what the numbers refer to.

    width: columns of the terminal; 80 are enough.
    """
    wide = width >= WIDE
    table = Table(
        title=f"{run} on {result.data}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1) if wide else 0,
        pad_edge=False,
    )
    first = ["AU", "name", "frames"] if wide else ["AU"]
    for k, heading in enumerate([*first, "rate", *HEADINGS, "thr."]):
        table.add_column(heading, justify="left" if k < min(len(first), 2) else "right", no_wrap=True)
    for row in result.table.to_dict("records"):
        about = [AUS[int(row["au"][2:])].name, str(row["n"])] if wide else []
        values = [row["base_rate"], *(row[name] for name in METRICS), row["threshold"]]
        table.add_row(row["au"], *about, *map(score_text, values))
    blank = [""] * len(first)  # the other first columns, and the rate
    means = result.means
    table.add_section()
    table.add_row("mean", *blank, *(score_text(means[name]) for name in METRICS), "", style="bold")
    for k, bound in enumerate(("low", "high")):
        limits = [score_text(result.intervals[name][k]) if name in result.intervals else "" for name in METRICS]
        table.add_row(bound, *blank, *limits, "")
    return Group(table, Text(_notes(result)))


def _notes(result: EvaluationResult) -> str:
    """What the table does not say itself."""
    notes = [
        f"{result.frames} frames of {result.subjects} subjects. An AU counts as present from intensity "
        f"{result.occurrence_level:g} on; thresholds are of the probability, from the checkpoint.",
        "norm: F1 with the base rate taken out; event: F1 of whole events. "
        "low and high: 95% interval of the mean, over subjects.",
    ]
    never = int((result.table["base_rate"] == 0).sum())
    if never:
        notes.append(f"AUs that never occur in this data ({never}) count as F1 0 and have no AUC.")
    unknown = int((result.table["n"] == 0).sum())
    if unknown:
        notes.append(f"AUs that this data does not code ({unknown}) are left out of the means.")
    return " ".join(notes)
