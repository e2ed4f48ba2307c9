"""Episodes: from when to when an action unit was present in a person's face, and when it was strongest.

Results come without the faces that cannot be used. A person who is not seen for up to GAP_S seconds is taken to have
gone on as before; after a longer time what is open ends with the last frame that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.aus import au_label
from actionunits.reports.schemas import Column, Row
from actionunits.reports.tables import read_csv
from actionunits.types import FrameResult

GAP_S = 0.5
COLUMNS = (
    Column("face_id", "int"),
    Column("au", "text"),
    Column("onset_s", "double", 3),
    Column("apex_s", "double", 3),
    Column("offset_s", "double", 3),
    Column("peak", "float", 2),
    Column("complete", "int"),
)


@dataclass
class Episode:
    """One stretch of frames with an AU present, in seconds of the video."""

    face_id: int
    au: int
    onset_s: float  # of the first frame with it
    apex_s: float  # when it was strongest
    offset_s: float  # of the first frame without it, or where there is none, the last with it
    peak: float  # intensity at the apex, 0-5; NaN where the model has none
    complete: bool = True  # both ends were seen

    def row(self) -> Row:
        """In the order of COLUMNS."""
        times = (self.onset_s, self.apex_s, self.offset_s)
        return [self.face_id, au_label(self.au), *times, self.peak, int(self.complete)]


def read_episodes(path: Path) -> list[Episode]:
    """Those that a table of them holds. Raises UserError where it cannot be read."""
    rows: Iterator[list[Any]] = read_csv(path, COLUMNS)
    found = []
    for face_id, label, onset_s, apex_s, offset_s, peak, complete in rows:
        strength = float("nan") if peak is None else peak
        found.append(Episode(face_id, int(label[2:]), onset_s, apex_s, offset_s, strength, bool(complete)))
    return found


class _Person:
    """What is open in one face."""

    def __init__(self) -> None:
        self.frame = self.time_s = -np.inf  # when last seen
        self.open: dict[int, tuple[Episode, float]] = {}  # by place of the AU, with the height of its apex


class EpisodeCollector:
    """Gathers episodes as results pass by; memory grows with their number.

    aus: those of the predictions.
    """

    def __init__(self, aus: Sequence[int]) -> None:
        self.aus = tuple(aus)
        self._frames = 0
        self._people: dict[int, _Person] = {}
        self._ended: list[Episode] = []

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        self._frames += 1
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            person, time_s = self._people.setdefault(face.face_id, _Person()), result.frame.time_s
            # Where only some frames are analysed, neighbours may lie far apart.
            known = self._frames - person.frame <= 1 or time_s - person.time_s <= GAP_S
            if not known:
                self._lose(person)
            strength = np.where(np.isfinite(prediction.au_intensity), prediction.au_intensity, prediction.au_prob)
            for place, au in enumerate(self.aus):
                if not prediction.au_present[place]:
                    if place in person.open:
                        self._end(person, place, time_s)
                    continue
                peak, height = float(prediction.au_intensity[place]), float(strength[place])
                if place not in person.open:
                    episode = Episode(face.face_id, au, time_s, time_s, time_s, peak, known)
                    person.open[place] = episode, height
                elif height > person.open[place][1]:
                    episode = person.open[place][0]
                    episode.apex_s, episode.peak = time_s, peak
                    person.open[place] = episode, height
            person.frame, person.time_s = self._frames, time_s

    def episodes(self) -> list[Episode]:
        """All of them, by person, AU and time; ends what is open."""
        for person in self._people.values():
            self._lose(person)
        return sorted(self._ended, key=lambda episode: (episode.face_id, episode.au, episode.onset_s))

    def _lose(self, person: _Person) -> None:
        for place in list(person.open):
            person.open[place][0].complete = False
            self._end(person, place, person.time_s)

    def _end(self, person: _Person, place: int, offset_s: float) -> None:
        episode, _ = person.open.pop(place)
        episode.offset_s = offset_s
        self._ended.append(episode)
