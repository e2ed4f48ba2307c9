"""Where time helps: errors of models at the onsets and offsets of events, as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from actionunits.errors import UserError
from actionunits.evaluation.boundaries import Boundaries, boundaries
from actionunits.evaluation.predictions import read_predictions
from actionunits.files import write_atomically
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import person_colour
from actionunits.scores import bootstrap

WIDEST = 15  # frames on either side that the picture shows


def read_boundaries(paths: Sequence[Path]) -> dict[str, Boundaries]:
    """Boundaries of each file's events, by the name of the model. Raises UserError where rows are not of videos."""
    found: dict[str, Boundaries] = {}
    for path in paths:
        frames = read_predictions(path)
        bounds = boundaries(frames)
        if bounds is None:
            raise UserError(f"{path} holds no clips, only single frames; events need videos")
        if not len(bounds.column):
            raise UserError(f"{path} holds no event: no action unit is present in it")
        name = path.resolve().parent.name
        found[name if name not in found else str(path)] = bounds
    return found


def onset_table(found: Mapping[str, Boundaries], replicates: int = bootstrap.REPLICATES) -> pd.DataFrame:
    """One row per model: events found, detected events per true one, and sizes of errors in frames, mean and median.

    The mean is ruled by the few events that are found within long stretches; the median is of the usual event. low,
    high: 95% bootstrap interval of the mean, over people.
    """
    rows = []
    for name, b in found.items():
        row = {
            "model": name,
            "events": len(b.column),
            "found": b.found.mean(),
            "detected_per_true": len(b.detected) / len(b.column),
        }
        people, owner = np.unique(b.owner, return_inverse=True)
        draws = bootstrap.draw_subjects(len(people), replicates, 0)
        for what in ("onset", "offset"):
            size = np.abs(getattr(b, what))
            known = np.isfinite(size)
            total = np.bincount(owner[known], size[known], len(people))
            count = np.bincount(owner[known], minlength=len(people))
            drawn = (draws @ total) / np.maximum(draws @ count, 1)
            low, high = np.percentile(drawn, [2.5, 97.5])
            row |= {what: total.sum() / max(count.sum(), 1), f"{what}_low": low, f"{what}_high": high}
            row[f"{what}_median"] = np.median(size[known]) if known.any() else np.nan
        rows.append({**row, "commit": b.commit})
    return pd.DataFrame(rows)


def write_onset_table(table: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV."""
    with write_atomically(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")


def onset_figure(found: Mapping[str, Boundaries]) -> Figure:
    """Cumulative share of true events whose onset, and whose offset, is at most so many frames off."""
    figure = ReportFigure(8.4, 3.6, layout="constrained")
    for panel, what in zip(figure.subplots(1, 2, sharey=True), ("onset", "offset"), strict=True):
        for k, (name, b) in enumerate(found.items()):
            error = getattr(b, what)
            # Of the events whose own boundary is seen; what was missed is off by more than any number.
            seen = np.isfinite(error) | ~b.found
            size = np.where(np.isfinite(error), np.abs(error), np.inf)[seen]
            share = [(size <= frames).mean() for frames in range(WIDEST + 1)]
            colour = tuple(v / 255 for v in person_colour(k))
            panel.step(range(WIDEST + 1), share, where="post", color=colour, label=name)
        panel.set_xlabel(f"frames that the {what} is off, at most", fontsize=9)
        panel.set_ylim(0, 1)
        panel.grid(alpha=0.3)
    figure.axes[0].set_ylabel("share of true events", fontsize=9)
    figure.suptitle("How exactly models find where events begin and end", fontsize=10)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8.5)
    return figure
