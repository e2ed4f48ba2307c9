"""Timeline of a video: one lane per action unit, shaded by intensity, and blank where no face is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from actionunits.aus import AUS, INTENSITY_LETTERS, INTENSITY_MAX
from actionunits.errors import UserError
from actionunits.reports.au_table import AuTable, au_table
from actionunits.reports.figure import ReportFigure
from actionunits.reports.image_file import DOTS_PER_INCH, save_figure
from actionunits.reports.lettering import font, shortened
from actionunits.reports.number_text import clock_text, people_word, percent
from actionunits.reports.palette import VERMILLION, intensity_colormap

WIDTH_IN = 12.0
LEFT_IN, RIGHT_IN = 2.35, 0.75  # names of the AUs; share of frames
LANE_IN = 0.235
HEADER_IN, PERSON_TITLE_IN, FOOTER_IN = 0.55, 0.42, 0.62
MAX_PEOPLE = 6
TITLE_PT, TITLE_WIDTH_PX = 13, 880  # the room left of the key
PRESENT_MARK = (0.80, 0.16)  # bottom and height within a lane of height 1
PRESENT_COLOUR = "#{:02x}{:02x}{:02x}".format(*VERMILLION)
GAP_COLOUR, HATCH_COLOUR, LINE_COLOUR, FAINT_TEXT = "#f1f1f1", "#b4b4b4", "#d9d9d9", "#555555"
TICK_STEPS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


@dataclass(frozen=True)
class TimeAxis:
    """Where frames lie on the horizontal axis; each lasts until the next begins."""

    start: np.ndarray  # (F,) seconds, or frame numbers less one half
    end: np.ndarray  # (F,)
    in_seconds: bool


def draw_timeline(
    table: pd.DataFrame,
    path: Path,
    *,
    title: str | None = None,
    aus: Sequence[int] | None = None,
    face_id: int | None = None,
) -> None:
    """Write `timeline_figure`, 1800 pixels wide where it is no vector picture; the suffix chooses the format.

    Raises UserError as it does, and where the file cannot be written.
    """
    save_figure(timeline_figure(table, title=title, aus=aus, face_id=face_id), path)


def timeline_figure(
    table: pd.DataFrame, *, title: str | None = None, aus: Sequence[int] | None = None, face_id: int | None = None
) -> Figure:
    """The timeline of an openface-schema table.

    One panel per person, at most six, those seen longest; `face_id` chooses one. Shading is the intensity, or the
    probability in a table without intensities. Where several frames share a pixel column it shows their maximum.
    The share at the right is that of the person's frames in which the AU is present. Frames have their true
    times; frames without increasing times (photographs) are numbered instead.

    Raises UserError if the table is empty, has no AU columns, or lacks a requested AU or person.
    """
    data = table_to_draw(table, aus, face_id)
    people = [face_id] if face_id is not None else longest_seen(data, MAX_PEOPLE)
    axis = time_axis(data)
    panels: list[int | None] = [*people] or [None]
    panel_in = len(data.aus) * LANE_IN + PERSON_TITLE_IN
    height_in = HEADER_IN + len(panels) * panel_in + FOOTER_IN
    figure = ReportFigure(WIDTH_IN, height_in)
    by_intensity = has_intensity(data)
    for k, person in enumerate(panels):
        bottom_in = height_in - HEADER_IN - (k + 1) * panel_in
        lanes = figure.add_axes(
            (
                LEFT_IN / WIDTH_IN,
                bottom_in / height_in,
                (WIDTH_IN - LEFT_IN - RIGHT_IN) / WIDTH_IN,
                len(data.aus) * LANE_IN / height_in,
            )
        )
        draw_person(lanes, data, axis, person, by_intensity, is_last=k == len(panels) - 1)
    draw_header(figure, title or "Action units", height_in, by_intensity)
    left_out = len(data.people) - len(people)
    if face_id is None and left_out:
        note = f"{left_out} more {people_word(left_out)}, seen for a shorter time, not drawn"
        figure.text(LEFT_IN / WIDTH_IN, 0.12 / height_in, note, fontsize=8, color=FAINT_TEXT)
    return figure


def draw_lanes(
    lanes: Axes, table: pd.DataFrame, *, aus: Sequence[int] | None = None, face_id: int | None = None
) -> None:
    """Draw the panel of one person, the one seen longest or `face_id`, into axes that the caller has placed.

    Names of the AUs stand at the left of the axes and shares at the right. Raises UserError as `timeline_figure`.
    """
    data = table_to_draw(table, aus, face_id)
    person = face_id if face_id is not None else next(iter(longest_seen(data, 1)), None)
    draw_person(lanes, data, time_axis(data), person, has_intensity(data), is_last=True)


def has_intensity(data: AuTable) -> bool:
    """Whether lanes are shaded by intensity: it is known somewhere, or nothing is."""
    return bool(np.isfinite(data.intensity).any()) or not np.isfinite(data.prob).any()


def table_to_draw(table: pd.DataFrame, aus: Sequence[int] | None, face_id: int | None) -> AuTable:
    """What is read of a table for a picture. Raises UserError if it is empty, or lacks a requested AU or person."""
    if not len(table):
        raise UserError("the table is empty: there is nothing to draw")
    data = au_table(table, aus)
    if face_id is not None and face_id not in data.people:
        raise UserError(f"face {face_id} is not in the table; it has {data.people or 'no face'}")
    return data


def longest_seen(data: AuTable, count: int) -> list[int]:
    """The people with the most frames, at most `count`, in ascending order."""
    people, frames = np.unique(data.face_id, return_counts=True)
    return sorted(people[np.argsort(-frames, kind="stable")][:count].tolist())


def time_axis(data: AuTable) -> TimeAxis:
    """Spans of the frames: in seconds where times increase from frame to frame, else by frame number."""
    time_s = data.time_s
    if len(time_s) < 2 or not (np.diff(time_s) > 0).all():
        number = data.frame_number
        return TimeAxis(number - 0.5, number + 0.5, in_seconds=False)
    last = time_s[-1] + np.median(np.diff(time_s))
    return TimeAxis(time_s, np.append(time_s[1:], last), in_seconds=True)


def maximum_per_column(axis: TimeAxis, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Largest value of the frames that each column shows, (W, A); NaN where all are NaN or there is no frame.

    values: (F, A); edges: (W + 1,) ascending, in the unit of the axis.
    """
    first = np.searchsorted(axis.end, edges[:-1], side="right")
    past = np.searchsorted(axis.start, edges[1:], side="left")
    # reduceat wants every index inside the array, and gives one element, not none, for an empty span.
    padded = np.vstack([values, np.full((1, values.shape[1]), np.nan)])
    reduced = np.fmax.reduceat(padded, np.stack([first, past], axis=1).ravel(), axis=0)[::2]
    reduced[past <= first] = np.nan
    return reduced


def draw_person(
    lanes: Axes, data: AuTable, axis: TimeAxis, person: int | None, by_intensity: bool, is_last: bool
) -> None:
    """Lanes of one person (None: nobody was seen), AUs from top to bottom."""
    rows = data.face_id == person if person is not None else np.zeros(len(data.face_id), bool)
    frames = data.row_frame[rows]
    count, lane_count = len(data.frame_number), len(data.aus)
    columns = round((WIDTH_IN - LEFT_IN - RIGHT_IN) * DOTS_PER_INCH)
    edges = np.linspace(axis.start[0], axis.end[-1], columns + 1)

    def spread(values: np.ndarray) -> np.ndarray:
        of_frame = np.full((count, values.shape[1]), np.nan)
        of_frame[frames] = values[rows]
        return maximum_per_column(axis, of_frame, edges)

    seen = np.nan_to_num(spread(np.ones((len(rows), 1))))[:, 0] > 0
    shade = spread(data.intensity if by_intensity else data.prob)
    present = spread(data.present) > 0
    extent = (edges[0], edges[-1], 0, lane_count)
    lanes.set_facecolor("white")
    lanes.imshow(
        np.ma.masked_invalid(shade.T),
        cmap=intensity_colormap(),
        norm=Normalize(0, INTENSITY_MAX if by_intensity else 1),
        extent=extent,
        aspect="auto",
        interpolation="nearest",
        zorder=1,
    )
    draw_spans(
        lanes, ~seen, edges, (0, lane_count), facecolor=GAP_COLOUR, edgecolor=HATCH_COLOUR, hatch="////", zorder=2
    )
    for lane in range(lane_count):
        bottom = lane_count - 1 - lane
        mark = (bottom + PRESENT_MARK[0], PRESENT_MARK[1])
        draw_spans(lanes, present[:, lane] & seen, edges, mark, facecolor=PRESENT_COLOUR, zorder=4)
        lanes.axhline(bottom, color=LINE_COLOUR, linewidth=0.6, zorder=3)
    label_person(lanes, data, person, rows, axis, is_last)


def draw_spans(
    lanes: Axes, on: np.ndarray, edges: np.ndarray, bottom_height: tuple[float, float], **style: Any
) -> None:
    """Bars over the runs of True in `on` (W,), whose columns have these edges (W + 1,)."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    spans = [(edges[a], edges[b] - edges[a]) for a, b in zip(change[::2], change[1::2], strict=True)]
    if spans:
        lanes.broken_barh(spans, bottom_height, linewidth=0, **style)


def label_person(
    lanes: Axes, data: AuTable, person: int | None, rows: np.ndarray, axis: TimeAxis, is_last: bool
) -> None:
    """Names of the lanes, shares, ticks and the person's title."""
    lane_count = len(data.aus)
    lanes.set_xlim(axis.start[0], axis.end[-1])
    lanes.set_ylim(0, lane_count)
    centres = lane_count - 0.5 - np.arange(lane_count)
    lanes.yaxis.set_major_locator(FixedLocator(centres.tolist()))
    lanes.set_yticklabels([f"AU{n} {AUS[n].name}" for n in data.aus], fontsize=8.5)
    lanes.tick_params(axis="y", length=0, pad=6)
    for spine in lanes.spines.values():
        spine.set_color(LINE_COLOUR)
    if person is None:
        lanes.set_title("No face was found", loc="left", fontsize=10, fontweight="bold", pad=5)
    else:
        lanes.set_title(f"Face {person}", loc="left", fontsize=10, fontweight="bold", pad=5)
        summarise_lanes(lanes, data, rows, centres)
    label_time(lanes, axis, is_last)


def summarise_lanes(lanes: Axes, data: AuTable, rows: np.ndarray, centres: np.ndarray) -> None:
    """At the right of each lane the share of frames with the AU; of a single picture, its intensity."""
    right: dict[str, Any] = {"ha": "right", "fontsize": 8, "textcoords": "offset points"}
    single = len(data.frame_number) == 1
    if not single:
        share_seen = len(np.unique(data.row_frame[rows])) / len(data.frame_number)
        lanes.set_title(f"seen in {percent(share_seen)} of frames", fontsize=8.5, color=FAINT_TEXT, pad=5)
    heading = "intensity" if single else "present"
    lanes.annotate(heading, (1, 1), xytext=(46, 5), xycoords="axes fraction", color=FAINT_TEXT, **right)
    for centre, present, intensity in zip(centres, data.present[rows].T, data.intensity[rows].T, strict=True):
        known = (intensity if single else present)[np.isfinite(intensity if single else present)]
        text = "–" if not len(known) else f"{known.max():.1f}" if single else percent(known.mean())
        colour = "black" if (np.nan_to_num(present) > 0).any() else FAINT_TEXT
        place = ("axes fraction", "data")
        lanes.annotate(text, (1, centre), xytext=(46, 0), xycoords=place, va="center", color=colour, **right)


def label_time(lanes: Axes, axis: TimeAxis, is_last: bool) -> None:
    """Ticks of the time axis; their numbers only under the last panel."""
    start, end = float(axis.start[0]), float(axis.end[-1])
    if axis.in_seconds:
        step = next((s for s in TICK_STEPS_S if (end - start) / s <= 12), TICK_STEPS_S[-1])
        lanes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: clock_text(t, end, step)))
        name = "time (s)" if end < 120 else "time (min:s)" if end < 3600 else "time (h:min:s)"
    else:
        step = max(1.0, float(np.ceil((end - start) / 20)))
        lanes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:.0f}"))
        name = "picture" if len(axis.start) > 1 else ""
    ticks = np.arange(np.ceil(start / step - 1e-9), np.floor(end / step + 1e-9) + 1) * step + 0.0  # no -0
    lanes.xaxis.set_major_locator(FixedLocator(ticks.tolist() if len(axis.start) > 1 else []))
    lanes.xaxis.set_minor_locator(NullLocator())
    lanes.tick_params(axis="x", labelsize=8.5, color=FAINT_TEXT, labelbottom=is_last)
    lanes.grid(axis="x", color="black", alpha=0.10, linewidth=0.6, zorder=5)
    lanes.set_axisbelow(False)
    if is_last:
        lanes.set_xlabel(name, fontsize=9)


def draw_header(figure: Figure, title: str, height_in: float, by_intensity: bool) -> None:
    """Title at the left; colour bar and key at the right."""
    top = 1 - 0.26 / height_in
    title = shortened(title, TITLE_WIDTH_PX, font(round(TITLE_PT * DOTS_PER_INCH / 72), bold=True))
    # A file name may hold dollar signs, which are not meant as mathematics.
    figure.text(0.2 / WIDTH_IN, top, title, fontsize=TITLE_PT, fontweight="bold", va="center", parse_math=False)
    key = [
        Patch(facecolor=PRESENT_COLOUR, label="present"),
        Patch(facecolor=GAP_COLOUR, edgecolor=HATCH_COLOUR, hatch="////", label="face not seen"),
    ]
    figure.legend(
        handles=key,
        loc="center right",
        bbox_to_anchor=(1 - 3.5 / WIDTH_IN, top),
        ncols=2,
        frameon=False,
        fontsize=8.5,
        handlelength=1.6,
        handleheight=0.9,
        columnspacing=1.4,
    )
    maximum = INTENSITY_MAX if by_intensity else 1.0
    bar = figure.add_axes((1 - 2.55 / WIDTH_IN, top - 0.07 / height_in, 1.8 / WIDTH_IN, 0.14 / height_in))
    scale = ScalarMappable(Normalize(0, maximum), intensity_colormap())
    colour_bar = figure.colorbar(scale, cax=bar, orientation="horizontal")
    colour_bar.outline.set_edgecolor(HATCH_COLOUR)  # type: ignore[operator]
    if by_intensity:
        colour_bar.set_ticks(
            range(len(INTENSITY_LETTERS)), labels=["0", *(f"{k} {INTENSITY_LETTERS[k]}" for k in range(1, 6))]
        )
    else:
        colour_bar.set_ticks([0, 0.5, 1])
    bar.tick_params(labelsize=8, length=2, pad=2, color=FAINT_TEXT)
    name = "intensity" if by_intensity else "probability"
    bar.annotate(
        name,
        (0, 0.5),
        xytext=(-6, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8.5,
        ha="right",
        va="center",
    )
