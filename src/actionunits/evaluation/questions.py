"""From folders of data to the folds of a protocol: what the commands `crossval` and `reproduce` are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actionunits.datasets.crops import prepared, synthau
from actionunits.datasets.crops.crop_data import CropData, stored_size
from actionunits.datasets.crops.load import coded_aus, is_prepared, load_data, own_splits
from actionunits.errors import UserError
from actionunits.evaluation import divisions
from actionunits.evaluation.divisions import Protocol
from actionunits.models.config_contract import flow_method
from actionunits.models.contract import reads_mesh
from actionunits.training.data import recipe_of
from actionunits.training.settings import Settings

FITTED = ("regression", "probe", "svm")  # by a layer on features of a network that stays
TRANSFERS = ("finetune", *FITTED)  # trained on other data first, then brought to each fold
ACROSS = ("cross", *TRANSFERS)  # with training data besides the test data
PROTOCOLS = ("folds", "own-split", "leave-one-data-set-out", *ACROSS)
PUBLISHED = "published"
OWN_SPLIT = "own-split"  # of the test data, in place of folds, after training on other data


@dataclass(frozen=True)
class Question:
    """Which data, and who of it is trained and tested on."""

    protocol: str  # one of PROTOCOLS
    data: tuple[Path, ...]  # folders of the test data, which for folds is the training data too
    train_data: tuple[Path, ...] = ()  # for those of ACROSS
    folds: str | None = None  # "published", a number or OWN_SPLIT; None: published where the data has such, else 3
    fold_seeds: tuple[int, ...] = (0,)
    aus: tuple[int, ...] | None = None  # None: all that the data codes

    @property
    def across(self) -> bool:
        """Whether training is (also) on data of its own."""
        return self.protocol in ACROSS


def check_question(question: Question) -> None:
    """Raises UserError for words that contradict each other; opens no data."""
    if question.protocol not in PROTOCOLS:
        raise UserError(f"unknown protocol '{question.protocol}'; known are {', '.join(PROTOCOLS)}")
    if not question.data:
        raise UserError("no data folder is named")
    if question.across and not question.train_data:
        raise UserError(f"protocol {question.protocol} trains on other data than it tests on; name both")
    if question.train_data and not question.across:
        raise UserError(f"protocol {question.protocol} trains on parts of the test data; leave out the training data")
    divided = question.protocol in ("folds", *TRANSFERS)
    if not divided and (question.folds is not None or question.fold_seeds != (0,)):
        raise UserError(f"protocol {question.protocol} has no folds to choose")
    if question.folds == OWN_SPLIT and question.protocol not in TRANSFERS:
        raise UserError(f"--folds {OWN_SPLIT} is for data that is trained on after other data; use that protocol")
    if question.folds not in (None, OWN_SPLIT):
        count_of_folds(question.folds)
    if not question.fold_seeds or len(set(question.fold_seeds)) < len(question.fold_seeds):
        raise UserError("each fold seed is needed once")
    if question.folds == PUBLISHED and question.fold_seeds != (0,):
        raise UserError("published folds have no seed; name a number of folds to deal people at random")


def count_of_folds(text: str) -> int | None:
    """Number of folds, or None for "published".

    >>> count_of_folds("10"), count_of_folds("published")
    (10, None)
    """
    if text == PUBLISHED:
        return None
    if not text.isdigit() or int(text) < 2:
        raise UserError(f"--folds is '{text}'; it must be published or a number from 2 on")
    return int(text)


def common_aus(folders: Sequence[Path]) -> tuple[int, ...]:
    """AUs that every folder codes, ascending."""
    coded = [set(coded_aus(folder)) for folder in folders]
    return tuple(sorted(set.intersection(*coded)))


def load_protocol(question: Question, settings: Settings, progress: bool = False) -> Protocol:
    """The folds of a question, their crops mapped. Raises UserError where the data does not allow it."""
    check_question(question)
    every = settings.data.every
    aus = question.aus
    if aus is None:
        aus = common_aus(question.data if question.protocol != "cross" else (*question.train_data, *question.data))
    if not aus:
        folders = [str(folder) for folder in (*question.train_data, *question.data)]
        what = "code no action unit in common" if len(folders) > 1 else "codes no action unit; name data with labels"
        raise UserError(f"{', '.join(folders)} {what}")

    def load(folders: Sequence[Path], wanted: tuple[int, ...] | None = aus) -> CropData:
        return load_data(
            list(folders),
            stored_size(settings.model.image_size),
            aus=wanted,
            meshes=reads_mesh(recipe_of(settings)),
            flow=flow_method(settings.model),
            progress=progress,
        )

    if question.protocol == "leave-one-data-set-out":
        return divisions.leave_one_data_set_out([load([folder]) for folder in question.data], every)
    data = load(question.data)
    if question.protocol == "own-split":
        return divisions.own_split(data, own_splits(question.data), every)
    if question.protocol == "cross":
        return divisions.cross_data_set(load(question.train_data), data, every)
    if question.folds == OWN_SPLIT:
        folds = divisions.own_split(data, own_splits(question.data), every)
    else:
        folds = _folds(question, data, every)
    if question.protocol in TRANSFERS:
        source = load(question.train_data, common_aus(question.train_data))
        return divisions.transferred(question.protocol, source, folds, every, own_splits(question.train_data))
    return folds


def _folds(question: Question, data: CropData, every: int) -> Protocol:
    text = question.folds
    if text is None:
        text = PUBLISHED if divisions.has_published_folds(data) and question.fold_seeds == (0,) else "3"
    count = count_of_folds(text)
    if count is None:
        return divisions.published_folds(data, every)
    return divisions.seeded_folds(data, count, question.fold_seeds, every)


def dataset_card(folder: Path) -> dict[str, Any]:
    """`dataset.json` of a folder of either kind."""
    return prepared.read_info(folder) if is_prepared(folder) else synthau.read_info(folder)
