"""The numbers that the five papers print, table by table, read from `published.yaml`.

Papers: EAC-Net (Li et al., FG 2017), OF-Net (Yang & Yin, FG 2019), RE-Net (Yang & Yin, ACCV 2020), the hybrid
network (Chu et al., FG 2017) and TCAE (Li et al., CVPR 2019). `python -m actionunits.evaluation.published` prints
all of them as Markdown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from actionunits.aus import AUS, au_label
from actionunits.errors import UserError

FILE = Path(__file__).with_name("published.yaml")

DATA = ("bp4d", "bp4d+", "disfa", "gft", "voxceleb")
TRAIN_DATA = (*DATA, "ms-celeb-1m", "affectnet")
# transfer: trained on train_data, then fine-tuned, or read out by a linear classifier, on the folds of data.
PROTOCOLS = ("folds-3", "folds-10", "own-split", "cross", "transfer", "statistics")
# Units that each metric may have; "level" is one step of the FACS intensity scale.
METRIC_UNITS: dict[str, tuple[str, ...]] = {
    "f1": ("percent", "fraction"),
    "f1_norm": ("percent", "fraction"),
    "f1_event": ("percent", "fraction"),
    "accuracy": ("percent", "fraction"),
    "auc": ("percent", "fraction"),
    "icc": ("fraction",),
    "mae": ("level",),
    "mse": ("level2",),
    "rate": ("percent", "fraction"),
    "count": ("frames", "subjects"),
    "ratio": ("fraction",),
    "time_ms": ("ms",),
    "frame_rate": ("fps",),
    "f1_gain": ("percent",),
    "shift": ("eye_distance",),  # of an AU centre from its landmarks, up counts positive
    "displacement": ("half_image",),  # mean length of the vectors, in coordinates of -1 to 1 over the image
    "js_divergence": ("scaled",),  # divided by the logarithm of the dimension, times a million
}
# Rows that this toolkit can repeat: a key of MODELS, with the variant after the colon.
SYSTEMS = (
    "eacnet",
    "eacnet:fvgg",
    "eacnet:enet",
    "ofnet",
    "ofnet:separate",
    "ofnet:dis",
    "renet",
    "renet:learnable",
    "resnet18",
    "hybrid",
    "hybrid:anet",
    "hybrid:lstm",
    "hog",
    "drml",
    "splitbrain",
    "deformae",
    "tcae",
    "tcae:fabnet",
)
MAX_AU_LEVEL = 5
# What a row takes from its table unless it says otherwise.
INHERITED = ("data", "train_data", "protocol", "metric", "unit", "occurrence_level")
DECIMALS = {"percent": 1, "fraction": 2, "level": 2}  # that the papers print


@dataclass(frozen=True)
class Paper:
    """Where a table comes from."""

    key: str
    title: str
    authors: str
    venue: str
    year: int


@dataclass(frozen=True)
class PublishedRow:
    """One printed line of a table; what the line does not say itself is filled in from its table.

    values: one per AU or column of the table; None where the paper leaves the cell empty or, when `garbled`, where
    the text that was transcribed lost it. average: as printed. average_note: present only where the printed average
    is not the mean of the printed values.
    """

    method: str
    values: tuple[float | None, ...]
    data: str
    train_data: str | None
    protocol: str
    metric: str
    unit: str
    occurrence_level: int | None  # intensity from which an AU counts as present
    average: float | None = None
    model: str | None = None  # one of SYSTEMS where the row is a system of this toolkit
    setting: str | None = None  # what sets the row apart from others of the same method
    settings: Mapping[str, Any] | None = None  # of the system, that set the row apart from others of the same one
    aligned: bool | None = None  # whether the faces tested on are registered, where that sets rows apart
    garbled: bool = False
    average_note: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper. The columns of its rows are `aus` or, where they are not AUs, `columns`."""

    key: str
    paper: str  # key of the paper
    table: str  # number as the paper prints it; "Fig. 4" or "Sec. 4.7" where the numbers stand elsewhere
    page: int | None
    caption: str
    data: str
    train_data: str | None
    protocol: str
    metric: str
    unit: str
    occurrence_level: int | None
    rows: tuple[PublishedRow, ...]
    aus: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    page_note: str | None = None
    note: str | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Name of each value of a row: "AU01" and so on, or `columns`."""
        return self.columns or tuple(map(au_label, self.aus))


def papers() -> dict[str, Paper]:
    """The five papers by key."""
    return _read_bundled()[0]


def published_tables() -> dict[str, PublishedTable]:
    """Every published table by key, for instance "eacnet-table3"."""
    return _read_bundled()[1]


def table(key: str) -> PublishedTable:
    """The table of a key. Raises UserError, with the nearest keys, for an unknown one."""
    tables = published_tables()
    if key not in tables:
        near = difflib.get_close_matches(key, tables, n=3, cutoff=0.4) or tables
        raise UserError(f"no published table '{key}'; did you mean {', '.join(near)}?")
    return tables[key]


@cache
def _read_bundled() -> tuple[dict[str, Paper], dict[str, PublishedTable]]:
    return read(FILE)


def read(path: Path) -> tuple[dict[str, Paper], dict[str, PublishedTable]]:
    """Papers and tables of a file such as `published.yaml`, checked.

    Raises UserError that names the table and row of a missing or unknown field, a word that is not allowed, an
    unknown AU or a row of the wrong length.
    """
    with path.open(encoding="utf-8") as file:
        content = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    known = {key: _build(Paper, {"key": key, **entry}, f"paper {key}") for key, entry in content["papers"].items()}
    tables = {key: _table(key, entry, known) for key, entry in content["tables"].items()}
    return known, tables


def _table(key: str, entry: Mapping[str, Any], known_papers: Mapping[str, Paper]) -> PublishedTable:
    where = f"table {key}"
    entry = {"page": None, **entry, "key": key, "table": str(entry.get("table"))}
    for name in ("aus", "columns"):
        entry[name] = tuple(entry.get(name, ()))
    missing = [name for name in INHERITED if name not in entry]
    if missing:
        raise UserError(f"{where}: no field '{missing[0]}'; add it (null where it has no meaning)")
    defaults = {name: entry[name] for name in INHERITED}
    width = len(entry["columns"] or entry["aus"])
    entry["rows"] = tuple(_row({**defaults, **row}, width, where) for row in entry.get("rows", ()))
    built: PublishedTable = _build(PublishedTable, entry, where)
    _check_word(built.paper, tuple(known_papers), "paper", where)
    _check_scores(built, where)
    if built.page is None and not built.page_note:
        raise UserError(f"{where}: no page; give it, or say in 'page_note' why not")
    if built.aus and built.columns:
        raise UserError(f"{where}: both 'aus' and 'columns'; keep one")
    for au in built.aus:
        _check_word(au, tuple(AUS), "AU", where)
    return built


def _row(entry: dict[str, Any], width: int, where: str) -> PublishedRow:
    where = f"{where}, row {entry.get('method')}"
    entry["values"] = tuple(_number(cell, where) for cell in entry.get("values", ()))
    if "average" in entry:
        entry["average"] = _number(entry["average"], where)
    built: PublishedRow = _build(PublishedRow, entry, where)
    if len(built.values) != width:
        raise UserError(f"{where}: {len(built.values)} values for {width} columns")
    if built.model is not None:
        _check_word(built.model, SYSTEMS, "model", where)
    if built.garbled and None not in built.values:
        raise UserError(f"{where}: 'garbled' but every cell has a number; drop the word")
    _check_scores(built, where)
    return built


def _check_scores(item: PublishedRow | PublishedTable, where: str) -> None:
    _check_word(item.data, DATA, "data", where)
    _check_word(item.train_data, (None, *TRAIN_DATA), "train_data", where)
    _check_word(item.protocol, PROTOCOLS, "protocol", where)
    _check_word(item.metric, tuple(METRIC_UNITS), "metric", where)
    _check_word(item.unit, METRIC_UNITS[item.metric], f"unit of {item.metric}", where)
    _check_word(item.occurrence_level, (None, *range(1, MAX_AU_LEVEL + 1)), "occurrence_level", where)


def _check_word(word: Any, allowed: tuple[Any, ...], what: str, where: str) -> None:
    if word not in allowed:
        raise UserError(f"{where}: {what} '{word}' is not one of {', '.join(map(str, allowed))}")


def _number(cell: Any, where: str) -> float | None:
    """A cell as a number; text such as `1/3` is a fraction."""
    if cell is None:
        return None
    try:
        return float(Fraction(cell)) if isinstance(cell, str) else float(cell)
    except (ValueError, ZeroDivisionError):
        raise UserError(f"{where}: '{cell}' is not a number") from None


def _build(kind: type[Any], entry: Mapping[str, Any], where: str) -> Any:
    names = [field.name for field in fields(kind)]
    for name in entry:
        _check_word(name, tuple(names), "field", where)
    try:
        return kind(**entry)
    except TypeError as error:  # a required field is missing
        raise UserError(f"{where}: {str(error).split('() ')[-1]}") from None


def markdown() -> Iterator[str]:
    """The lines of a Markdown page with every table."""
    yield "# What the five papers report"
    yield ""
    yield "Made by `python -m actionunits.evaluation.published`. A cell is empty where the paper's is."
    for paper in papers().values():
        yield ""
        yield f"## {paper.title}"
        yield ""
        yield f"{paper.authors}, {paper.venue} {paper.year}."
        for item in published_tables().values():
            if item.paper == paper.key:
                yield from _table_markdown(item)


def _table_markdown(item: PublishedTable) -> Iterator[str]:
    number = item.table if item.table.startswith(("Fig.", "Sec.")) else f"Table {item.table}"
    yield ""
    yield f"### {number}: `{item.key}`"
    yield ""
    yield f"{item.caption} Data {item.data}, protocol {item.protocol}, {item.metric} in {item.unit}."
    yield ""
    header = ("method", *item.column_names, "average")
    yield f"| {' | '.join(header)} |"
    yield "|" + " --- |" * len(header)
    notes = [item.note] if item.note else []
    for row in item.rows:
        name = _row_name(row, item)
        yield f"| {' | '.join((name, *(_cell(value, row.unit) for value in (*row.values, row.average))))} |"
        notes += [f"{name}: {text}." for text in (row.note, row.average_note) if text]
    if notes:
        yield ""
    yield from (f"- {note}" for note in notes)


def _row_name(row: PublishedRow, item: PublishedTable) -> str:
    """Method and all that sets the row apart from its table, in words."""
    names = ("data", "protocol", "metric", "unit")
    words = [getattr(row, name) for name in names if getattr(row, name) != getattr(item, name)]
    if row.train_data and row.train_data != item.train_data:
        words.append(f"trained on {row.train_data}")
    if row.occurrence_level and row.occurrence_level != item.occurrence_level:
        words.append(f"present from intensity {row.occurrence_level}")
    if row.garbled:
        words.append("cells lost in the text")
    return ", ".join(filter(None, (row.method, row.setting, *words)))


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:.{DECIMALS.get(unit, 0)}f}"
    return text if float(text) == value else f"{value:.4g}"


if __name__ == "__main__":
    print("\n".join(markdown()))
