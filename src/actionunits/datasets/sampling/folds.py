"""Folds that share no person: published lists, a data set's own split, and seeded folds.

Lists: as used by JAA-Net, ME-GraphAU and others; parts are numbered from 1 in the literature, from 0 here. Subjects
are named as in `CropData.subjects`: the data set, "/", and the data set's own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionunits.datasets.readers.folder_contents import some
from actionunits.errors import UserError

_LISTS = {
    "bp4d": (
        "F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014",
        "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
        "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
    ),
    "disfa": (
        "SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032",
        "SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031",
        "SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029",
    ),
}
PUBLISHED_FOLDS: dict[str, tuple[tuple[str, ...], ...]] = {
    name: tuple(tuple(part.split()) for part in parts) for name, parts in _LISTS.items()
}

VALIDATION_FRACTION = 0.2  # of the training subjects
SPLIT_WORDS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Subjects of one fold; no subject is in two of the three."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def subject_folds(subjects: Sequence[str], folds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Subjects dealt at random into parts whose sizes differ by one at most.

    The same seed gives the same parts whatever the order and the repetitions of `subjects`.
    """
    unique = sorted(set(subjects))
    if len(unique) < 2:
        raise UserError(f"the data holds {len(unique)} people; folds need two or more, new people to be tested on")
    if not 2 <= folds <= len(unique):
        raise UserError(f"{len(unique)} subjects cannot make {folds} folds; use 2 to {len(unique)}")
    shuffled = np.random.default_rng(seed).permutation(len(unique))
    return tuple(tuple(sorted(unique[i] for i in shuffled[k::folds])) for k in range(folds))


def published_folds(dataset: str, subjects: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The subjects in the published parts of a data set, matched by their own name: "bp4d/F001" is F001.

    Raises UserError where no folds are published, a subject is in no part, or a part would be empty.
    """
    if dataset not in PUBLISHED_FOLDS:
        raise UserError(f"no folds are published for {dataset}, only for {', '.join(PUBLISHED_FOLDS)}")
    unique = sorted(set(subjects))
    own = {name: name.rsplit("/", 1)[-1] for name in unique}
    listed = {name for part in PUBLISHED_FOLDS[dataset] for name in part}
    unknown = [name for name in unique if own[name] not in listed]
    if unknown:
        raise UserError(
            f"the published folds of {dataset} do not name {some(unknown, 3)}; "
            "leave these subjects out or use seeded folds"
        )
    parts = tuple(tuple(name for name in unique if own[name] in part) for part in PUBLISHED_FOLDS[dataset])
    empty = [k for k, part in enumerate(parts) if not part]
    if empty:
        raise UserError(f"no subject of part {empty[0] + 1} of the published folds of {dataset} is in the data")
    return parts


def own_split(split_of: Mapping[str, str], seed: int, validation_fraction: float = VALIDATION_FRACTION) -> Split:
    """The split that a data set brings, as GFT does; without a "valid" part some training subjects are held out.

    split_of: "train", "valid" or "test" of each subject. Raises UserError for another word, and where the training or
    the test part is empty.
    """
    parts = {word: tuple(sorted(name for name in split_of if split_of[name] == word)) for word in SPLIT_WORDS}
    other = sorted(name for name in split_of if split_of[name] not in SPLIT_WORDS)
    if other:
        raise UserError(
            f"subject {other[0]} ({len(other)} in all) is in the part '{split_of[other[0]]}' of the split; "
            f"known are {', '.join(SPLIT_WORDS)}"
        )
    empty = [word for word in ("train", "test") if not parts[word]]
    if empty:
        raise UserError(f"the data set's own split has no {empty[0]} part; use seeded folds")
    train, validation = parts["train"], parts["valid"]
    if not validation:
        train, validation = hold_out(train, validation_fraction, seed)
    return Split(train, validation, parts["test"])


def training_people(
    people: Sequence[str], split_of: Mapping[str, str], fraction: float, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who is trained and who is tuned on, of data without labels: the parts "train" and "valid" of its own split.

    Its identities of "test" then stay unseen, as in TCAE (Sec. 4.1). Without such a split a fraction is held out.
    """
    train, valid = (tuple(sorted(n for n in people if split_of.get(n) == word)) for word in ("train", "valid"))
    return (train, valid) if train and valid else hold_out(people, fraction, seed)


def hold_out(subjects: Sequence[str], fraction: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The subjects in two groups: the rest, and the held-out fraction (at least one subject)."""
    unique = sorted(set(subjects))
    if len(unique) < 2:
        raise UserError(f"one subject cannot be split; {len(unique)} given")
    count = min(max(1, round(fraction * len(unique))), len(unique) - 1)
    shuffled = np.random.default_rng((seed, 1)).permutation(len(unique))
    held = {unique[i] for i in shuffled[:count]}
    return tuple(s for s in unique if s not in held), tuple(sorted(held))


def fold_split(
    folds: Sequence[Sequence[str]],
    test_fold: int,
    seed: int,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Split:
    """Training, validation and test subjects when fold `test_fold` (from 0) is the test set."""
    if not 0 <= test_fold < len(folds):
        raise UserError(f"fold {test_fold} does not exist; there are folds 0 to {len(folds) - 1}")
    rest = [s for k, fold in enumerate(folds) if k != test_fold for s in fold]
    train, validation = hold_out(rest, validation_fraction, seed)
    return Split(train, validation, tuple(folds[test_fold]))
