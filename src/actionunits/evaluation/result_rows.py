"""What is asked of a protocol, and the rows of scores that come out of it, the source of every printed table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from actionunits.datasets.readers.layouts import RENDERED
from actionunits.errors import UserError
from actionunits.evaluation import fold_scores, questions
from actionunits.evaluation.divisions import Protocol
from actionunits.evaluation.plan import Run
from actionunits.evaluation.protocols import LEVEL_METRICS, merge_rows, refuse_other_table, run_name
from actionunits.evaluation.questions import Question
from actionunits.training.settings import Settings

RESULTS_FILE = "results.csv"
CONTEXT = {"table": str, "fold": str, "threshold_rule": str, "train_data": str, "counts": str, "commit": str}
# What comes before the columns of fold_scores in results.
RUN_COLUMNS = (
    "run",
    "table",
    "model",
    "scale",
    "data",
    "renders",
    "counts",
    "train_data",
    "protocol",
    "division",
)
ROW_COLUMNS = (*RUN_COLUMNS, *fold_scores.COLUMNS)


@dataclass(frozen=True)
class Request:
    """How a table shall be reproduced."""

    data: tuple[Path, ...]
    out: Path
    train_data: tuple[Path, ...] = ()
    models: tuple[str, ...] = ()  # none: those of the table itself
    scale: str = "paper"
    folds: str | None = None
    fold_seeds: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = ()  # of training, each of which trains everything; none: the one of the settings
    threshold: str = "validation"
    results: Path | None = None  # table to extend, besides the one in `out`
    minutes: float | None = None  # of training per fold
    init: Path | None = None  # weights that every fold starts from, or folder of another run of the same folds
    assignments: tuple[str, ...] = ()  # settings besides those of the scale, setting=value
    accelerator: str = "auto"
    imagenet: Path | None = None  # official weights of the model's body, to start training from
    teacher: Path | None = None  # checkpoint, or folder of another run of the same folds, to learn from too
    registered: tuple[Path, ...] = ()  # the same data with registered faces, for tables that compare both


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of a list with commas.

    >>> parse_seeds("0, 1,2")
    (0, 1, 2)
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise UserError(f"'{text}' is no list of seeds; give whole numbers with commas between")
    return tuple(map(int, words))


def refuse_unusable_places(request: Request) -> None:
    """Raises UserError, before any training, where scores could not be written or would lie in the data."""
    if request.results is not None:
        refuse_other_table(request.results, ROW_COLUMNS)
    for folder in (*request.data, *request.train_data):
        if request.out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{request.out} lies in the data folder {folder}; choose another --out")


def write_rows(rows: pd.DataFrame, request: Request) -> None:
    """Write or extend the scores in the request's folder and in its own results table."""
    for path in (request.out / RESULTS_FILE, request.results):
        if path is not None:
            merge_rows(path, rows, ("run",))


def read_results(path: Path) -> pd.DataFrame | None:
    """Rows that `reproduce` and `crossval` wrote; None where the file is another kind of table."""
    try:
        rows = pd.read_csv(path, dtype=CONTEXT)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from None
    if not set(ROW_COLUMNS) - set(LEVEL_METRICS) <= set(rows.columns) <= set(ROW_COLUMNS):
        return None
    return rows.reindex(columns=list(ROW_COLUMNS))  # a table of an earlier version has no scores of levels


def described_rows(
    scores: pd.DataFrame,
    key: str,
    run: Run,
    request: Request,
    question: Question,
    protocol: Protocol,
    settings: Settings,
) -> pd.DataFrame:
    """Scores of folds with RUN_COLUMNS before them, and all settings as `config`.

    key: of a published table, or empty.
    """
    cards = [questions.dataset_card(folder) for folder in question.data]
    names = names_of(question.data)
    rule = scores["threshold_rule"].iloc[0]
    start = f"from {run_name(request.init)}" if request.init else ""
    taught = f"taught by {run_name(request.teacher)}" if request.teacher else ""
    named = (request.scale if key else "", *run.words, *request.assignments, start, taught)
    scale = ", ".join(filter(None, named))
    words = (key or protocol.name, run.model, scale, names, protocol.division, f"threshold {rule}")
    fixed = {
        "run": ", ".join(word for word in words if word),
        "table": key,
        "model": run.model,
        "scale": scale,
        "data": names,
        "renders": is_rendered((*question.data, *question.train_data)),
        "counts": json.dumps(published_counts(cards)),
        "train_data": names_of(question.train_data),
        "protocol": protocol.name,
        "division": protocol.division,
    }
    trained = {**json.loads(scores["config"].iloc[0]), **loop_settings(settings)}
    fixed["config"] = json.dumps(trained, sort_keys=True)
    return scores.assign(**fixed)[list(ROW_COLUMNS)]


def loop_settings(settings: Settings) -> dict[str, Any]:
    """All settings of a run but those of its model, whose checkpoint holds these."""
    return {**asdict(settings.loop), **asdict(settings.data), **asdict(settings.augment)}


def names_of(folders: Sequence[Path]) -> str:
    """Names of the data sets in the folders, and whether their faces are not aligned."""
    cards = [questions.dataset_card(folder) for folder in folders]
    return " + ".join(dict.fromkeys(f"{c['name']}{'' if c.get('aligned', True) else ' not aligned'}" for c in cards))


def is_of_renders(card: Mapping[str, Any]) -> bool:
    """Whether `dataset.json` tells that the pictures are of people who do not exist."""
    return "facekit" in card or RENDERED in card.get("problems", ())


def is_rendered(folders: Sequence[Path]) -> bool:
    """Whether any of the folders holds such pictures."""
    return any(is_of_renders(questions.dataset_card(folder)) for folder in folders)


def published_counts(cards: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """What was counted in the data set's folder and what its publication says: [found, published] by what it is."""
    counts = [count for card in cards for count in card.get("root_counts", ()) if count.get("published")]
    return {count["what"]: [count["found"], count["published"]] for count in counts}
