"""What sets a reproduction apart from the paper, one line each, found by comparing data and scores with its table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from actionunits.aus import au_label
from actionunits.configs import read_sources
from actionunits.errors import UserError
from actionunits.evaluation import fold_scores, questions
from actionunits.evaluation.plan import PAPERS_WORD, PROTOCOL_OF, Run, config_file, scored_rows, settings_of
from actionunits.evaluation.published import PublishedTable
from actionunits.evaluation.reproduction import aus_of
from actionunits.evaluation.result_rows import is_rendered, names_of, published_counts

# How a run is watched and ended, and what training fills in: no paper has words for these.
NOT_COMPARED = ("seed", "log_every_steps", "save_every_minutes", "validation_frames", "relations", "au_rates", "fps")
# Systems whose paper reads faces as the pictures show them (EAC-Net, Sec. IV-B: no preprocessing).
READ_AS_THEY_ARE = ("eacnet",)
NOT_ALIGNED = " not aligned"


def differences(published: PublishedTable, rows: pd.DataFrame) -> list[str]:
    """For a table of scores. rows: ROW_COLUMNS of `reproduction`."""
    first, mean = rows.iloc[0], rows[rows["fold"] == fold_scores.MEAN]
    average = mean[mean["au"] == fold_scores.AVERAGE].iloc[0]
    counts = json.loads(first["counts"])
    found = _of_data(published, bool(first["renders"]), first["data"], counts)
    found += _of_alignment(str(first["model"]), first["data"])
    have = counts.get("subjects", (average["subjects"],))[0]
    if have != average["subjects"]:
        others = "the others are trained on" if first["protocol"] == "own-split" else "no fold names the others"
        found.append(f"people: {average['subjects']} of the {have} in the data are tested; {others}")
    if not counts:
        found.append(f"size: {average['subjects']} people and {average['frames']} frames were tested")
    found += _of_labels(
        published, set(mean["au"]), float(first["occurrence_level"]), "; the average is over the others"
    )
    if first["model"] not in {row.model for row in published.rows}:
        found.append(f"model: {first['model']} is not a system of this table")
    found += _of_protocol(published, first)
    scale, _, settings = first["scale"].partition(", ")
    if scale != "paper":
        found.append(f"scale: {scale}, with the settings of configs/{first['model'].partition(':')[0]}_{scale}.yaml")
    if settings:
        found.append(f"settings: {settings}")
    found += _of_settings(published, first)
    rule = "chosen on each fold's validation people" if first["threshold_rule"] == "validation" else "0.5 throughout"
    found.append(f"threshold: {rule}; the paper does not name its own")
    return found


def differences_of_rates(published: PublishedTable, folders: Sequence[Path], labels: Collection[str]) -> list[str]:
    """For a table of occurrence rates. labels: AUs of the table that the data codes."""
    cards = [questions.dataset_card(folder) for folder in folders]
    found = _of_data(published, is_rendered(folders), names_of(folders), published_counts(cards))
    levels = {float(card["occurrence_level"]) for card in cards if "occurrence_level" in card} or {1.0}
    return found + [line for level in sorted(levels) for line in _of_labels(published, labels, level)]


def _of_data(published: PublishedTable, renders: bool, data: str, counts: Mapping[str, Sequence[int]]) -> list[str]:
    found = []
    if renders:
        found.append("pictures: renders of people who do not exist, in place of recordings")
    data = data.replace(NOT_ALIGNED, "")
    if data != published.data:
        found.append(f"data: {data}, the paper's is {published.data}")
    return found + [
        f"{what}: {have}, published are {wanted}" for what, (have, wanted) in counts.items() if have != wanted
    ]


def _of_labels(published: PublishedTable, labels: Collection[str], level: float, consequence: str = "") -> list[str]:
    found = []
    missing = [label for label in map(au_label, aus_of(published)) if label not in labels]
    if missing:
        found.append(f"action units: the data does not code {', '.join(missing)}{consequence}")
    if published.occurrence_level is not None and level != published.occurrence_level:
        found.append(
            f"occurrence: present from intensity {level:g} on, in the paper from {published.occurrence_level}"
        )
    return found


def _of_protocol(published: PublishedTable, first: pd.Series) -> list[str]:
    found = []
    protocol = PAPERS_WORD.get(first["protocol"], first["protocol"])
    alike = [row for row in scored_rows(published) if PROTOCOL_OF[row.protocol] == protocol]
    alike = [row for row in alike if row.model == first["model"]] or alike
    if published.protocol.startswith("folds") and protocol == "folds":
        found.append(f"folds: {first['division']}; the paper's own list is not printed")
    elif not alike:
        found.append(f"protocol: {first['protocol']}, {first['division']}")
    else:
        found.append(f"division: {first['division']}")
    if first["protocol"] == "finetune":
        found.append("transfer: all weights are trained on, none is frozen")
    train_data, papers = first["train_data"], {row.train_data for row in alike} or {published.train_data}
    if isinstance(train_data, str) and train_data and train_data not in papers:
        found.append(f"training data: {train_data}, the paper's is {' or '.join(sorted(map(str, papers)))}")
    return found


def _of_alignment(model: str, data: str) -> list[str]:
    as_they_are, aligned = model.partition(":")[0] in READ_AS_THEY_ARE, NOT_ALIGNED not in data
    if as_they_are and aligned:
        return ["faces: registered; the paper reads them as they are (prepare --no-align)"]
    if not as_they_are and not aligned:
        return ["faces: as they are; the paper registers them"]
    return []


def _of_settings(published: PublishedTable, first: pd.Series) -> list[str]:
    """Every setting that is not the paper's, and at its own scale what the paper leaves to us."""
    run, used = Run(first["model"]), json.loads(first["config"])
    try:
        path = config_file(run.key, published, "paper")
    except UserError:
        return [f"settings: no file holds those of {run.key} on {published.data}, which no paper gives"]
    papers = settings_of(run, published, "paper")
    values = {name: value for part in vars(papers).values() for name, value in dataclasses.asdict(part).items()}
    own = {name: json.loads(json.dumps(value)) for name, value in values.items() if name not in NOT_COMPARED}
    other = [f"{name} {used[name]} ({own[name]})" for name in own if name in used and used[name] != own[name]]
    found = [f"settings, in brackets those of the file for the paper's: {', '.join(other)}"] if other else []
    if first["scale"].startswith("paper"):
        ours = [f"{name} {own[name]}" for name, why in read_sources(path).items() if "ours" in why and name in own]
        found += [f"ours, where the paper names no value ({path.name} says why): {', '.join(ours)}"] if ours else []
    return found
