"""The summary of a run: a row per input, person and action unit, long and wide, and the episodes of all inputs.

Rates and intensities are those of the frames that can be used (`Face.is_usable`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.aus import au_label
from actionunits.files import valid_text
from actionunits.reports.au_relations import (
    COOCCURRENCE_COLUMNS,
    SYNCHRONY_COLUMNS,
    CooccurrenceCollector,
    SynchronyCollector,
)
from actionunits.reports.au_summary import ALL_FACES, AuSummary
from actionunits.reports.episodes import COLUMNS as EPISODE_COLUMNS
from actionunits.reports.episodes import Episode, EpisodeCollector
from actionunits.reports.schemas import Column, Row
from actionunits.reports.tables import read_csv, write_csv
from actionunits.types import FrameResult

OF_PERSON = (Column("face_id", "text"), Column("frames", "int"), Column("usable_share", "float", 4))
OF_AU = (
    Column("rate", "float", 4),
    Column("mean", "float", 3),
    Column("mean_present", "float", 3),
    Column("maximum", "float", 3),
    Column("episodes", "int"),
    Column("mean_episode_s", "float", 3),
)
FILE, AU = Column("file", "text"), Column("au", "text")
SUMMARY_TABLE = (FILE, *OF_PERSON, AU, *OF_AU)
EPISODE_TABLE = (FILE, *EPISODE_COLUMNS)
FILES = ("summary.csv", "summary.wide.csv", "episodes.csv")
RELATION_FILES = ("cooccurrence.csv", "synchrony.csv")
PERSON = Column("person", "int")  # behind the `face_id`, where people have a number over all inputs
Summary = list[dict[str, Any]]  # as the run card holds it


def only_usable(result: FrameResult) -> FrameResult:
    """The same frame with the faces that can be used."""
    kept = [pair for pair in zip(result.faces, result.predictions, strict=True) if pair[0].is_usable]
    return replace(result, faces=[face for face, _ in kept], predictions=[prediction for _, prediction in kept])


class SummaryCollector:
    """Gathers what there is to say of an input in all: of all its frames, of those that can be used, its episodes.

    by_person: see AuSummary. has_time: frames follow each other. relations: also what goes together.
    """

    def __init__(self, aus: Sequence[int], by_person: bool, has_time: bool, relations: bool = False) -> None:
        self.seen, self._usable = AuSummary(aus, by_person), AuSummary(aus, by_person)
        self._episodes = EpisodeCollector(aus) if has_time else None
        self.cooccurrence = CooccurrenceCollector(aus, by_person) if relations else None
        self.synchrony = SynchronyCollector(aus) if relations and has_time else None
        self._quality: Counter[str] = Counter()

    @classmethod
    def of_kind(cls, kind: str, aus: Sequence[int], relations: bool = False) -> SummaryCollector:
        """That of an "image", "images" or "video"."""
        return cls(aus, by_person=kind != "images", has_time=kind == "video", relations=relations)

    def add(self, result: FrameResult) -> None:
        """Take note of one frame."""
        self.seen.add(result)
        self._quality.update(word for face in result.faces for word in face.quality)
        usable = only_usable(result)
        for collector in (self._usable, self._episodes, self.cooccurrence, self.synchrony):
            if collector is not None:
                collector.add(usable)

    def episodes(self) -> list[Episode] | None:
        """The episodes so far, ended; None where there is no time."""
        return None if self._episodes is None else self._episodes.episodes()

    def fields(self) -> dict[str, Any]:
        """Of the run card."""
        return {
            "frames_with_face": self.seen.frames_with_face,
            "frames_usable": self._usable.frames_with_face,
            "quality": dict(self._quality.most_common()),
            "people": len(self.seen.people) if self.seen.by_person else None,
            "summary": summarise(self.seen, self._usable, self.episodes()),
        }


def summarise(seen: AuSummary, usable: AuSummary, episodes: Sequence[Episode] | None) -> Summary:
    """One entry per person, with the numbers of each AU under its label.

    seen, usable: of all frames, and of those that can be used. episodes: None where there is no time.
    """
    lengths: dict[tuple[int, int], list[float]] = {}
    for episode in episodes or ():
        lengths.setdefault((episode.face_id, episode.au), []).append(episode.offset_s - episode.onset_s)
    entries = []
    for person in seen.people if seen.by_person else [ALL_FACES] * bool(seen.frames_with_face):
        frames, told = seen.statistics(person).frames, usable.statistics(person)
        entry: dict[str, Any] = {
            "face_id": "all" if person == ALL_FACES else str(person),
            "frames": frames,
            "usable_share": told.frames / frames,
        }
        for place, au in enumerate(seen.aus):
            values = (told.rate[place], told.mean[place], told.mean_present[place], told.highest[place])
            lasted = lengths.get((person, au), [])
            cells = [
                *(float(value) if np.isfinite(value) else None for value in values),
                None if episodes is None else len(lasted),
                float(np.mean(lasted)) if lasted else None,
            ]
            entry[au_label(au)] = dict(zip((column.name for column in OF_AU), cells, strict=True))
        entries.append(entry)
    return entries


def write_summaries(
    files: Sequence[Path],
    cards: Sequence[Mapping[str, Any]],
    person_of: Mapping[tuple[str, str], int] | None = None,
) -> None:
    """Write the tables over a run, from the run cards of its inputs; files: in the order of FILES, then, where they
    are wanted, of RELATION_FILES.

    person_of: the number of a person over all inputs, by input and `face_id`. An input without a face has no row.
    Raises UserError where a file cannot be written.
    """
    long, wide, *by_input = files
    who = OF_PERSON if person_of is None else (OF_PERSON[0], PERSON, *OF_PERSON[1:])
    people = []
    for card in cards:
        for entry in card["summary"]:
            source = valid_text(card["input"])
            people.append((source, entry | {PERSON.name: (person_of or {}).get((source, entry["face_id"]))}))
    labels = sorted({label for _, entry in people for label in _labels(entry)})
    write_csv(long, (FILE, *who, AU, *OF_AU), long_rows(people, who))
    wide_columns = [Column(f"{label}_{each.name}", each.kind, each.decimals) for label in labels for each in OF_AU]
    write_csv(wide, (FILE, *who, *wide_columns), _wide_rows(people, who, labels))
    columns_of = {
        "episodes": EPISODE_COLUMNS,
        "cooccurrence": COOCCURRENCE_COLUMNS,
        "synchrony": SYNCHRONY_COLUMNS,
    }
    for file, (field, columns) in zip(by_input, columns_of.items(), strict=False):
        write_csv(file, (FILE, *columns), _rows_of_inputs(cards, field, columns))


def _labels(entry: Mapping[str, Any]) -> list[str]:
    return [name for name, value in entry.items() if isinstance(value, dict)]


def long_rows(people: Iterable[tuple[str, Mapping[str, Any]]], who: Sequence[Column] = OF_PERSON) -> Iterable[Row]:
    """The rows of `summary.csv` from the name of each input and its entries of `summarise`.

    who: columns of people.
    """
    for file, entry in people:
        for label in _labels(entry):
            yield [file, *_cells_of(entry, who), label, *_cells_of(entry[label], OF_AU)]


def _wide_rows(
    people: Iterable[tuple[str, Mapping[str, Any]]], who: Sequence[Column], labels: Sequence[str]
) -> Iterable[Row]:
    for file, entry in people:
        cells = (cell for label in labels for cell in _cells_of(entry.get(label, {}), OF_AU))
        yield [file, *_cells_of(entry, who), *cells]


def _cells_of(entry: Mapping[str, Any], columns: Sequence[Column]) -> Row:
    return [entry.get(column.name) for column in columns]


def _rows_of_inputs(cards: Iterable[Mapping[str, Any]], field: str, columns: Sequence[Column]) -> Iterable[Row]:
    """Those of the inputs that have a file of this kind, as that holds them."""
    for card in cards:
        for row in read_csv(Path(card[field]), columns) if card[field] else ():
            yield [valid_text(card["input"]), *row]
