"""Scores on photographs of faces whose action units people, or a model of vision and language, have coded by eye.

A folder of coded faces holds `labels.csv` with a row per face: `id`; `AUxx` 1, 0 or empty where the coders do not
agree; `AUxx_level` the mean of their codes, 0-3; optionally `person`. Its pictures are ID.jpg or another format,
beside the table or in `faces/`. With `codes.csv` (`id`, `coder`, and a code per AU, "u" for one that cannot be
told) the agreement of the coders is shown too. Any other program's answers for the same faces stand beside ours:
`NAME.csv` with `id` and columns AUxx_r (intensity) and AUxx_c (presence), as OpenFace writes them, or with
MediaPipe's blendshapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.aus import AUS, au_label
from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import BLENDSHAPES
from actionunits.runtime.provenance import source_commit
from actionunits.scores import metrics

LABELS_FILE, CODES_FILE = "labels.csv", "codes.csv"
OTHER_TABLES = (LABELS_FILE, CODES_FILE, "sources.csv", "clips.csv")
CANNOT_TELL = "u"
# Of a table of scores: whose they are, what is known of the faces, and the scores.
FACE_COLUMNS = (
    *("data", "reader", "au", "faces", "present", "kappa"),
    *("auc", "auc_intensity", "f1", "f1_best", "called", "level_r", "contradictions", "commit"),
)
# A face called present with less intensity than the first, or absent with more than the second, contradicts itself.
LEAST_OF_PRESENT, MOST_OF_ABSENT = 0.5, 1.5


@dataclass(frozen=True)
class CodedFaces:
    """N faces and A action units, in the order of the table."""

    name: str  # of the folder
    ids: tuple[str, ...]
    person: np.ndarray  # (N,) int: number of the person whom each face shows
    pictures: tuple[Path, ...]
    aus: tuple[int, ...]
    present: np.ndarray  # (N, A) uint8, 0 or 1
    valid: np.ndarray  # (N, A) bool: the coders agree
    level: np.ndarray  # (N, A) float, 0-3; NaN where unknown
    kappa: dict[int, float]  # agreement of the coders on presence, by AU; empty without their codes

    @property
    def people(self) -> int:
        """How many people the faces show."""
        return len(np.unique(self.person))


@dataclass(frozen=True)
class Answers:
    """What one program says of the faces; NaN where it says nothing."""

    name: str
    probability: np.ndarray  # (N, A), or any score of presence
    intensity: np.ndarray  # (N, A)
    called: np.ndarray  # (N, A) float: 1 present, 0 absent


def read_coded_faces(folder: Path | str) -> CodedFaces:
    """The faces of a folder. Raises UserError where the table is none, or a picture is missing."""
    folder = Path(folder)
    table = _table(folder / LABELS_FILE)
    aus = tuple(au for au in AUS if au_label(au) in table)
    if not aus:
        raise UserError(f"{folder / LABELS_FILE} has no column of an action unit such as AU12; give 1, 0 or nothing")
    ids = tuple(table.index)
    marks = np.stack([_numbers(table, au_label(au), folder / LABELS_FILE) for au in aus], 1)
    wrong = ~(np.isnan(marks) | np.isin(marks, (0, 1)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(f"{folder / LABELS_FILE}: {au_label(aus[column])} of {ids[row]} is neither 1, 0 nor empty")
    levels = [
        _numbers(table, f"{au_label(au)}_level", folder / LABELS_FILE)
        if f"{au_label(au)}_level" in table
        else np.full(len(ids), np.nan)
        for au in aus
    ]
    # Whoever is not named is somebody else.
    named = table["person"].astype(object) if "person" in table else pd.Series(np.nan, table.index, object)
    person = pd.factorize(named.where(named.notna(), "id " + table.index))[0]
    return CodedFaces(
        name=folder.resolve().name,
        ids=ids,
        person=person,
        pictures=tuple(_picture(folder, name) for name in ids),
        aus=aus,
        present=np.nan_to_num(marks).astype(np.uint8),
        valid=~np.isnan(marks),
        level=np.stack(levels, 1),
        kappa=_agreement(folder / CODES_FILE, aus),
    )


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"id": str})
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise UserError(f"cannot read {path}: {reason}") from None
    table.columns = table.columns.str.strip()
    if "id" not in table or table["id"].isna().any() or table["id"].duplicated().any() or table.empty:
        raise UserError(f"{path} must have a column id, which names every face once")
    return table.set_index("id")


def _numbers(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    try:
        return table[name].to_numpy(np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{path}: {name} holds something that is no number") from None


def _picture(folder: Path, name: str) -> Path:
    places = [folder / "faces", folder]
    found = [path for place in places if place.is_dir() for path in sorted(place.glob(f"{name}.*"))]
    pictures = [path for path in found if path.suffix.lower() not in (".csv", ".txt", ".json")]
    if not pictures:
        raise UserError(f"{folder} has no picture of {name}; {LABELS_FILE} names it")
    return pictures[0]


def _agreement(path: Path, aus: Sequence[int]) -> dict[int, float]:
    """Mean Cohen's kappa of all pairs of coders on presence, by AU."""
    if not path.is_file():
        return {}
    try:
        codes = pd.read_csv(path, dtype=str)
        wide = {
            au: codes.pivot(index="id", columns="coder", values=au_label(au)) for au in aus if au_label(au) in codes
        }
    except (OSError, ValueError, KeyError):
        raise UserError(f"{path} must have the columns id and coder, and a code for every face of a coder") from None
    found = {}
    for au, table in wide.items():
        pairs = []
        for first, second in combinations(table.columns, 2):
            both = table[[first, second]].replace(CANNOT_TELL, np.nan).dropna().astype(float) >= 1
            pairs.append(_kappa(both[first].to_numpy(), both[second].to_numpy()))
        if pairs:
            found[au] = float(np.nanmean(pairs))
    return found


def _kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two binary codings; NaN where chance alone would agree fully."""
    agreed = (first == second).mean()
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    return float((agreed - chance) / (1 - chance)) if chance < 1 else float("nan")


def read_rivals(folder: Path | str, faces: CodedFaces) -> list[Answers]:
    """What other programs say of the faces, from the tables in the folder. Raises UserError for one that is none."""
    found = []
    for path in sorted(Path(folder).glob("*.csv")):
        if path.name not in OTHER_TABLES:
            table = _table(path).reindex(faces.ids)
            found.append(_answers(path, table, faces.aus))
    return found


def _answers(path: Path, table: pd.DataFrame, aus: Sequence[int]) -> Answers:
    def columns(suffix: str) -> np.ndarray:
        nothing = np.full(len(table), np.nan)
        names = [au_label(au) + suffix for au in aus]
        return np.stack([_numbers(table, name, path) if name in table else nothing for name in names], 1)

    intensity, called, probability = columns("_r"), columns("_c"), columns("_p")
    for column, au in enumerate(aus):
        names = list(BLENDSHAPES.get(au, ()))
        if names and set(names) <= set(table.columns):
            intensity[:, column] = np.mean([_numbers(table, name, path) for name in names], 0)
    if np.isnan(intensity).all() and np.isnan(called).all():
        raise UserError(
            f"{path} has neither columns such as AU12_r and AU12_c nor blendshapes; remove it, or name them so"
        )
    probability = np.where(np.isnan(probability), intensity, probability)
    return Answers(path.stem, probability, intensity, called)


def score_answers(faces: CodedFaces, answers: Answers) -> pd.DataFrame:
    """A row per action unit of one program's answers.

    Columns, FACE_COLUMNS: data, reader, au, faces (whose presence is known), present, kappa (of the coders),
    auc (of the score of presence), auc_intensity, f1 (of the decisions), f1_best (of the best threshold on
    these very faces: what decisions cost), called (faces called present over faces that are), level_r (Pearson
    r of intensity and level), contradictions (share of faces whose presence and intensity contradict each
    other), commit (of this program). NaN where a score has no value, as that of an intensity that is not told.
    """
    silent, rated = np.isnan(answers.probability), ~np.isnan(answers.intensity)
    known = faces.valid & ~silent
    called = np.nan_to_num(answers.called) > 0
    decided = ~np.isnan(answers.called)
    positives = (faces.present * known).sum(0)
    best = metrics.best_f1_threshold(faces.present, np.nan_to_num(answers.probability), known)
    at_best = np.nan_to_num(answers.probability) >= np.nan_to_num(best, nan=np.inf)
    columns = {
        "auc": metrics.auc(faces.present, np.nan_to_num(answers.probability), known),
        "auc_intensity": metrics.auc(faces.present, np.nan_to_num(answers.intensity), known & rated),
        "f1": np.where((known & decided).any(0), metrics.f1(faces.present, called, known & decided), np.nan),
        "f1_best": metrics.f1(faces.present, at_best, known),
        "called": np.where(decided.any(0), (called & known).sum(0) / np.maximum(positives, 1), np.nan),
        "level_r": metrics.pcc(
            faces.level, np.nan_to_num(answers.intensity), ~np.isnan(faces.level) & ~silent & rated
        ),
        "contradictions": _contradictions(answers, decided & ~silent & rated),
    }
    rows = pd.DataFrame(columns)
    rows.insert(0, "kappa", [faces.kappa.get(au, np.nan) for au in faces.aus])
    rows.insert(0, "present", positives)
    rows.insert(0, "faces", faces.valid.sum(0))
    rows.insert(0, "au", [au_label(au) for au in faces.aus])
    rows.insert(0, "reader", answers.name)
    rows.insert(0, "data", faces.name)
    rows["commit"] = source_commit()
    # A program that does not report an action unit has no scores for it.
    rows.loc[silent.all(0), [*columns]] = np.nan
    rows.loc[np.isnan(answers.intensity).all(0), ["auc_intensity", "level_r", "contradictions"]] = np.nan
    return rows


def _contradictions(answers: Answers, told: np.ndarray) -> np.ndarray:
    """told: (N, A), where both presence and intensity are."""
    present = np.nan_to_num(answers.called) > 0
    intensity = np.nan_to_num(answers.intensity)
    wrong = np.where(present, intensity < LEAST_OF_PRESENT, intensity > MOST_OF_ABSENT) & told
    return np.where(told.any(0), wrong.sum(0) / np.maximum(told.sum(0), 1), np.nan)
