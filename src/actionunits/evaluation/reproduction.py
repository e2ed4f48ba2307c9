"""One published table again: the paper's protocol on the user's data, and what differs from the paper.

What comes out is one table of scores per model (`ROW_COLUMNS`), which is also what results/*.csv hold; everything
that is printed, and every difference, follows from these rows and from `published.yaml`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from actionunits.aus import DATASET_AUS, au_label
from actionunits.datasets.crops.load import coded_aus
from actionunits.datasets.readers.layouts import RENDERED
from actionunits.errors import UserError
from actionunits.evaluation import fold_scores, questions, regression
from actionunits.evaluation.crossval import System, cross_validate, read_threshold_rule
from actionunits.evaluation.divisions import Protocol
from actionunits.evaluation.plan import PROTOCOL_OF, Run, runs_of, scored_rows, settings_of, with_seeds
from actionunits.evaluation.predictions import concatenate, write_predictions
from actionunits.evaluation.protocols import LEVEL_METRICS, merge_rows, refuse_other_table, run_name
from actionunits.evaluation.published import PublishedTable, table
from actionunits.evaluation.questions import Question
from actionunits.models import find_model
from actionunits.models.contract import BuildsOnVariants
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file

SCALES = ("paper", "small")
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
# Where numbers come from that no fold gives.
ELSEWHERE = {
    "time_ms": "speed depends on the machine; `make bench` measures it here",
    "frame_rate": "speed depends on the machine; `make bench` measures it here",
    "shift": "it defines the model and is measured nowhere",
    "f1_gain": "it is the difference of two runs; reproduce the table of the scores themselves with both settings",
    "count": "`actionunits data describe DIR` counts your data",
}


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


@dataclass(frozen=True)
class Reproduction:
    """Scores of one model, ready to be shown beside a published table."""

    table: PublishedTable
    rows: pd.DataFrame  # ROW_COLUMNS


@dataclass(frozen=True)
class Planned:
    """One system of a table, before anything is trained."""

    run: Run
    question: Question
    settings: Settings


def planned(key: str, request: Request) -> list[Planned]:
    """What `reproduce` would train. Raises UserError where the table, the data or a setting does not allow it."""
    published = table(key)
    read_threshold_rule(request.threshold)
    if request.scale not in SCALES:
        raise UserError(f"unknown scale '{request.scale}'; known are {', '.join(SCALES)}")
    refuse_without_folds(published)
    asked = _asked_settings(request)
    runs = with_seeds(runs_of(published, request.models, asked), request.seeds)
    aus = aus_in_data(published, request.data)
    refuse_unusable_places(request)
    found = [
        Planned(
            run, question_of(published, run.model, request, aus), settings_of(run, published, request.scale, asked)
        )
        for run in runs
    ]
    for item in found:
        questions.check_question(item.question)
    return found


def reproduce(key: str, request: Request, progress: bool = False) -> list[Reproduction]:
    """Train and test the folds of a published table with each system, and write the scores.

    Raises UserError where the table, the data or a setting does not allow it, and crossval.Interrupted when stopped.
    """
    published, plan = table(key), planned(key, request)
    fabric = make_fabric(Hardware(accelerator=request.accelerator, devices="1"))
    found, folders = [], dict[tuple[str, int, int], Path]()
    for item in plan:
        protocol = questions.load_protocol(item.question, item.settings, progress)
        system = System(item.run.key, item.settings, request.imagenet, request.teacher)
        folder = request.out / item.run.folder
        begun = dataclasses.replace(request, init=earlier_of_recipe(system, folders) or request.init)
        scores = run_protocol(system, protocol, folder, fabric, begun)
        rows = described_rows(scores, key, item.run, request, item.question, protocol, item.settings)
        write_rows(rows, request)
        found.append(Reproduction(published, rows))
        folders[system.model, _place_in_recipe(system), item.settings.loop.seed] = folder
    return found


def earlier_of_recipe(system: System, folders: Mapping[tuple[str, int, int], Path]) -> Path | None:
    """Where the nearest earlier variant of a system's recipe was trained, so that its stages need no second time.

    folders: by model, place in its recipe and seed.
    """
    keys = [(system.model, place, system.settings.loop.seed) for place in reversed(range(_place_in_recipe(system)))]
    return next((folders[key] for key in keys if key in folders), None)


def _place_in_recipe(system: System) -> int:
    """Position of the system's variant among those that start from one another, from 0."""
    model = find_model(system.model).model
    return model.place_in_recipe(system.settings.model) if issubclass(model, BuildsOnVariants) else 0


def answer(protocol: str, request: Request, config: Path | None, progress: bool = False) -> list[pd.DataFrame]:
    """Scores of one model in a protocol of one's own for each seed of training (ROW_COLUMNS), which are also written.

    For protocols across data sets the last of `request.data` is tested on, the others are trained on. config:
    settings that differ from the model's defaults; those of the request come after. Raises like `reproduce`.
    """
    read_threshold_rule(request.threshold)
    (name,) = request.models
    values = (read_config_file(config) if config else {}) | _asked_settings(request)
    across = protocol in questions.ACROSS
    data, train_data = (request.data[-1:], request.data[:-1]) if across else (request.data, ())
    question = Question(protocol, data, train_data, request.folds, request.fold_seeds)
    refuse_unusable_places(request)
    fabric = make_fabric(Hardware(accelerator=request.accelerator, devices="1"))
    found = []
    for run in with_seeds([Run(name)], request.seeds):
        settings = make_settings(name, values | run.seed_setting)
        divided = questions.load_protocol(question, settings, progress)
        system = System(name, settings, request.imagenet, request.teacher)
        folder = request.out / f"seed-{run.seed}" if len(request.seeds) > 1 else request.out
        scores = run_protocol(system, divided, folder, fabric, request)
        found.append(described_rows(scores, "", run, request, question, divided, settings))
        write_rows(found[-1], request)
    return found


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


def run_protocol(system: System, protocol: Protocol, out: Path, fabric: Any, request: Request) -> pd.DataFrame:
    """Scores of all folds; outputs for all test frames go to `out/predictions.parquet` where each was tested once."""
    outputs, rule = cross_validate(system, protocol, out, fabric, request.init), request.threshold
    if len({fold.seed for fold in outputs}) == 1:
        write_predictions(out / "predictions.parquet", concatenate([fold.with_rule(rule) for fold in outputs]))
    return fold_scores.score_folds(outputs, rule)


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


def refuse_without_folds(published: PublishedTable) -> None:
    """Raises UserError for a table whose numbers are no scores of folds."""
    if scored_rows(published):
        return
    reason = ELSEWHERE.get(published.metric, "no command of this version gives these numbers")
    raise UserError(f"{published.key} holds {published.metric} ({published.caption.rstrip('.')}): {reason}")


def question_of(published: PublishedTable, model: str, request: Request, aus: tuple[int, ...]) -> Question:
    """The protocol of the table for a model: that of its own rows, else the table's."""
    own = [row.protocol for row in scored_rows(published) if row.model == model]
    word = published.protocol if not own or published.protocol in own else own[0]
    if request.train_data:
        word = _word_across(published, (published.protocol, *own))
    protocol = PROTOCOL_OF[word]
    if protocol == "finetune":
        protocol = regression.protocol_of(find_model(model.partition(":")[0]).model) or protocol
    folds = request.folds
    if protocol in ("folds", *questions.TRANSFERS) and folds is None and word == "folds-10":
        folds = "10"
    if protocol in questions.ACROSS and not request.train_data:
        raise UserError(f"{published.key} trains on {published.train_data}; name a folder of it with --train-data")
    if protocol == "cross":  # what the training data does not code cannot be learned
        learned = {au for folder in request.train_data for au in coded_aus(folder)}
        aus = tuple(au for au in aus if au in learned)
    return Question(protocol, request.data, request.train_data, folds, request.fold_seeds, aus)


def _word_across(published: PublishedTable, first: Sequence[str]) -> str:
    """Protocol of the table that trains on other data than it tests on, one of `first` if there is such."""
    words = (*first, *(row.protocol for row in scored_rows(published)))
    found = [word for word in words if PROTOCOL_OF.get(word) in questions.ACROSS]
    if not found:
        raise UserError(f"{published.key} trains on parts of the data that it tests on; leave out --train-data")
    return found[0]


def aus_in_data(published: PublishedTable, folders: Sequence[Path]) -> tuple[int, ...]:
    """AUs of a table that a folder codes. Raises UserError where there is none."""
    wanted = aus_of(published)
    coded = {au for folder in folders for au in coded_aus(folder)}
    aus = tuple(au for au in wanted if au in coded)
    if not aus:
        names = ", ".join(map(str, folders))
        raise UserError(
            f"{names} codes none of the table's action units ({', '.join(map(au_label, wanted))}); "
            f"it codes {', '.join(map(au_label, sorted(coded))) or 'none at all'}"
        )
    return aus


def aus_of(published: PublishedTable) -> tuple[int, ...]:
    """AUs of a table; where it prints averages alone, those that papers evaluate on its data set."""
    return published.aus or DATASET_AUS.get(published.data, DATASET_AUS["bp4d"])


def _asked_settings(request: Request) -> dict[str, Any]:
    asked = parse_assignments(request.assignments)
    return asked if request.minutes is None else asked | {"max_minutes": request.minutes}
