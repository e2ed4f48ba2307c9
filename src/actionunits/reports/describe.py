"""What a data folder holds, as tables for a terminal and as pictures: how often AUs occur and which go together,
who is in it and how long the sequences are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from rich.console import Console, Group
from rich.table import Table

from actionunits.aus import AUS, au_label
from actionunits.datasets.crops import load
from actionunits.datasets.crops.crop_data import CropData
from actionunits.reports.figure import ReportFigure
from actionunits.reports.image_file import save_figure
from actionunits.reports.number_text import percent
from actionunits.reports.palette import BLUE
from actionunits.reports.relations import matrix_figure
from actionunits.scores.relations import relation_matrix

BAR_COLOUR = tuple(v / 255 for v in BLUE)
FAINT_TEXT = "#555555"
STRONG_RELATIONS, WORTH_NAMING = 6, 0.1  # pairs that the terminal names, and from which correlation


@dataclass(frozen=True)
class Description:
    """Numbers about a data folder. A is the number of AUs, which may be none."""

    name: str
    folder: Path
    occurrence: pd.DataFrame  # one row per AU: au, known, present (frames), rate, rated (frames), mean_intensity
    relation: np.ndarray  # (A, A) correlation of occurrence, NaN where there is none
    subjects: pd.DataFrame  # one row per person: subject, sequences, frames
    sequence_frames: np.ndarray  # frames of each sequence
    lost: dict[str, int]  # reason -> frames that prepare could not keep
    occurrence_level: float
    notes: tuple[str, ...]


def describe(folder: Path | str) -> Description:
    """Read all labels of a prepared folder or a folder of renders. Raises UserError where it is neither."""
    folder = Path(folder)
    data = load.load_labels(folder)
    lost: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    if load.is_prepared(folder):
        from actionunits.datasets.crops.prepared import read_info

        info = read_info(folder)
        lost = info.get("lost_reasons", {})
        notes = (f"{info['crop_size']} x {info['crop_size']} pixels, landmarks {info['landmarks']}",)
        if info.get("unverified"):
            notes += ("the layout of this data set is nowhere documented and was guessed",)
    return Description(
        name=" + ".join(data.names),
        folder=folder,
        occurrence=_occurrence(data),
        relation=relation_matrix(data.au_present, data.au_present_valid),
        subjects=_subjects(data),
        sequence_frames=np.bincount(data.clip, minlength=len(data.clips)),
        lost=lost,
        occurrence_level=data.occurrence_level,
        notes=notes,
    )


def _occurrence(data: CropData) -> pd.DataFrame:
    known, rated = data.au_present_valid.sum(0), data.au_intensity_valid.sum(0)
    present = ((data.au_present > 0) & data.au_present_valid).sum(0)
    intensity = (data.au_intensity * data.au_intensity_valid).sum(0)
    nothing = np.full(len(data.aus), np.nan)
    return pd.DataFrame(
        {
            "au": [au_label(au) for au in data.aus],
            "known": known,
            "present": present,
            "rate": np.divide(present, known, out=nothing.copy(), where=known > 0),
            "rated": rated,
            "mean_intensity": np.divide(intensity, rated, out=nothing.copy(), where=rated > 0),
        }
    )


def _subjects(data: CropData) -> pd.DataFrame:
    rows = pd.DataFrame({"subject": np.array(data.subjects, object)[data.subject], "clip": data.clip})
    grouped = rows.groupby("subject")["clip"]
    return pd.DataFrame({"sequences": grouped.nunique(), "frames": grouped.size()}).reset_index()


def print_description(description: Description, console: Console) -> None:
    """The tables, on a terminal."""
    d = description
    lengths = d.sequence_frames[d.sequence_frames > 0]
    console.print(
        f"[bold]{d.name}[/bold]: {int(lengths.sum()):,} frames, {len(d.subjects)} people, {len(lengths)} sequences",
        highlight=False,
    )
    for note in d.notes:
        console.print(note, highlight=False, markup=False)
    if len(d.occurrence):
        console.print(Group(_occurrence_table(d), *_strongest(d)), highlight=False)
    else:
        console.print("no action unit is coded", highlight=False)
    console.print(_length_table(d), highlight=False)
    if d.lost:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in d.lost.items())
        console.print(f"lost when it was prepared: {reasons}", highlight=False, markup=False)


def _occurrence_table(d: Description) -> Table:
    table = Table(title=f"Occurrence (intensity {d.occurrence_level:g} and above)", title_justify="left")
    for name in ("AU", "known", "present", "rate", "rated", "mean intensity"):
        table.add_column(name, justify="left" if name == "AU" else "right")
    for row in d.occurrence.itertuples():
        table.add_row(
            f"{row.au} {AUS[int(str(row.au)[2:])].name}" if int(str(row.au)[2:]) in AUS else str(row.au),
            f"{row.known:,}",
            f"{row.present:,}",
            "–" if pd.isna(row.rate) else percent(float(row.rate)),
            f"{row.rated:,}",
            "–" if pd.isna(row.mean_intensity) else f"{row.mean_intensity:.2f}",
        )
    return table


def _strongest(d: Description) -> list[str]:
    """The pairs of AUs that go together, or exclude one another, most."""
    i, j = np.triu_indices(len(d.relation), 1)
    value = d.relation[i, j]
    order = np.argsort(-np.abs(np.nan_to_num(value)), kind="stable")[:STRONG_RELATIONS]
    labels = d.occurrence["au"].tolist()
    pairs = [f"{labels[i[k]]}-{labels[j[k]]} {value[k]:+.2f}" for k in order if abs(value[k]) >= WORTH_NAMING]
    return [f"strongest relations (correlation of occurrence): {', '.join(pairs)}"] if pairs else []


def _length_table(d: Description) -> Table:
    table = Table(title="Sequences and people", title_justify="left")
    for name in ("frames per", "least", "median", "most"):
        table.add_column(name, justify="left" if name == "frames per" else "right")
    lengths = d.sequence_frames[d.sequence_frames > 0]
    for name, values in (("sequence", lengths), ("person", d.subjects["frames"].to_numpy())):
        table.add_row(name, *(f"{v:,.0f}" for v in (values.min(), np.median(values), values.max())))
    return table


def description_figures(description: Description) -> dict[str, Figure]:
    """The pictures by name: "occurrence" and "relations", where AUs are coded, and "sequences"."""
    coded = {"occurrence": occurrence_figure, "relations": relation_figure} if len(description.occurrence) else {}
    return {name: draw(description) for name, draw in (coded | {"sequences": sequence_figure}).items()}


def draw_description(description: Description, folder: Path | str, picture_format: str = "png") -> list[Path]:
    """Write `description_figures` into a folder and return their paths; picture_format: png, jpg, svg or pdf.

    Raises UserError where they cannot be written.
    """
    return [
        save_figure(figure, Path(folder) / f"{name}.{picture_format}")
        for name, figure in description_figures(description).items()
    ]


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def occurrence_figure(d: Description) -> Figure:
    """Share of the known frames in which each AU is present."""
    table = d.occurrence
    figure = ReportFigure(7.2, 1.1 + 0.27 * len(table), layout="constrained")
    axes = figure.add_subplot()
    y = np.arange(len(table))
    rates = table["rate"].to_numpy(float)
    axes.barh(y, np.nan_to_num(rates), color=BAR_COLOUR, height=0.72)
    widest = max(float(np.nan_to_num(rates).max()), 0.05)
    for k, rate in enumerate(rates):
        known = int(table["known"].iloc[k])
        text = "not coded" if np.isnan(rate) else f"{percent(rate)} of {known:,}"
        axes.text(np.nan_to_num(rate) + 0.012 * widest, k, text, va="center", fontsize=8, color=FAINT_TEXT)
    names = [f"{AUS[n].name}  {au_label(n)}" if n in AUS else au_label(n) for n in map(_number, table["au"])]
    axes.set_yticks(y, names, fontsize=8.5)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(0, 1.3 * widest)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(f"frames with intensity {d.occurrence_level:g} and above, of those that are coded", fontsize=8.5)
    axes.set_title(f"Occurrence in {d.name}", loc="left", fontsize=11)
    _plain(axes)
    return figure


def _number(label: str) -> int:
    return int(label[2:])


def relation_figure(d: Description) -> Figure:
    """The relation matrix: correlation of occurrence for every pair of AUs (RE-Net, Fig. 2)."""
    return matrix_figure(
        d.occurrence["au"].tolist(),
        d.relation,
        f"Relations of action units in {d.name}",
        "correlation of occurrence",
        "grey: an AU that never changes over the frames where both are coded",
    )


def sequence_figure(d: Description) -> Figure:
    """Lengths of the sequences, and frames of each person."""
    figure = ReportFigure(9.0, 3.4, layout="constrained")
    lengths = d.sequence_frames[d.sequence_frames > 0]
    left, right = figure.subplots(1, 2)
    _histogram(left, lengths)
    left.set_xlabel("frames of a sequence", fontsize=8.5)
    left.set_ylabel("sequences", fontsize=8.5)
    left.set_title(f"{len(lengths):,} sequences in {d.name}", loc="left", fontsize=10.5)
    frames = np.sort(d.subjects["frames"].to_numpy())[::-1]
    right.bar(np.arange(1, len(frames) + 1), frames, width=1.0 if len(frames) > 60 else 0.85, color=BAR_COLOUR)
    right.set_xlabel("person, in order of frames", fontsize=8.5)
    right.set_ylabel("frames", fontsize=8.5)
    right.set_title(f"{len(frames):,} people", loc="left", fontsize=10.5)
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        _plain(axes)
    return figure


def _histogram(axes: Any, lengths: np.ndarray) -> None:
    low, high = int(lengths.min()), int(lengths.max())
    if low == high:
        axes.bar([low], [len(lengths)], width=max(1.0, 0.02 * low), color=BAR_COLOUR)
        axes.set_xlim(0.8 * low - 1, 1.2 * low + 1)
    else:
        edges = np.linspace(low, high + 1, min(30, high - low + 1) + 1)
        axes.hist(lengths, bins=edges, color=BAR_COLOUR, edgecolor="white", linewidth=0.4)
