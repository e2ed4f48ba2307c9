"""Scores of an evaluation as a table for the terminal."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actionunits.aus import AUS
from actionunits.evaluation.coded_faces import CodedFaces
from actionunits.evaluation.compare import MEAN, Comparison
from actionunits.evaluation.protocols import METRICS, EvaluationResult

HEADINGS = ("F1", "norm", "event", "prec.", "rec.", "acc.", "AUC", "ICC", "MAE", "PCC")  # one for each of METRICS
CODED_HEADINGS = {"AUC": "auc", "F1": "f1"}  # of every reader of coded faces
CODED_NOTES = (
    "kappa: agreement of the coders on presence. AUC: of the score of presence. F1: of decisions. –: not told."
)
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


def coded_faces_table(faces: CodedFaces, scores: pd.DataFrame) -> RenderableType:
    """One line per AU with the scores of every reader beside each other, and their means.

    scores: rows of `score_answers`, of several readers one after the other.
    """
    table = Table(
        title=f"{len(faces.ids)} faces of {faces.people} people in {faces.name}, coded by eye",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("AU", "present", "kappa"):
        table.add_column(heading, justify="left" if heading == "AU" else "right")
    readers = list(dict.fromkeys(scores["reader"]))
    for letter in ascii_lowercase[: len(readers)]:
        for heading in CODED_HEADINGS:
            table.add_column(f"{letter} {heading}", justify="right", no_wrap=True)
    by_au = {reader: rows.set_index("au") for reader, rows in scores.groupby("reader", sort=False)}
    for row in by_au[readers[0]].reset_index().to_dict("records"):
        values = [by_au[reader].loc[row["au"], name] for reader in readers for name in CODED_HEADINGS.values()]
        counts = f"{int(row['present'])} of {int(row['faces'])}"
        table.add_row(row["au"], counts, score_text(row["kappa"]), *map(score_text, values))
    table.add_section()
    means = [by_au[reader][name].mean() for reader in readers for name in CODED_HEADINGS.values()]
    kappa = by_au[readers[0]]["kappa"].mean()
    table.add_row("mean", "", score_text(kappa), *map(score_text, means), style="bold")
    names = ", ".join(f"{letter} {reader}" for letter, reader in zip(ascii_lowercase, readers, strict=False))
    return Group(table, Text(f"{names}. {CODED_NOTES}"))


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


def comparison_tables(result: Comparison) -> RenderableType:
    """One table per metric: both scores, their difference with its interval, and both p."""
    first, second = result.names
    tables: list[RenderableType] = []
    for metric, rows in result.table.groupby("metric", sort=False):
        title = f"{str(metric).upper()} on {result.data}: {first} (A) and {second} (B)"
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for k, heading in enumerate(("AU", "A", "B", "A - B", "low", "high", "p boot.", "p flip", f"{result.unit}s")):
            table.add_column(heading, justify="right" if k else "left", no_wrap=True)
        for row in rows.to_dict("records"):
            if row["au"] == MEAN:
                table.add_section()
            scores = [score_text(row[name]) for name in ("a", "b", "difference", "low", "high")]
            tests = [p_text(row[name]) for name in ("p_bootstrap", "p_flip")]
            style = "bold" if row["au"] == MEAN else None
            table.add_row(row["au"], *scores, *tests, str(row["units"]), style=style)
        tables.append(table)
    notes = [
        f"{result.frames} frames of {result.subjects} subjects; an AU counts as present from intensity "
        f"{result.occurrence_level:g} on. low and high: 95% bootstrap interval of the difference, over subjects. "
        f"p: two-sided, from the bootstrap and from sign flips over {result.unit}s. "
        "The p of single AUs are not corrected for their number."
    ]
    if result.left_out:
        labels = ", ".join(f"AU{au:02d}" for au in result.left_out)
        notes.append(f"Left out, because only one of the two models has them: {labels}.")
    return Group(*tables, Text(" ".join(notes)))


def p_text(value: float) -> str:
    """A p as text; what is smaller than shown is said to be.

    >>> p_text(0.04321), p_text(0.00001), p_text(float("nan"))
    ('0.043', '<0.001', '–')
    """
    return "<0.001" if value < 0.001 else score_text(value)
