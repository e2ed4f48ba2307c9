"""The files about all inputs of a run: summaries, people, what failed, and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionunits.detection.inputs import Input
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.run import Outcome
from actionunits.detection.same_people import COLUMNS as PEOPLE_COLUMNS
from actionunits.detection.same_people import FILE as PEOPLE
from actionunits.detection.same_people import people_over
from actionunits.errors import UserError
from actionunits.reports.outcomes import FAILURES, NOT_BEGUN, write_failures
from actionunits.reports.summary import FILES as SUMMARIES
from actionunits.reports.summary import RELATION_FILES, write_summaries
from actionunits.reports.tables import TABLE_SUFFIXES, write_csv

REPORT = "report.html"


@dataclass(frozen=True)
class RunFiles:
    """Where they go, in the folder of the results; those that are not asked for are None."""

    summaries: Sequence[Path]
    people: Path | None
    failures: Path | None
    report: Path | None

    @classmethod
    def of(
        cls, inputs: Sequence[Input], out: Path, options: AnalysisOptions, report: bool = False, whole: bool = True
    ) -> RunFiles:
        """Those of a run over these inputs.

        whole: these are all inputs; else there is nothing about all of them. Raises UserError where an input has the
        name of one of the files.
        """
        folder = out.parent if out.suffix in TABLE_SUFFIXES and not out.is_dir() else out
        summaries = (*SUMMARIES, *RELATION_FILES * options.relations) if options.episodes and whole else ()
        files = cls(
            [folder / name for name in summaries],
            folder / PEOPLE if options.same_people else None,
            folder / FAILURES if len(inputs) > 1 and whole else None,
            folder / REPORT if report else None,
        )
        for entry in inputs:
            if entry.paths.table in (*files.summaries, files.people, files.failures):
                raise UserError(
                    f"the table of {entry.source} would be {entry.paths.table}, which is that of all inputs; "
                    "rename the input"
                )
        return files

    def write(self, inputs: Sequence[Input], outcomes: Mapping[str, Outcome], command: str | None) -> list[Path]:
        """Write them and return those that were written.

        outcomes: by input, of those that came to their end. command: the words of the call, for the report.
        """
        ended = {entry.source: outcomes[entry.source] for entry in inputs if entry.source in outcomes}
        written = []
        if self.failures is not None and write_failures(self.failures, ended):
            written.append(self.failures)
        cards = {source: outcome.card for source, outcome in ended.items() if outcome.card is not None}
        if not cards:
            return written
        person_of = None
        if self.people is not None:
            named = people_over(list(cards.values()))
            write_csv(self.people, PEOPLE_COLUMNS, (each.row() for each in named))
            person_of = {(each.file, str(each.face_id)): each.person for each in named}
        if self.summaries:
            write_summaries(self.summaries, list(cards.values()), person_of)
        if self.report is not None:
            from actionunits.reports.html_report import ReportedInput, write_report

            without = [entry.source for entry in inputs if entry.source not in cards]
            reasons = {source: str(ended[source].error) if source in ended else NOT_BEGUN for source in without}
            write_report(self.report, [ReportedInput.of_card(card) for card in cards.values()], reasons, command)
        return [*written, *self.summaries, *(file for file in (self.people, self.report) if file is not None)]
