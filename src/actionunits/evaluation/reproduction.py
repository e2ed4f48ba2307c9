"""One published table again: the paper's protocol on the user's data, and what differs from the paper.

What comes out is one table of scores per model (`ROW_COLUMNS`), which is also what results/*.csv hold; everything
that is printed, and every difference, follows from these rows and from `published.yaml`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from actionunits.aus import DATASET_AUS, au_label
from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.load import coded_aus, load_data
from actionunits.errors import UserError
from actionunits.evaluation import fold_scores, questions, regression
from actionunits.evaluation.alignment import tested_twice
from actionunits.evaluation.crossval import FoldOutputs, System, cross_validate, read_threshold_rule
from actionunits.evaluation.divisions import Protocol
from actionunits.evaluation.over_time import read_over_time
from actionunits.evaluation.plan import (
    OVER_TIME,
    PROTOCOL_OF,
    TESTED,
    Run,
    runs_of,
    scored_rows,
    settings_of,
    tested_word,
    with_seeds,
)
from actionunits.evaluation.predictions import concatenate, write_predictions
from actionunits.evaluation.published import PublishedTable, table
from actionunits.evaluation.questions import Question
from actionunits.evaluation.result_rows import Request, described_rows, refuse_unusable_places, write_rows
from actionunits.models import find_model
from actionunits.models.contract import BuildsOnVariants
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.settings import Settings, make_settings, parse_assignments, read_config_file

SCALES = ("paper", "small")
# Systems that read single frames, by the paper that claims more from time; simple readings of them are its baselines.
READ_OVER_TIME = {"hybrid": ("hybrid:anet",)}
BASELINE_READINGS = ("average", "minimum")
# Where numbers come from that no fold gives.
ELSEWHERE = {
    "time_ms": "speed depends on the machine; `make bench` measures it here",
    "frame_rate": "speed depends on the machine; `make bench` measures it here",
    "shift": "it defines the model and is measured nowhere",
    "f1_gain": "it is the difference of two runs; reproduce the table of the scores themselves with both settings",
    "count": "`actionunits data describe DIR` counts your data",
}


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
    if compares_alignment(published):
        refuse_one_alignment(request)
    elif request.registered:
        raise UserError(f"{key} tests faces in one way; leave out --registered")
    return found


def refuse_one_alignment(request: Request) -> None:
    """Raises UserError where a table of both ways to cut faces out has not got both."""
    aligned = [questions.dataset_card(folder).get("aligned", True) for folder in request.data]
    if any(aligned) or not request.registered:
        raise UserError(
            "one network is trained on faces as they are and tested on both: name a folder that was prepared with "
            "--no-align as --data, and the same data prepared without it as --registered"
        )


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
        outputs = run_protocol(system, protocol, folder, fabric, begun)
        readings = [(item.run, outputs), *over_time(published, item.run, outputs)]
        if compares_alignment(published):
            readings = list(both_alignments(item, request, protocol, folder, outputs, fabric.device))
        for run, read in readings:
            scores = fold_scores.score_folds(read, request.threshold)
            rows = described_rows(scores, key, run, request, item.question, protocol, item.settings)
            write_rows(rows, request)
            found.append(Reproduction(published, rows))
        folders[system.model, _place_in_recipe(system), item.settings.loop.seed] = folder
    return found


def compares_alignment(published: PublishedTable) -> bool:
    """Whether rows of a table differ in how the faces tested on are cut out."""
    return any(row.aligned is not None for row in published.rows)


def both_alignments(
    item: Planned,
    request: Request,
    protocol: Protocol,
    folder: Path,
    outputs: Sequence[FoldOutputs],
    device: torch.device,
) -> Iterator[tuple[Run, list[FoldOutputs]]]:
    """The outputs for the same test frames as they are and registered."""
    size = stored_size(item.settings.model.image_size)
    registered = load_data(list(request.registered), size, aus=item.question.aus)
    folders = [folder / f"fold-{fold.name}" for fold in protocol.folds]
    for aligned, read in zip((False, True), tested_twice(outputs, folders, registered, device), strict=True):
        yield dataclasses.replace(item.run, settings={**item.run.settings, TESTED: tested_word(aligned)}), read


def over_time(
    published: PublishedTable, run: Run, outputs: Sequence[FoldOutputs]
) -> Iterator[tuple[Run, list[FoldOutputs]]]:
    """In tables of a claim about time, the outputs of a system that reads frames, read over time: its baselines."""
    if run.model not in READ_OVER_TIME.get(published.paper, ()) or outputs[0].frames.timeline() is None:
        return
    for reading in BASELINE_READINGS:
        read = [
            dataclasses.replace(o, frames=read_over_time(o.frames, reading, o.header.get("neutral_logit", {})))
            for o in outputs
        ]
        yield dataclasses.replace(run, settings={**run.settings, OVER_TIME: reading}), read


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
        scores = fold_scores.score_folds(run_protocol(system, divided, folder, fabric, request), request.threshold)
        found.append(described_rows(scores, "", run, request, question, divided, settings))
        write_rows(found[-1], request)
    return found


def run_protocol(system: System, protocol: Protocol, out: Path, fabric: Any, request: Request) -> list[FoldOutputs]:
    """Outputs of all folds; those for all test frames go to `out/predictions.parquet` where each was tested once."""
    outputs, rule = cross_validate(system, protocol, out, fabric, request.init), request.threshold
    if len({fold.seed for fold in outputs}) == 1:
        write_predictions(out / "predictions.parquet", concatenate([fold.with_rule(rule) for fold in outputs]))
    return outputs


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
    folds = request.folds
    pretrained = [row for row in scored_rows(published) if row.model == model and row.train_data != row.data]
    if request.train_data and pretrained and word == questions.OWN_SPLIT:
        word, folds = "transfer", questions.OWN_SPLIT
    elif request.train_data:
        word = _word_across(published, (published.protocol, *own))
    protocol = PROTOCOL_OF[word]
    if protocol == "finetune":
        protocol = regression.protocol_of(find_model(model.partition(":")[0]).model) or protocol
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
