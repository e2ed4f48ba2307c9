"""What was seen, as tables for the terminal."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import pandas as pd
from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actionunits.aus import AUS, INTENSITY_MAX, au_label
from actionunits.reports.au_table import AuTable, au_table
from actionunits.reports.number_text import intensity_text, moment_text, percent

MAX_PEOPLE = 6
MAX_PICTURES = 30
BAR_WIDTH = 10
PRESENT_STYLE, ABSENT_STYLE = "bold", "dim"


def summarise(table: pd.DataFrame) -> RenderableType:
    """Readable summary of an openface-schema table, to be printed by a rich console.

    One photograph: per face every AU with probability, intensity and FACS letter. Several photographs (a column
    `input`): a line per face with its present AUs. A video: per person and AU the share of frames, mean and
    largest intensity, and when the largest was reached.

    Raises UserError if the table has no AU columns.
    """
    data = au_table(table)
    if "input" in {str(name).strip() for name in table.columns}:
        return photographs_table(table)
    if not data.people:
        frames = len(data.frame_number)
        where = f"in any of {frames} frames" if frames > 1 else "in the picture"
        return Text(f"No face was found {where}.", style="yellow")
    shown = data.people[:MAX_PEOPLE]
    parts: list[RenderableType] = []
    for person in shown:
        parts.append(photo_table(data, person) if len(data.frame_number) == 1 else video_table(data, person))
    if len(data.people) > len(shown):
        parts.append(Text(f"... and {len(data.people) - len(shown)} more in the table", style=ABSENT_STYLE))
    return Group(*parts)


def empty_table(title: str, headings: list[str], left_aligned: int) -> Table:
    """Table whose first columns are text, flush left, and the others numbers, flush right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k < left_aligned else "right", no_wrap=True)
    return table


def photo_table(data: AuTable, person: int) -> Table:
    """Every AU of one face of a photograph."""
    row = int(np.flatnonzero(data.face_id == person)[0])
    table = empty_table(f"Face {person}", ["AU", "name", "", "present", "probability", "intensity"], 3)
    for k, au in enumerate(data.aus):
        intensity, present = data.intensity[row, k], data.present[row, k] > 0
        table.add_row(
            au_label(au),
            AUS[au].name,
            intensity_bar(intensity),
            "●" if present else "",
            number_text(data.prob[row, k], "{:.2f}"),
            intensity_text(float(intensity)) if np.isfinite(intensity) else "–",
            style=PRESENT_STYLE if present else ABSENT_STYLE,
        )
    return table


def video_table(data: AuTable, person: int) -> Table:
    """Every AU of one person over a video; means are over the frames in which the person is seen."""
    rows = data.face_id == person
    frames = data.row_frame[rows]
    count = len(data.frame_number)
    title = f"Face {person}, seen in {percent(len(np.unique(frames)) / count)} of {count} frames"
    table = empty_table(title, ["AU", "name", "", "present", "mean", "largest", "at"], 3)
    for k, au in enumerate(data.aus):
        intensity, present = data.intensity[rows, k], data.present[rows, k]
        scored, known = present[np.isfinite(present)], intensity[np.isfinite(intensity)]
        at = frames[np.nanargmax(intensity)] if len(known) else None
        table.add_row(
            au_label(au),
            AUS[au].name,
            intensity_bar(known.max() if len(known) else np.nan),
            percent(scored.mean()) if len(scored) else "–",
            number_text(known.mean() if len(known) else np.nan, "{:.1f}"),
            intensity_text(float(known.max())) if len(known) else "–",
            "–" if at is None else when_text(data, at),
            style=PRESENT_STYLE if (scored > 0).any() else ABSENT_STYLE,
        )
    return table


def photographs_table(table: pd.DataFrame) -> RenderableType:
    """One line per face of several photographs: its present AUs, each with the letter of its intensity."""
    table = table.rename(columns=lambda name: str(name).strip())
    lines = empty_table("Pictures", ["picture", "face", "present"], 3)
    lines.columns[2].no_wrap = False
    shown = table.head(MAX_PICTURES)
    for k in range(len(shown)):
        data = au_table(shown.iloc[k : k + 1])
        name = PurePath(str(shown["input"].iloc[k])).name
        if not data.people:
            lines.add_row(name, "–", "no face", style=ABSENT_STYLE)
            continue
        present = [
            f"AU{au} {intensity_text(float(data.intensity[0, j]))}"
            if np.isfinite(data.intensity[0, j])
            else f"AU{au}"
            for j, au in enumerate(data.aus)
            if data.present[0, j] > 0
        ]
        lines.add_row(name, str(data.people[0]), ", ".join(present) or "none")
    if len(table) > len(shown):
        return Group(lines, Text(f"... and {len(table) - len(shown)} more in the table", style=ABSENT_STYLE))
    return lines


def intensity_bar(intensity: float) -> RenderableType:
    """Bar from 0 to the intensity; nothing where it is unknown."""
    if not np.isfinite(intensity):
        return ""
    return Bar(INTENSITY_MAX, 0, float(np.clip(intensity, 0, INTENSITY_MAX)), width=BAR_WIDTH)


def number_text(value: float, pattern: str) -> str:
    """The number, or a dash where it is unknown."""
    return pattern.format(value) if np.isfinite(value) else "–"


def when_text(data: AuTable, frame: int) -> str:
    """Time of a frame, or its number where the table has no times."""
    time_s = float(data.time_s[frame])
    return moment_text(time_s) if np.isfinite(time_s) else f"frame {data.frame_number[frame]:.0f}"
