"""The table at the head of each page of docs/aus/, and the list of all of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown

from actionunits.aus import AUS, SYNTH_AUS

RESULTS = Path(__file__).parents[2] / "results"


def au_list() -> str:
    """Every action unit of the detector with its muscle and what is seen of it, linked to its page."""
    rows = [
        [f"[AU{au.number}]({au.label.lower()}.md)", au.name, au.muscles, au.appearance]
        for au in (AUS[number] for number in SYNTH_AUS)
    ]
    return _left(rows_to_markdown(["action unit", "name", "muscle", "what is seen"], rows))


def about(au_number: int) -> str:
    """Muscle, appearance and columns of an action unit, and how well the released detector reads it."""
    au = AUS[au_number]
    label = au.label
    real = pd.read_csv(RESULTS / "realfaces.csv").query("au == @label and reader == 'resnet18'").iloc[0]
    renders = pd.read_csv(RESULTS / "resnet18_synthau.csv").query("au == @label").set_index("data")["auc"]
    looks = ", ".join(f"{number(renders[f'synthau-{look}'])} {look}" for look in ("studio", "wild"))
    rows = [
        ["muscle", au.muscles],
        ["in one line", au.appearance],
        ["columns", f"`{label}_r` intensity 0-5, `{label}_c` present or not, `{label}_p` probability"],
        ["left and right", _sides(label)],
        [
            "photographs coded by eye",
            f"{real.present:.0f} of {real.faces:.0f} show it; kappa {number(real.kappa)}",
        ],
        ["the detector on them", f"AUC {number(real.auc)}, F1 {number(real.f1)}"],
        ["the detector on renders", f"AUC {looks}"],
    ]
    return _left(rows_to_markdown([f"AU{au_number}", au.name], rows))


def _sides(label: str) -> str:
    sides = pd.read_csv(RESULTS / "detector_sides.csv").set_index("au")
    if label not in sides.index:
        return "the same on both"
    row = sides.loc[label]
    return f"the detector names the stronger side in {row.told:.0%} of {row.frames:.0f} rendered frames"


def _left(table: str) -> str:
    """The table with every column to the left, since the cells are words."""
    return table.replace("---:", "---")
