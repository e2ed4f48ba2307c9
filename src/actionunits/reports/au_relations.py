"""How action units go together in a person, and people with each other: rows of two tables.

Results come without the faces that cannot be used.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np

from actionunits.aus import au_label
from actionunits.reports.au_summary import ALL_FACES
from actionunits.reports.schemas import Column, Row
from actionunits.scores.cooccurrence import jaccard, phi
from actionunits.scores.synchrony import LEAST_COMMON_S, MOST_LAG_S, synchrony
from actionunits.types import FrameResult

COOCCURRENCE_COLUMNS = (
    Column("face_id", "text"),
    Column("au", "text"),
    Column("other_au", "text"),
    Column("frames", "int"),
    Column("both", "int"),
    Column("only_au", "int"),
    Column("only_other", "int"),
    Column("phi", "float", 3),
    Column("jaccard", "float", 3),
)
SYNCHRONY_COLUMNS = (
    Column("face_id", "int"),
    Column("other_id", "int"),
    Column("au", "text"),
    Column("r", "float", 3),
    Column("peak_r", "float", 3),
    Column("lag_s", "double", 3),
    Column("frames", "int"),
    Column("floor_r", "float", 3),
)


class CooccurrenceCollector:
    """Counts in how many frames each two action units are present together; memory grows with people alone.

    aus: those of the predictions. by_person: see AuSummary.
    """

    def __init__(self, aus: Sequence[int], by_person: bool) -> None:
        self.aus, self.by_person = tuple(aus), by_person
        self._frames: dict[int, int] = {}
        self._both: dict[int, np.ndarray] = {}  # (A, A) frames

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            person, present = face.face_id if self.by_person else ALL_FACES, prediction.au_present.astype(np.int64)
            self._frames[person] = self._frames.get(person, 0) + 1
            self._both[person] = self._both.get(person, 0) + np.outer(present, present)

    def rows(self) -> Iterator[Row]:
        """In the order of COOCCURRENCE_COLUMNS, by person and pair."""
        one, other = np.triu_indices(len(self.aus), 1)
        for person in sorted(self._frames):
            both, frames = self._both[person][one, other], np.full(len(one), self._frames[person])
            first, second = (np.diag(self._both[person])[place] for place in (one, other))
            columns = (frames, both, first - both, second - both, phi(frames, first, second, both))
            name = "all" if person == ALL_FACES else str(person)
            for k, cells in enumerate(zip(*columns, jaccard(first, second, both), strict=True)):
                yield [name, au_label(self.aus[one[k]]), au_label(self.aus[other[k]]), *(c.item() for c in cells)]


class SynchronyCollector:
    """Keeps the course of every person's intensities over a video, 4 bytes per action unit and face.

    aus: those of the predictions, whose probability stands in where they have no intensity.
    """

    def __init__(self, aus: Sequence[int]) -> None:
        self.aus = tuple(aus)
        self._times_s = array("d")
        self._frames: dict[int, array[int]] = {}  # in which a person was seen
        self._values: dict[int, array[float]] = {}

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            known = np.isfinite(prediction.au_intensity)
            strength = np.where(known, prediction.au_intensity, prediction.au_prob).astype(np.float32)
            self._frames.setdefault(face.face_id, array("q")).append(len(self._times_s))
            self._values.setdefault(face.face_id, array("f")).frombytes(strength.tobytes())
        self._times_s.append(result.frame.time_s)

    def rows(self) -> Iterator[Row]:
        """In the order of SYNCHRONY_COLUMNS, by pair of people and action unit; pairs that say something alone."""
        if len(self._times_s) < 2:
            return
        places, step_s = _even_places(np.asarray(self._times_s))
        least = LEAST_COMMON_S / step_s
        for one, other in combinations(self._long_enough(least), 2):
            if len(np.intersect1d(self._frames[one], self._frames[other])) < least:
                continue
            courses = [self._course(person, places) for person in (one, other)]
            for place, au in enumerate(self.aus):
                told = synchrony(courses[0][:, place], courses[1][:, place], step_s)
                if told is not None:
                    numbers = (told.r, told.peak_r, told.lag_s, told.frames, told.floor_r)
                    yield [one, other, au_label(au), *numbers]

    def _long_enough(self, least: float) -> Iterable[int]:
        return sorted(person for person, frames in self._frames.items() if len(frames) >= least)

    def _course(self, person: int, places: np.ndarray) -> np.ndarray:
        """(T, A) at even times; NaN where the person is not seen."""
        course = np.full((int(places[-1]) + 1, len(self.aus)), np.nan)
        course[places[np.asarray(self._frames[person])]] = np.reshape(self._values[person], (-1, len(self.aus)))
        return course


def _even_places(times_s: np.ndarray) -> tuple[np.ndarray, float]:
    """The places of frames at even times, (T,) ascending, and the seconds between these.

    A gap that is longer than any lag is as long as that: nothing is compared across it.
    """
    steps_s = np.diff(times_s)
    step_s = float(np.median(steps_s[steps_s > 0])) if (steps_s > 0).any() else 1.0
    longest = round(2 * MOST_LAG_S / step_s) + 1
    steps = np.clip(np.rint(steps_s / step_s), 1, longest).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)]), step_s
