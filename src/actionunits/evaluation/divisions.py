"""Who is trained on, tuned on and tested on: the folds of every protocol, as parts of loaded data.

No person is in two parts of a fold. Subjects of prepared data are named "<data set>/<own name>"; published lists use
the own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actionunits.datasets.crops.crop_data import CropData, concatenate
from actionunits.datasets.sampling import folds as folds_module
from actionunits.datasets.sampling.folds import (
    VALIDATION_FRACTION,
    fold_split,
    hold_out,
    subject_folds,
    training_people,
)
from actionunits.errors import UserError


@dataclass(frozen=True)
class Fold:
    """One training run of a protocol and what it is tested on."""

    name: str  # unique in its protocol, usable in the name of a folder
    training: CropData
    validation: CropData
    test: CropData | None  # None: only a start for the other folds
    seed: int | None = None  # of the division into folds; None for a published or the data set's own one


@dataclass(frozen=True)
class Protocol:
    """The folds that make up one reported score."""

    name: str  # "folds" | "own-split" | "leave-one-data-set-out" | "cross", or one of questions.TRANSFERS
    division: str  # in words, for instance "published 3 folds" or "3 folds with seeds 0, 1"
    folds: tuple[Fold, ...]
    source: Fold | None = None  # trained first; every fold then starts from its weights


def own_name(subject: str) -> str:
    """Name of a person within the data set.

    >>> own_name("bp4d/F001"), own_name("synthau-7/S0001")
    ('F001', 'S0001')
    """
    return subject.rsplit("/", 1)[-1]


def has_published_folds(data: CropData) -> bool:
    """Whether all rows are of one data set whose folds were published."""
    return len(data.names) == 1 and data.names[0] in folds_module.PUBLISHED_FOLDS


def published_parts(data: CropData) -> tuple[tuple[str, ...], ...]:
    """Test subjects of each published fold that are in the data; subjects that no fold names are in none.

    Raises UserError where nothing is published, and where a fold would be empty.
    """
    name = " + ".join(data.names)
    listed = {own for part in folds_module.PUBLISHED_FOLDS.get(name, ()) for own in part}
    try:
        return folds_module.published_folds(name, [s for s in data.present_subjects if own_name(s) in listed])
    except UserError as error:
        raise UserError(f"{error}; name a number of folds, such as --folds 3") from None


def published_folds(data: CropData, every: int = 1) -> Protocol:
    """The published division, each part once the test set."""
    parts = published_parts(data)
    folds = _folds_of(data, parts, None, "", every)
    return Protocol("folds", f"published {len(parts)} folds", folds)


def seeded_folds(data: CropData, folds: int, seeds: Sequence[int] = (0,), every: int = 1) -> Protocol:
    """Subjects dealt at random into folds, once per seed."""
    found: list[Fold] = []
    for seed in seeds:
        prefix = f"seed{seed}-" if len(seeds) > 1 else ""
        found += _folds_of(data, subject_folds(data.present_subjects, folds, seed), seed, prefix, every)
    plural = "seeds" if len(seeds) > 1 else "seed"
    return Protocol("folds", f"{folds} folds with {plural} {', '.join(map(str, seeds))}", tuple(found))


def own_split(data: CropData, split_of: Mapping[str, str], every: int = 1) -> Protocol:
    """The data set's own split; without a validation part, 20% of the training subjects are held out.

    split_of: "train", "valid" or "test" by subject, as named in `data.subjects`.
    """
    known = {name: split_of[name] for name in data.present_subjects if split_of.get(name)}
    if not known:
        raise UserError(f"{' + '.join(data.names)} brings no split of its own; use folds")
    split = folds_module.own_split(known, 0)
    fold = Fold(
        "own", _thinned(_only(data, split.train), every), _only(data, split.validation), _only(data, split.test)
    )
    return Protocol("own-split", "the data set's own split", (fold,))


def leave_one_data_set_out(data: Sequence[CropData], every: int = 1) -> Protocol:
    """Each data set once the test set, the others together the training set."""
    if len(data) < 2:
        raise UserError("leaving one data set out needs two data sets or more; name them with commas between")
    folds = []
    for k, test in enumerate(data):
        rest = concatenate([piece for j, piece in enumerate(data) if j != k])
        folds.append(_across(rest, test, folder_word(f"{k + 1}-{'-'.join(test.names)}"), every))
    return Protocol("leave-one-data-set-out", f"{len(data)} data sets, each left out once", tuple(folds))


def cross_data_set(source: CropData, target: CropData, every: int = 1) -> Protocol:
    """Trained on one data set, tested on all of another."""
    fold = _across(source, target, "cross", every)
    return Protocol("cross", f"trained on {' + '.join(source.names)}", (fold,))


def transferred(
    name: str, source: CropData, target: Protocol, every: int = 1, split_of: Mapping[str, str] | None = None
) -> Protocol:
    """Trained on all of one data set, then, in every fold of another, trained on or regressed on its features.

    split_of: the source's own split by subject, which counts where it has no labels.
    """
    own = {} if source.aus else split_of or {}
    train, validation = training_people(source.present_subjects, own, VALIDATION_FRACTION, 0)
    start = Fold("source", _thinned(_only(source, train), every), _only(source, validation), None)
    how = "started from" if name == "finetune" else "on features of"
    return Protocol(name, f"{how} {' + '.join(source.names)}; {target.division}", target.folds, start)


def _folds_of(
    data: CropData, parts: Sequence[Sequence[str]], seed: int | None, prefix: str, every: int
) -> tuple[Fold, ...]:
    folds = []
    count = sum(map(len, parts))
    if count - max(map(len, parts)) < 2:
        raise UserError(
            f"{count} subjects in {len(parts)} folds leave one to train on and none to tune on; use more folds"
        )
    for k in range(len(parts)):
        split = fold_split(parts, k, seed or 0)
        folds.append(
            Fold(
                f"{prefix}{k + 1}",
                _thinned(_only(data, split.train), every),
                _only(data, split.validation),
                _only(data, split.test),
                seed,
            )
        )
    return tuple(folds)


def _across(source: CropData, target: CropData, name: str, every: int) -> Fold:
    shared = sorted(set(source.present_subjects) & set(target.present_subjects))
    if shared:
        raise UserError(
            f"subject {shared[0]} ({len(shared)} in all) is in the training and in the test data; "
            "scores would be of known faces"
        )
    train, validation = hold_out(source.present_subjects, VALIDATION_FRACTION, 0)
    return Fold(name, _thinned(_only(source, train), every), _only(source, validation), target)


def _only(data: CropData, names: Sequence[str]) -> CropData:
    """The rows of these people, who are then the only `subjects`."""
    rows = data.of_subjects(names)
    present, number = np.unique(rows.subject, return_inverse=True)
    return replace(rows, subject=number.astype(np.int32), subjects=tuple(rows.subjects[i] for i in present))


def _thinned(data: CropData, every: int) -> CropData:
    """Each `every`-th row of every clip."""
    if every == 1:
        return data
    place = pd.Series(data.frame).groupby(data.clip).rank(method="first").to_numpy() - 1
    return data.subset(place % every == 0)


def folder_word(text: str) -> str:
    """Text as part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9+_.-]+", "-", text)
