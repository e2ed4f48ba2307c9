"""What was seen, in a table for the terminal: the action units of a photograph's faces, or of a video's people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from rich.text import Text

from actionunits.aus import AUS, au_label
from actionunits.errors import one_line
from actionunits.reports.number_text import intensity_text, people_word
from actionunits.types import FrameResult, Prediction

MAX_PEOPLE = 6
ALL_FACES = -1


@dataclass(frozen=True)
class Statistics:
    """Of one person: each AU's share of frames, and its intensity, (A,) float; NaN where it is unknown."""

    frames: int
    rate: np.ndarray  # share of the frames with the AU present
    mean: np.ndarray  # intensity 0-5 over all frames
    mean_present: np.ndarray  # over the frames with the AU present
    highest: np.ndarray


class AuSummary:
    """Gathers results as they pass by; memory grows with the number of people alone.

    by_person: `face_id` means a person; if not, as in a folder of photographs, all faces are counted together.
    """

    def __init__(self, aus: Sequence[int], by_person: bool = True) -> None:
        self.aus, self.by_person = tuple(aus), by_person
        self.frames = 0
        self.frames_with_face = 0
        self._frames_of: dict[int, int] = {}
        self._present: dict[int, np.ndarray] = {}  # (A,) frames with the AU present
        self._highest: dict[int, np.ndarray] = {}  # (A,) intensity
        self._total: dict[int, np.ndarray] = {}  # (A,) sum of the intensity over the frames with the AU present
        self._rated: dict[int, np.ndarray] = {}  # (A,) those of them whose intensity is known
        self._total_all: dict[int, np.ndarray] = {}  # (A,) the same two over all frames
        self._rated_all: dict[int, np.ndarray] = {}
        self._last: dict[int, Prediction] = {}

    @property
    def people(self) -> list[int]:
        """The different `face_id`s seen, ascending; empty where they mean no person."""
        return sorted(self._frames_of) if self.by_person else []

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        self.frames += 1
        self.frames_with_face += bool(result.faces)
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            person, none = face.face_id if self.by_person else ALL_FACES, np.zeros(len(self.aus))
            present, intensity = prediction.au_present, prediction.au_intensity
            known = np.isfinite(intensity)
            rated = present & known
            self._frames_of[person] = self._frames_of.get(person, 0) + 1
            self._present[person] = self._present.get(person, none) + present
            self._total[person] = self._total.get(person, none) + np.where(rated, intensity, 0)
            self._rated[person] = self._rated.get(person, none) + rated
            self._total_all[person] = self._total_all.get(person, none) + np.where(known, intensity, 0)
            self._rated_all[person] = self._rated_all.get(person, none) + known
            self._highest[person] = np.fmax(self._highest.get(person, none + np.nan), intensity)
            self._last[person] = prediction

    def statistics(self, person: int) -> Statistics:
        """How often and how strongly each AU was seen in a person (or ALL_FACES)."""
        frames, none = self._frames_of.get(person, 0), np.zeros(len(self.aus))
        unknown = none + np.nan
        return Statistics(
            frames,
            _quotient(self._present.get(person, none), none + frames),
            _quotient(self._total_all.get(person, none), self._rated_all.get(person, none)),
            _quotient(self._total.get(person, none), self._rated.get(person, none)),
            self._highest.get(person, unknown),
        )

    def photo_table(self, title: str) -> Table:
        """The faces of one photograph from left to right, with the AUs present in each, strongest first."""
        columns = ("face", "AU", "name", "probability", "intensity")
        table = Table(*columns, title=Text(one_line(title)), title_justify="left")
        for person, prediction in self._shown(self._last):
            order = np.argsort(-prediction.au_prob, kind="stable")
            rows = [i for i in order if prediction.au_present[i]]
            for k, i in enumerate(rows):
                table.add_row(
                    str(person) if k == 0 else "",
                    *_au_cells(self.aus[i]),
                    f"{prediction.au_prob[i]:.2f}",
                    _intensity_text(prediction.au_intensity[i]),
                    end_section=k == len(rows) - 1,
                )
            if not rows:
                table.add_row(str(person), "none", "", "", "", end_section=True)
        return table

    def video_table(self, title: str) -> Table:
        """The people of a video, and how often and how strongly each AU was seen in them."""
        columns = ("face", "frames", "AU", "name", "present", "mean while present", "highest")
        table = Table(*columns, title=Text(one_line(title)), title_justify="left")
        for person, frames in self._shown(self._frames_of):
            seen = self.statistics(person)
            rows = [i for i in np.argsort(-seen.rate, kind="stable") if seen.rate[i]]
            for k, i in enumerate(rows):
                table.add_row(
                    *((_who(person), str(frames)) if k == 0 else ("", "")),
                    *_au_cells(self.aus[i]),
                    f"{seen.rate[i]:.0%}",
                    _intensity_text(seen.mean_present[i]),
                    _intensity_text(seen.highest[i]),
                    end_section=k == len(rows) - 1,
                )
            if not rows:
                table.add_row(_who(person), str(frames), "none", "", "", "", "", end_section=True)
        if left_out := len(self.people[MAX_PEOPLE:]):
            table.caption = f"In the file: {left_out} more {people_word(left_out)}, seen in fewer frames"
        return table

    def _shown(self, of_people: dict) -> list[tuple]:
        """Items of the people seen most, in the order of their numbers."""
        most = sorted(self._frames_of, key=lambda person: -self._frames_of[person])[:MAX_PEOPLE]
        return [(person, of_people[person]) for person in sorted(most)]


def _quotient(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _who(person: int) -> str:
    return "all" if person == ALL_FACES else str(person)


def _au_cells(au: int) -> tuple[str, str]:
    return au_label(au), AUS[au].name


def _intensity_text(intensity: float) -> str:
    """Number and FACS letter, for instance `3.1 C`; a dash where it is unknown."""
    return intensity_text(float(intensity)) if np.isfinite(intensity) else "-"
