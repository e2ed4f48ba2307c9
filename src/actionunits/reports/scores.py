"""Scores of an evaluation as a table for the terminal."""

from __future__ import annotations

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actionunits.aus import AUS
from actionunits.evaluation.protocols import METRICS, EvaluationResult

HEADINGS = ("F1", "prec.", "recall", "acc.", "AUC", "ICC", "MAE", "PCC")  # one for each of METRICS


def score_text(value: float) -> str:
    """A score as text.

    >>> score_text(0.6449), score_text(float("nan"))
    ('0.645', '–')
    """
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _empty_table(title: str, headings: list[str], left_aligned: int) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k < left_aligned else "right", no_wrap=True)
    return table


def evaluation_table(result: EvaluationResult, run: str) -> RenderableType:
    """One line per AU, the means with their intervals, and what the numbers refer to."""
    table = _empty_table(f"{run} on {result.data}", ["AU", "name", "frames", "present", *HEADINGS, "threshold"], 2)
    for row in result.table.to_dict("records"):
        table.add_row(
            row["au"],
            AUS[int(row["au"][2:])].name,
            str(row["n"]),
            score_text(row["base_rate"]),
            *(score_text(row[name]) for name in METRICS),
            score_text(row["threshold"]),
        )
    table.add_section()
    means = result.means
    table.add_row("mean", "", "", "", *(score_text(means[name]) for name in METRICS), "", style="bold")
    return Group(table, _intervals(result), _notes(result))


def _intervals(result: EvaluationResult) -> Table:
    table = _empty_table("95% intervals of the means, over subjects", ["score", "mean", "low", "high"], 1)
    heading = dict(zip(METRICS, HEADINGS, strict=True))
    for name, (low, high) in result.intervals.items():
        table.add_row(heading[name], score_text(result.means[name]), score_text(low), score_text(high))
    return table


def _notes(result: EvaluationResult) -> Text:
    left_out = int(result.table["auc"].isna().sum())
    text = (
        f"{result.frames} frames of {result.subjects} subjects. An AU counts as present from intensity "
        f"{result.occurrence_level:g} on; thresholds are of the probability, from the checkpoint."
    )
    if left_out:
        text += f" Means leave out AUs without a value; {left_out} have no AUC (one class only, or not coded)."
    return Text(text)
