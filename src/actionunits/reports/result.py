"""Results of one input that show, summarise and draw themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from actionunits.aus import AUS, au_label
from actionunits.errors import extras_explained, one_line
from actionunits.reports.au_relations import (
    COOCCURRENCE_COLUMNS,
    SYNCHRONY_COLUMNS,
    CooccurrenceCollector,
    SynchronyCollector,
)
from actionunits.reports.au_summary import ALL_FACES
from actionunits.reports.number_text import intensity_text, people_word, percent
from actionunits.reports.schemas import Column, make_schema
from actionunits.reports.summary import EPISODE_TABLE, FILE, SUMMARY_TABLE, Summary, SummaryCollector, long_rows
from actionunits.reports.tables import rows_to_dataframe, to_dataframe
from actionunits.types import FrameResult

if TYPE_CHECKING:  # a result can be had without them
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_PEOPLE, SHOWN_AUS = 3, 6  # in a notebook


@dataclass(frozen=True, repr=False, eq=False)
class AuResult:
    """What is known of the faces of one input, frame by frame.

    name: of the input. frames: one per frame, in order; their pictures have a shape and no content. aus: those of
    every prediction. kind: "image", "images" (several, that have nothing to do with each other) or "video".
    """

    name: str
    frames: list[FrameResult]
    aus: tuple[int, ...]
    kind: str

    @property
    def people(self) -> list[int]:
        """The `face_id`s seen, ascending; empty for several photographs, where they mean no person."""
        return self._collected.seen.people

    def summary(self) -> pd.DataFrame:
        """A row for each person and action unit, with the columns of `summary.csv`.

        Rates (shares of frames, 0-1) and intensities (0-5) are of the frames that can be used; docs/detect.md
        explains the columns. Raises UserError without pandas.

        Examples:
            >>> import actionunits as au
            >>> summary = au.detect("clip.mp4").summary()
            >>> blink = summary[summary["au"] == "AU45"].iloc[0]
            >>> print(f"{blink['episodes']} blink, in {blink['rate']:.0%} of {blink['frames']} frames")
            1 blink, in 20% of 25 frames
        """
        return rows_to_dataframe(SUMMARY_TABLE, long_rows([(self.name, entry) for entry in self._summary]))

    def episodes(self) -> pd.DataFrame:
        """A row for each stretch of frames with an action unit present, with the columns of `episodes.csv`.

        Times are in seconds, peaks are intensities 0-5. Photographs have no episodes: their table is empty. Raises
        UserError without pandas.

        Examples:
            >>> import actionunits as au
            >>> au.detect("clip.mp4").episodes().query("au == 'AU45'")[["onset_s", "offset_s"]].to_dict("records")
            [{'onset_s': 0.4, 'offset_s': 0.6}]
        """
        found = self._collected.episodes() or []
        return rows_to_dataframe(EPISODE_TABLE, ([self.name, *episode.row()] for episode in found))

    def cooccurrence(self) -> pd.DataFrame:
        """A row for each person and pair of action units, with the columns of `cooccurrence.csv`.

        Counts are of the frames that can be used. Raises UserError without pandas.

        Examples:
            >>> import actionunits as au
            >>> pairs = au.detect("clip.mp4", aus=[1, 17]).cooccurrence()
            >>> pairs[["au", "other_au", "frames", "both"]].to_dict("records")
            [{'au': 'AU01', 'other_au': 'AU17', 'frames': 25, 'both': 15}]
        """
        return self._relations(COOCCURRENCE_COLUMNS, self._collected.cooccurrence)

    def synchrony(self) -> pd.DataFrame:
        """A row for each pair of people and action unit, with the columns of `synchrony.csv`.

        Empty for photographs, and for people who are not seen together for 10 seconds. Raises UserError without
        pandas.
        """
        return self._relations(SYNCHRONY_COLUMNS, self._collected.synchrony)

    def _relations(
        self, columns: Sequence[Column], collector: CooccurrenceCollector | SynchronyCollector | None
    ) -> pd.DataFrame:
        rows = () if collector is None else collector.rows()
        return rows_to_dataframe((FILE, *columns), ([self.name, *row] for row in rows))

    def plot(
        self,
        ax: Axes | None = None,
        *,
        aus: Sequence[int] | None = None,
        face_id: int | None = None,
        title: str | None = None,
    ) -> Figure:
        """Draw the timeline: a lane for each action unit, shaded by intensity, and blank where no face is seen.

        One photograph has bars instead, and several are numbered from left to right.

        Parameters:
            ax: axes to draw into, for one person: the one seen longest unless `face_id` names another. Without it a
                new figure has a panel for each of at most six people.
            aus: numbers of the action units to draw; all unless given.
            face_id: draw this person alone.
            title: the name of the input unless given.

        Returns:
            The matplotlib Figure, which a notebook shows; `savefig` writes it.

        Raises:
            UserError: where there is nothing to draw, no such person or action unit, and without matplotlib.

        Examples:
            >>> import actionunits as au
            >>> figure = au.detect("clip.mp4").plot(aus=[1, 6, 45])
            >>> figure.savefig("clip.pdf")
        """
        with extras_explained():
            from actionunits.reports.photo_bars import bars_figure, draw_bars
            from actionunits.reports.timeline import draw_lanes, timeline_figure

            chosen: dict[str, Any] = {"aus": aus, "face_id": face_id}
            if ax is None:
                draw_all = bars_figure if self.kind == "image" else timeline_figure
                return draw_all(self._plain_table, title=title or one_line(self.name), **chosen)
            (draw_bars if self.kind == "image" else draw_lanes)(ax, self._plain_table, **chosen)
            if title is not None:
                ax.set_title(title, loc="left")
            return ax.figure.figure

    @cached_property
    def _collected(self) -> SummaryCollector:
        collector = SummaryCollector.of_kind(self.kind, self.aus, relations=True)
        for frame in self.frames:
            collector.add(frame)
        return collector

    @cached_property
    def _summary(self) -> Summary:
        return self._collected.fields()["summary"]

    @cached_property
    def _plain_table(self) -> pd.DataFrame:
        """The columns that pictures are drawn from, whatever the result's own are."""
        schema = make_schema("openface", self.aus, self.kind, pose=False, landmarks=False, all_openface_aus=False)
        return to_dataframe(self.frames, schema)

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self._counts()})"

    def _counts(self) -> str:
        seen, frames = self._collected.seen, len(self.frames)
        word = {"image": "photograph", "images": "photographs"}.get(self.kind, "frame" if frames == 1 else "frames")
        faces = sum(len(frame.faces) for frame in self.frames)
        whom = f"{faces} {'face' if faces == 1 else 'faces'}"
        if self.kind == "video":
            people = len(seen.people)
            whom = f"{seen.frames_with_face} with a face, {people} {people_word(people)}"
        return f"{frames} {word}, {whom}"

    def _repr_html_(self) -> str:
        """What a notebook shows: the counts, and each person's strongest action units."""
        parts = [f"<b>{escape(one_line(self.name))}</b>: {self._counts()}"]
        shown = [ALL_FACES] if self.kind == "images" else self.people
        parts += [self._person_html(person) for person in shown[:SHOWN_PEOPLE]]
        if left_out := len(shown[SHOWN_PEOPLE:]):
            parts.append(f"{left_out} more {people_word(left_out)}")
        return f"<div>{''.join(f'<div>{part}</div>' for part in parts)}</div>"

    def _person_html(self, person: int) -> str:
        seen = self._collected.seen.statistics(person)
        strength = np.nan_to_num(np.where(np.isfinite(seen.mean_present), seen.mean_present, 0)) * seen.rate
        order = [i for i in np.argsort(-strength, kind="stable") if seen.rate[i] > 0][:SHOWN_AUS]
        rows = "".join(self._au_html(i, seen) for i in order) or "<tr><td>no action unit present</td></tr>"
        whose = "all faces" if person == ALL_FACES else f"face {person}"
        return f'<table><caption style="text-align:left">{whose}</caption>{rows}</table>'

    def _au_html(self, i: int, seen: Any) -> str:
        mean, rate = float(seen.mean_present[i]), float(seen.rate[i])
        width = round(100 * (mean / 5 if np.isfinite(mean) else rate))
        bar = f'<div style="background:#0072b2;height:8px;width:{width}px"></div>'
        strength = intensity_text(mean) if np.isfinite(mean) else ""
        often = "" if self.kind == "image" else f"{percent(rate)} of frames"
        cells = (au_label(self.aus[i]), AUS[self.aus[i]].name, strength, bar, often)
        return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"
