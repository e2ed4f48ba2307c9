"""A published table and its reproduction side by side, for the terminal and as Markdown, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actionunits.aus import au_label
from actionunits.evaluation.differences import differences
from actionunits.evaluation.fold_scores import AVERAGE, INTERVALS, MEAN, POOLED
from actionunits.evaluation.plan import PAPERS_WORD, PROTOCOL_OF, published_row, scored_rows
from actionunits.evaluation.published import PublishedRow, PublishedTable, papers
from actionunits.evaluation.reproduction import Reproduction
from actionunits.evaluation.result_rows import read_results
from actionunits.files import write_atomically

METRIC_NAMES = {
    "f1": "F1",
    "f1_norm": "F1-norm",
    "f1_event": "F1-event",
    "accuracy": "accuracy",
    "auc": "AUC",
    "icc": "ICC(3,1)",
    "mae": "MAE",
    "rate": "occurrence rate",
}
SHORT_NAMES = {"accuracy": "acc.", "icc": "ICC"}  # in narrow columns
# What needs no picture, and what a score has to be held against.
FLOORS = {"f1": "floor: always present", "accuracy": "floor: always the more frequent"}
NONE = "–"
WIDE = 130  # terminal columns from which 12 action units and the names of the methods fit side by side
NARROW_ROWS = 3  # rows of the paper beside ours in a narrower terminal
HEADING_WIDTH = 10  # columns from which headings are broken


@dataclass(frozen=True)
class Line:
    """One row of a printed table."""

    name: str
    cells: tuple[str, ...]
    ours: bool = False
    model: str | None = None  # of a published row: the system of this toolkit that it is
    aside: bool = False  # of a published row: of other data or another protocol than was run
    short: str = ""  # name that fits a narrow column


@dataclass(frozen=True)
class Section:
    """One printed table with what it says of itself."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str = ""


def number(value: float | None, unit: str) -> str:
    """A score in the unit of the paper's table, from a fraction unless it has a unit of its own.

    >>> number(0.6449, "percent"), number(0.6449, "fraction"), number(None, "level")
    ('64.5', '0.64', '–')
    """
    if value is None or not np.isfinite(value):
        return NONE
    return f"{100 * value:.1f}" if unit == "percent" else f"{value:.2f}"


def printed(value: float | None, unit: str) -> str:
    """A number of the paper, which is in its unit already."""
    return NONE if value is None else f"{value:.1f}" if unit == "percent" else f"{value:.2f}"


def sections(reproduction: Reproduction) -> list[Section]:
    """The paper's rows and ours for every score of the table, then each fold by itself."""
    published, rows = reproduction.table, reproduction.rows
    scored = scored_rows(published)
    word = protocol_of_run(rows)
    word = word if word in {row.protocol for row in scored} else published.protocol
    found = []
    for metric in dict.fromkeys(row.metric for row in scored):
        own = [row for row in scored if row.metric == metric]
        unit = own[0].unit
        lines = [_published_line(row, published, word) for row in own]
        lines += _our_lines(published, rows, metric, unit)
        title = f"{METRIC_NAMES[metric]}, {'%' if unit == 'percent' else unit}"
        found.append(Section(title, _columns(published), tuple(lines)))
    metrics = [*dict.fromkeys(row.metric for row in scored), "auc"]
    return [*found, _folds_section(rows, metrics)]


def _columns(published: PublishedTable) -> tuple[str, ...]:
    return (*(f"{au}" for au in published.aus), "avg")


def protocol_of_run(rows: pd.DataFrame) -> str:
    """The published word for what was run, such as "folds-10"."""
    protocol = PAPERS_WORD.get(rows["protocol"].iloc[0], rows["protocol"].iloc[0])
    if protocol == "folds":
        names = fold_names(rows)
        return f"folds-{len(names) // max(1, len({name.rpartition('-')[0] for name in names}))}"
    return next((word for word, own in PROTOCOL_OF.items() if own == protocol), protocol)


def _published_line(row: PublishedRow, published: PublishedTable, word: str) -> Line:
    differs = [
        f"{getattr(row, name)}"
        for name in ("data", "train_data", "protocol")
        if getattr(row, name) != getattr(published, name)
    ]
    words = [*filter(None, [row.setting]), *differs]
    name = f"{row.method} ({', '.join(words)})" if words else row.method
    values = row.values if published.aus else ()
    cells = tuple(printed(value, row.unit) for value in (*values, row.average))
    aside = (row.protocol, row.data) != (word, published.data) or bool(row.setting)
    return Line(name, cells, model=row.model, aside=aside, short=f"paper: {name}")


def _our_lines(published: PublishedTable, rows: pd.DataFrame, metric: str, unit: str) -> Iterator[Line]:
    """Mean over folds with its interval, all frames pooled, and the AUC, which needs no threshold."""
    mean = rows[rows["fold"] == MEAN].set_index("au")
    wanted = [*map(au_label, published.aus), AVERAGE]
    model = rows["model"].iloc[0]

    def line(name: str, short: str, table: pd.DataFrame, column: str) -> Line:
        values = table[column].reindex(wanted).astype(float)
        return Line(name, tuple(number(value, unit) for value in values), ours=True, short=short)

    folds = len(fold_names(rows))
    how = [model] if rows["protocol"].iloc[0] == "folds" else [model, rows["protocol"].iloc[0]]
    how += [f"mean of {folds} folds"] if folds > 1 else []
    yield line(f"ours: {', '.join(how)}", f"ours: {model}", mean, metric)
    if metric in FLOORS:
        cells = tuple(number(value, unit) for value in floor(rows, metric).reindex(wanted))
        yield Line(f"  {FLOORS[metric]}", cells, ours=True, short="floor")
    if metric in INTERVALS:
        yield line("  95% interval, low", "low", mean, f"{metric}_low")
        yield line("  95% interval, high", "high", mean, f"{metric}_high")
    if mean.get(f"{metric}_level", pd.Series(dtype=float)).notna().any():
        yield line("  on the most probable level", "level", mean, f"{metric}_level")
    if POOLED in set(rows["fold"]):
        pooled = rows[rows["fold"] == POOLED].set_index("au")
        yield line(f"ours: {model}, frames pooled", "pooled", pooled, metric)
    if metric in ("f1", "accuracy"):
        yield line("  AUC, mean of folds" if folds > 1 else "  AUC", "AUC", mean, "auc")


def floor(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Score of the same answer for every frame, mean over folds, by AU and "average". metric: of FLOORS.

    F1 of "always present" at the rate r is 2 r / (1 + r).
    """
    folds = rows[rows["fold"].isin(fold_names(rows)) & (rows["au"] != AVERAGE)]
    rate = folds["base_rate"].astype(float)
    scores = 2 * rate / (1 + rate) if metric == "f1" else np.maximum(rate, 1 - rate)
    mean = scores.groupby(folds["au"]).mean()
    mean[AVERAGE] = mean.mean()
    return mean


def fold_names(rows: pd.DataFrame) -> list[str]:
    """Names of the folds in a table of scores."""
    return [name for name in dict.fromkeys(rows["fold"]) if name != MEAN and not name.endswith(POOLED)]


def _folds_section(rows: pd.DataFrame, metrics: Sequence[str]) -> Section:
    averages = rows[rows["au"] == AVERAGE].set_index("fold")
    names = fold_names(rows)
    lines = []
    for name in names:
        row = averages.loc[name]
        cells = [f"{row['subjects']}", f"{row['frames']}", *(f"{row[metric]:.3f}" for metric in metrics)]
        lines.append(Line(f"fold {name}", tuple(cells)))
    if len(names) > 1:
        spread = averages.loc[names, list(metrics)].astype(float).std(ddof=1)
        cells = ["", "", *(f"{spread[metric]:.3f}" for metric in metrics)]
        lines.append(Line("std. deviation", tuple(cells)))
    columns = ("people", "frames", *(SHORT_NAMES.get(metric, METRIC_NAMES[metric]) for metric in metrics))
    return Section(
        "Each fold by itself, averages over action units",
        columns,
        tuple(lines),
        "A single fold is not comparable with a mean over folds.",
    )


def scores_sections(rows: pd.DataFrame) -> list[Section]:
    """Scores of a protocol without a published table: per AU, and each fold by itself."""
    metrics = [name for name in ("f1", "auc", "accuracy", "icc", "mae") if rows[name].notna().any()]
    mean = rows[rows["fold"] == MEAN]
    columns: list[str] = []
    for name in metrics:
        columns += [name, f"{name}_low", f"{name}_high"] if name in ("f1", "auc") else [name]
    headings = [SHORT_NAMES.get(name) or METRIC_NAMES.get(name) or name.rpartition("_")[2] for name in columns]
    lines = [
        Line(row["au"], tuple(NONE if pd.isna(row[name]) else f"{row[name]:.3f}" for name in columns))
        for row in mean.to_dict("records")
    ]
    folds = len(fold_names(rows))
    title = f"{rows['model'].iloc[0]}, {'mean of ' + str(folds) + ' folds' if folds > 1 else 'one fold'}"
    note = "low and high: 95% interval over people"
    return [Section(title, tuple(headings), tuple(lines), note), _folds_section(rows, metrics)]


def heading(published: PublishedTable) -> str:
    """Key, number and caption of a table, its paper, and what has to be known of its numbers."""
    paper = papers()[published.paper]
    text = f"{published.key}: {paper.title} ({paper.venue} {paper.year}), {_numbered(published.table)}. "
    return text + " ".join(filter(None, (published.caption, " ".join((published.note or "").split()))))


def _numbered(text: str) -> str:
    return text if "." in text else f"Table {text}"


def provenance(rows: pd.DataFrame) -> str:
    """What was run, in one sentence."""
    row = rows[(rows["fold"] == MEAN) & (rows["au"] == AVERAGE)].iloc[0]
    return (
        f"Run: {row['run']}; {row['frames']} frames of {row['subjects']} people tested, present from intensity "
        f"{row['occurrence_level']:g} on, seed {row['seed']}, commit {short_commits(row['commit'])}."
    )


def short_commits(text: str) -> str:
    """Commits of a row with ten letters each; a + tells that files differed from it.

    >>> short_commits("61419f93292216a+ 085d7c7aabbccdd")
    '61419f9329+ 085d7c7aab'
    """
    return " ".join(word[:10] + ("+" if word.endswith("+") else "") for word in str(text).split())


def render_sections(items: Sequence[Section]) -> RenderableType:
    """Tables for the terminal."""
    shown: list[RenderableType] = []
    for section in items:
        table = Table(title=section.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        for name in section.columns:
            table.add_column(name, justify="right", max_width=HEADING_WIDTH, overflow="fold")
        for line in section.lines:
            table.add_row(Text(line.name), *line.cells, style="bold" if line.ours else None)
        shown.append(table)
        if section.note:
            shown.append(Text(section.note))
    return Group(*shown)


def narrowed(section: Section, published: PublishedTable, model: str) -> Section:
    """A table turned on its side for a narrow terminal, with few of the paper's rows: `model` and its own systems."""
    papers_own = [line for line in section.lines if line.model and not line.ours]
    main = published.paper  # the system that the paper proposes has its key
    papers_own.sort(key=lambda x: (x.aside and x.model != main, x.model != model, x.model != main, x.aside))
    chosen = papers_own[:NARROW_ROWS]
    own = [line for line in section.lines if line.ours or line in chosen]
    rows = [
        Line(f"AU{name}" if name.isdigit() else name, tuple(line.cells[k] for line in own))
        for k, name in enumerate(section.columns)
    ]
    note = "Ours is the mean over folds, with its 95% interval over people; pooled: all test frames together. "
    note += "The page that is written shows all rows of the paper."
    return Section(section.title, tuple(line.short for line in own), tuple(rows), note)


def render(reproduction: Reproduction, width: int = 80) -> RenderableType:
    """Everything about a reproduction, for a terminal of so many columns."""
    items = sections(reproduction)
    if width < WIDE and reproduction.table.aus:
        model = reproduction.rows["model"].iloc[0]
        items = [narrowed(item, reproduction.table, model) for item in items[:-1]] + items[-1:]
    listed = "\n".join(f"- {line}" for line in differences(reproduction.table, reproduction.rows))
    return Group(
        Text(heading(reproduction.table)),
        Text(provenance(reproduction.rows)),
        render_sections(items),
        Text("What differs from the paper", style="bold"),
        Text(listed),
    )


def sections_to_markdown(items: Sequence[Section], level: int = 3) -> str:
    """Tables as Markdown."""
    parts = []
    for section in items:
        parts.append(f"{'#' * level} {section.title}\n")
        if section.note:
            parts.append(f"{section.note}\n")
        lines = ["| | " + " | ".join(section.columns) + " |", "|---|" + "---:|" * len(section.columns)]
        for line in section.lines:
            cells = [line.name.strip(), *line.cells]
            lines.append("| " + " | ".join(f"**{c}**" if line.ours and c else c for c in cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def to_markdown(reproduction: Reproduction, level: int = 2) -> str:
    """Everything about a reproduction, as Markdown."""
    published, rows = reproduction.table, reproduction.rows
    listed = "\n".join(f"- {line}" for line in differences(published, rows))
    return (
        f"{'#' * level} {published.key} with {rows['model'].iloc[0]}\n\n"
        f"{heading(published)}\n\n{provenance(rows)}\n\n"
        f"{sections_to_markdown(sections(reproduction), level + 1)}\n"
        f"{'#' * (level + 1)} What differs from the paper\n\n{listed}\n"
    )


def write_markdown(path: Path, reproductions: Sequence[Reproduction]) -> Path:
    """Write reproductions as one page and return its path."""
    return write_page(path, "\n".join(to_markdown(item, level=1) for item in reproductions))


def write_page(path: Path, text: str) -> Path:
    """Write a page and return its path."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def reproductions_in(folder: Path) -> list[Reproduction]:
    """Every reproduction whose scores are in a CSV file of the folder, in the order of the published tables."""
    from actionunits.evaluation.published import published_tables

    tables = published_tables()
    found = []
    for path in sorted(folder.glob("*.csv")):
        rows = read_results(path)
        if rows is None:
            continue
        for (key, _), part in rows[rows["table"].isin(list(tables))].groupby(["table", "run"], sort=True):
            found.append(Reproduction(tables[str(key)], part.reset_index(drop=True)))
    order = list(tables)
    return sorted(found, key=lambda item: order.index(item.table.key))


def papers_row(item: Reproduction, metric: str) -> PublishedRow | None:
    """The printed row that a reproduction stands for, with the same protocol; None where there is none."""
    first = item.rows.iloc[0]
    trained = first["train_data"] if isinstance(first["train_data"], str) else ""
    word = protocol_of_run(item.rows)
    return published_row(item.table, metric, first["model"], word, trained, first["scale"])


def summary_lines(reproductions: Sequence[Reproduction]) -> str:
    """A Markdown table with one line per reproduction and score: the paper's average for this model, and ours."""
    lines = [
        "| table | model | data | protocol | scale | score | paper | ours | 95% interval | floor |",
        "|---|---|---|---|---|---|---:|---:|---|---:|",
    ]
    for item in reproductions:
        rows = item.rows
        average = rows[(rows["fold"] == MEAN) & (rows["au"] == AVERAGE)].iloc[0]
        data = f"{average['data']}{' (renders)' if average['renders'] else ''}"
        for metric in dict.fromkeys(row.metric for row in scored_rows(item.table)):
            unit = next(row.unit for row in scored_rows(item.table) if row.metric == metric)
            row = papers_row(item, metric)
            paper = None if row is None else row.average
            low, high = (average.get(f"{metric}_{bound}") for bound in ("low", "high"))
            interval = NONE if low is None else f"{number(low, unit)}–{number(high, unit)}"
            protocol = f"{average['protocol']}: {average['division']}"
            cells = [item.table.key, average["model"], data, protocol, average["scale"], METRIC_NAMES[metric]]
            least = number(floor(rows, metric)[AVERAGE], unit) if metric in FLOORS else NONE
            cells += [printed(paper, unit), number(average[metric], unit), interval, least]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"
