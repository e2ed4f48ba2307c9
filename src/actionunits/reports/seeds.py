"""Several trainings of the same system, told apart by their seeds alone: mean and spread of their scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from actionunits.evaluation.fold_scores import AVERAGE, MEAN
from actionunits.reports.reproduction import METRIC_NAMES, NONE, Line, Section

SHOWN = ("f1", "f1_event", "accuracy", "auc", "icc", "mae")


def seeds_sections(runs: Sequence[pd.DataFrame]) -> list[Section]:
    """One table with a line per system that was trained with two or more seeds; none where none was.

    runs: rows of `reproduction` (ROW_COLUMNS), one table per training.
    """
    table = pd.DataFrame([rows[(rows["fold"] == MEAN) & (rows["au"] == AVERAGE)].iloc[0] for rows in runs])
    table["setting"] = [_without_seed(text) for text in table["scale"]]
    metrics = [name for name in SHOWN if table[name].notna().any()]
    lines = []
    for (model, setting), group in table.groupby(["model", "setting"], sort=False):
        if group["seed"].nunique() > 1:
            cells = [_mean_and_spread(group[name].astype(float)) for name in metrics]
            name = ", ".join(filter(None, (str(model), str(setting))))
            lines.append(Line(name, (", ".join(map(str, group["seed"])), *cells), ours=True))
    if not lines:
        return []
    columns = ("seeds", *(METRIC_NAMES[name] for name in metrics))
    note = "Mean and standard deviation over trainings: intervals over people do not hold this noise."
    return [Section("Trainings with several seeds, averages over action units", columns, tuple(lines), note)]


def _without_seed(scale: str) -> str:
    return ", ".join(word for word in scale.split(", ") if not word.startswith("seed="))


def _mean_and_spread(values: pd.Series) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if values.notna().all() else NONE
