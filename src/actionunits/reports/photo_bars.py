"""The action units of one photograph as bars, a panel for each face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from actionunits.aus import AUS, INTENSITY_LETTERS, INTENSITY_MAX
from actionunits.reports.au_table import AuTable
from actionunits.reports.figure import ReportFigure
from actionunits.reports.number_text import intensity_text
from actionunits.reports.palette import BLUE
from actionunits.reports.timeline import FAINT_TEXT, MAX_PEOPLE, has_intensity, longest_seen, table_to_draw

PANEL_IN, LEFT_IN, BAR_IN, AROUND_IN = 2.6, 2.2, 0.24, 1.3
PRESENT_COLOUR, ABSENT_COLOUR = "#{:02x}{:02x}{:02x}".format(*BLUE), "#c8c8c8"


def bars_figure(
    table: pd.DataFrame, *, title: str, aus: Sequence[int] | None = None, face_id: int | None = None
) -> Figure:
    """Bars of the intensity 0-5, or of the probability in a table without intensities; present ones are blue.

    table: with the columns of the openface schema, of one photograph. At most six faces, or the one of `face_id`.
    Raises UserError if the table is empty, has no AU columns, or lacks a requested AU or face.
    """
    data = table_to_draw(table, aus, face_id)
    faces: list[int | None] = [face_id] if face_id is not None else [*longest_seen(data, MAX_PEOPLE)]
    faces = faces or [None]
    figure = ReportFigure(LEFT_IN + PANEL_IN * len(faces), AROUND_IN + BAR_IN * len(data.aus), layout="constrained")
    panels = figure.subplots(1, len(faces), squeeze=False, sharey=True)[0]
    for panel, face in zip(panels, faces, strict=True):
        _draw_face(panel, data, face)
    figure.suptitle(title, fontsize=11, fontweight="bold", parse_math=False)
    key = [Patch(facecolor=PRESENT_COLOUR, label="present"), Patch(facecolor=ABSENT_COLOUR, label="absent")]
    figure.legend(handles=key, loc="outside lower right", ncols=2, frameon=False, fontsize=8.5)
    return figure


def draw_bars(
    panel: Axes, table: pd.DataFrame, *, aus: Sequence[int] | None = None, face_id: int | None = None
) -> None:
    """Draw the panel of one face, the first or `face_id`, into axes that the caller has placed."""
    data = table_to_draw(table, aus, face_id)
    _draw_face(panel, data, face_id if face_id is not None else next(iter(data.people), None))


def _draw_face(panel: Axes, data: AuTable, face: int | None) -> None:
    by_intensity = has_intensity(data)
    most = INTENSITY_MAX if by_intensity else 1.0
    places = np.arange(len(data.aus))
    panel.set_title("No face was found" if face is None else f"Face {face}", loc="left", fontsize=10)
    panel.set_yticks(places, [f"AU{n} {AUS[n].name}" for n in data.aus], fontsize=8.5)
    panel.set_ylim(len(data.aus) - 0.4, -0.6)
    panel.set_xlim(0, 1.25 * most)  # room for the numbers
    if by_intensity:
        panel.set_xticks(range(6), ["0", *INTENSITY_LETTERS[1:]], fontsize=8.5)
        panel.set_xlabel("intensity", fontsize=8.5)
    else:
        panel.set_xticks([0, 0.5, 1])
        panel.set_xlabel("probability", fontsize=8.5)
    panel.tick_params(length=0)
    panel.grid(axis="x", color="black", alpha=0.10, linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    if face is None:
        return
    row = int(np.flatnonzero(data.face_id == face)[0])
    values = (data.intensity if by_intensity else data.prob)[row]
    present = np.nan_to_num(data.present[row]) > 0
    panel.barh(places, np.nan_to_num(values), 0.7, color=np.where(present, PRESENT_COLOUR, ABSENT_COLOUR).tolist())
    for place, value, is_present in zip(places, values, present, strict=True):
        text = "–" if np.isnan(value) else intensity_text(value) if by_intensity else f"{value:.2f}"
        ink = "black" if is_present else FAINT_TEXT
        panel.annotate(
            text,
            (np.nan_to_num(value), place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=ink,
        )
