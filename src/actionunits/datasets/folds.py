"""Folds that share no person: the published lists of BP4D and DISFA, and seeded folds of any subjects.

Lists: as used by JAA-Net, ME-GraphAU and others; parts are numbered from 1 in the literature, from 0 here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    if not 2 <= folds <= len(unique):
        raise UserError(f"{len(unique)} subjects cannot make {folds} folds; use 2 to {len(unique)}")
    shuffled = np.random.default_rng(seed).permutation(len(unique))
    return tuple(tuple(sorted(unique[i] for i in shuffled[k::folds])) for k in range(folds))


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
