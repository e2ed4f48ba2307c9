"""One number for a person: over a whole video, whatever time he or she is away, and over all inputs of a run.

The tracker keeps a number while it follows a face, and for two seconds more. Here every number's face is described
now and then, see faces/recognition.py, and numbers whose descriptions are near each other become one; those that are
seen in one frame are different people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.detection.options import AnalysisOptions
from actionunits.detection.spool import ResultSpool
from actionunits.errors import UserError
from actionunits.faces.recognition import FaceDescriber
from actionunits.files import read_json, valid_text, write_json
from actionunits.media import MediaReader
from actionunits.reports.schemas import Column, Row
from actionunits.scores.grouping import groups
from actionunits.types import FrameResult

DESCRIBE_EVERY_S, DESCRIPTIONS = 1.0, 8  # of a number, and how many at most
MOST_DISTANCE = 0.45  # between descriptions of one person
_DECIMALS = 4  # of a description in a file
FILE = "people.csv"
COLUMNS = (
    Column("file", "text"),
    Column("face_id", "int"),
    Column("person", "int"),
    Column("nearest_same", "float", 3),
    Column("nearest_other", "float", 3),
)


@dataclass(frozen=True)
class Likeness:
    """What a person of an input looks like."""

    face_id: int
    count: int  # of descriptions
    mean: np.ndarray  # (128,) of them


class PeopleCollector:
    """Describes the faces of one input as results pass by; pictures must be in them."""

    def __init__(self, describe: FaceDescriber) -> None:
        self._describe = describe
        self._described: dict[int, list[np.ndarray]] = {}  # by face_id
        self._next_s: dict[int, float] = {}
        self._together: set[tuple[int, int]] = set()

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        self._together.update(combinations(sorted(face.face_id for face in result.faces), 2))
        time_s = result.frame.time_s
        for face in result.faces:
            known = self._described.setdefault(face.face_id, [])
            due = time_s >= self._next_s.get(face.face_id, -np.inf) and len(known) < DESCRIPTIONS
            if due and face.is_usable:
                known.append(self._describe(result.frame.image_rgb, face.landmarks_px))
                self._next_s[face.face_id] = time_s + DESCRIBE_EVERY_S

    def people(self) -> tuple[dict[int, int], list[Likeness]]:
        """The number of each number's person, the first that he or she had, and what these people look like.

        Who was never seen well keeps the own number, and looks like nobody.
        """
        ids = sorted(face_id for face_id, known in self._described.items() if known)
        means = [np.mean(self._described[face_id], axis=0) for face_id in ids]
        apart = np.array([[tuple(sorted((one, other))) in self._together for other in ids] for one in ids], bool)
        found = groups(_distances(means), apart.reshape(len(ids), len(ids)), MOST_DISTANCE)
        person = {face_id: ids[first] for face_id, first in zip(ids, found, strict=True)}
        described: dict[int, list[np.ndarray]] = {}
        for face_id in ids:
            described.setdefault(person[face_id], []).extend(self._described[face_id])
        return person, [Likeness(face_id, len(all_), np.mean(all_, axis=0)) for face_id, all_ in described.items()]


class PeopleOption:
    """One number for a person of an input, where that is asked for."""

    def __init__(self, options: AnalysisOptions, media: MediaReader) -> None:
        if options.same_people and options.annotate and not media.can_repeat:
            raise UserError(f"{', '.join(media.sources)} cannot be read twice; leave out --annotate or --same-people")
        # The faces of photographs have numbers that say nothing of who they are.
        wanted = options.same_people and (media.kind != "images" or media.fps is not None)
        self._collector = PeopleCollector(FaceDescriber()) if wanted else None
        self._likenesses: list[Likeness] = []

    def applied(self, results: Iterator[FrameResult], stack: ExitStack) -> Iterator[FrameResult]:
        """The results with the numbers of people; they are known when all have passed."""
        if self._collector is None:
            return results
        spool = stack.enter_context(ResultSpool())
        for result in results:
            self._collector.add(result)
            spool.add(result)
        person, self._likenesses = self._collector.people()
        return (_renamed(result, person) for result in spool)

    def written(self, path: Path) -> dict[str, Path]:
        """What the people look like, in a file, by its field in the run card; nothing where nobody asks for it."""
        if self._collector is None:
            return {}
        rows = [
            {"face_id": each.face_id, "count": each.count, "mean": each.mean.astype(float).round(_DECIMALS).tolist()}
            for each in self._likenesses
        ]
        write_json(path, rows)
        return {"likenesses": path}


@dataclass(frozen=True)
class Named:
    """A person of an input, with a number that holds over all inputs."""

    file: str
    face_id: int
    person: int
    nearest_same: float  # distance to the nearest of the same number in other inputs; NaN where there is none
    nearest_other: float  # to the nearest of another number

    def row(self) -> Row:
        """In the order of COLUMNS."""
        return [self.file, self.face_id, self.person, self.nearest_same, self.nearest_other]


def people_over(cards: Sequence[Mapping[str, Any]]) -> list[Named]:
    """The people of all inputs with numbers from 0, by appearance.

    cards: run cards, which name files of likenesses. Raises UserError for a file that cannot be read.
    """
    places: list[tuple[str, int]] = []
    means: list[np.ndarray] = []
    for card in cards:
        for row in read_json(Path(card["likenesses"])) if card["likenesses"] else ():
            places.append((valid_text(card["input"]), row["face_id"]))
            means.append(np.array(row["mean"], np.float64))
    distance = _distances(means)
    source = np.array([source for source, _ in places])
    apart = source[:, None] == source[None]
    found = groups(distance, apart, MOST_DISTANCE)
    number = {first: k for k, first in enumerate(dict.fromkeys(found))}
    person = np.array([number[first] for first in found])
    same = (person[:, None] == person[None]) & ~np.eye(len(person), dtype=bool)
    other = person[:, None] != person[None]
    return [
        Named(*place, int(person[k]), _least(distance[k, same[k]]), _least(distance[k, other[k]]))
        for k, place in enumerate(places)
    ]


def _distances(means: Sequence[np.ndarray]) -> np.ndarray:
    table = np.reshape(means, (len(means), -1)) if means else np.zeros((0, 1))
    squared = (table**2).sum(1)
    return np.sqrt(np.maximum(squared[:, None] + squared - 2 * table @ table.T, 0))


def _least(values: np.ndarray) -> float:
    return float(values.min()) if len(values) else float("nan")


def _renamed(result: FrameResult, person: Mapping[int, int]) -> FrameResult:
    renamed = [replace(face, face_id=person.get(face.face_id, face.face_id)) for face in result.faces]
    order = sorted(range(len(renamed)), key=lambda k: renamed[k].face_id)
    return replace(result, faces=[renamed[k] for k in order], predictions=[result.predictions[k] for k in order])
