"""Tables of the page about detection: the same person again, and gaze."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown

RESULTS = Path(__file__).parents[2] / "results"


def same_people() -> str:
    """How surely a person is known again."""
    table = pd.read_csv(RESULTS / "same_people.csv")
    heads = ["data", "clips", "people", "by", "limit", "wrong merges", "splits", "people mixed with others"]
    rows = [
        [r.data, str(r.clips), str(r.people), r.by, number(r.limit), f"{r.wrong_merges:.1%}", f"{r.splits:.0%}"]
        + [f"{r.people_mixed:.0%}"]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def gaze() -> str:
    """Error of the gaze on renders, beside two guesses."""
    table = pd.read_csv(RESULTS / "gaze.csv")
    heads = ["renders", "frames", "pixels between the outer eye corners", "error", "median", "across", "up and down"]
    heads += ["r across", "r up and down", "into the camera", "ahead of the head"]
    rows = [
        [r.data, str(r.frames), number(r.eyes_px, 0)]
        + [number(v, 1) for v in (r.error_deg, r.median_deg, r.x_deg, r.y_deg)]
        + [number(r.x_r), number(r.y_r), number(r.camera_deg, 1), number(r.head_deg, 1)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)
