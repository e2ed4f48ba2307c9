"""Tables of TCAE's README, of its model card and of docs/pretrain.md, for `tables.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown

RESULTS = Path(__file__).parents[2] / "results"
TRUE = ("face", "brows", "lids", "mouth", "head")
LOOKS = ("studio", "wild")
# Runs of results/tcae_movements.csv and tcae_starts.csv, by the names of their folders.
STARTS = {
    "tcae": "as released",
    "convolutions": "convolutions from random weights",
    "no-pose-first": "AU movement first, pose movement with all losses",
}


def spread(row: pd.Series, digits: int = 2) -> str:
    """A value with its interval."""
    return f"{row['value']:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def movements() -> str:
    """How much of the true motions TCAE's movements explain, on renders of both looks, region by region."""
    table = pd.read_csv(RESULTS / "tcae_movements.csv")
    rows = []
    for (look, run, movement), group in table.groupby(["look", "run", "movement"], sort=False):
        of = group.set_index("measured")
        if "explains face" in of.index:
            cells = [spread(of.loc[f"explains {true}"]) for true in TRUE]
            rows.append([look, run, movement, *cells, f"{of.loc['length', 'value']:.3f}"])
    return rows_to_markdown(["look", "network", "movement", *TRUE, "mean length"], rows)


def starts() -> str:
    """What the movements of the released network explain, and those of shorter runs that differ in one thing."""
    table = pd.concat([pd.read_csv(RESULTS / f"tcae_{name}.csv") for name in ("movements", "starts")])
    columns = (("au", "face"), ("au", "brows"), ("au", "head"), ("pose", "head"))
    rows = []
    for run in STARTS:
        cells = []
        for movement, true in columns:
            of = table[(table["run"] == run) & (table["movement"] == movement)].set_index(["look", "measured"])
            cells.append(", ".join(f"{of.loc[(look, f'explains {true}'), 'value']:.2f}" for look in LOOKS))
        rows.append([STARTS[run], *cells])
    heads = [f"{movement.upper() if movement == 'au' else movement} movement: {true}" for movement, true in columns]
    return rows_to_markdown(["recipe", *heads], rows)


def probe() -> str:
    """AUC of linear probes by share of labels, mean over seeds with the lowest and highest; F1 at all labels."""
    table = pd.read_csv(RESULTS / "tcae_probe.csv")
    rows = []
    for (look, name), group in table.groupby(["look", "representation"], sort=False):
        cells = [
            f"{own['auc'].mean():.3f} ({own['auc'].min():.3f}–{own['auc'].max():.3f})"
            for _, own in group.groupby("labels")
        ]
        most = group[group["labels"] == group["labels"].max()]
        rows.append([look, name, *cells, f"{most['f1'].mean():.3f}"])
    counts = table.groupby("labels")["labelled_frames"].first()
    shares = [f"AUC, {100 * share:g}% ({count:,} frames)" for share, count in counts.items()]
    return rows_to_markdown(["look", "representation", *shares, "F1, 100%"], rows)


def new_people() -> str:
    """Released weights on rendered people whom they have not seen."""
    table = pd.read_csv(RESULTS / "tcae_new_people.csv")
    rows = [
        [row.reader, f"{row.auc:.3f} ({row.auc_low:.3f}–{row.auc_high:.3f})", number(row.f1, 3)]
        for row in table.itertuples()
    ]
    return rows_to_markdown(["reader", "AUC", "F1"], rows)


def adaptation() -> str:
    """What each way of adapting a detector to unlabelled video comes to, mean over seeds with the extremes."""
    table = pd.read_csv(RESULTS / "adapt.csv")
    rows = []
    for way, group in table.groupby("way", sort=False):
        cells = []
        for name in ("auc", "icc", "agreement"):
            own = group[name].dropna()
            text = "–" if own.empty else number(own.mean(), 3)
            cells.append(text if len(own) < 2 else f"{text} ({own.min():.3f}–{own.max():.3f})")
        rows.append([way, *cells])
    header = ["adapted by", "other look: AUC", "other look: ICC(3,1)", "real clips: agreement"]
    return rows_to_markdown(header, rows)
