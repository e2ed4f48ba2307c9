"""Published occurrence rates beside those of the user's data, for the terminal and as Markdown, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from actionunits.aus import au_label
from actionunits.evaluation.differences import differences_of_rates
from actionunits.evaluation.published import PublishedTable
from actionunits.evaluation.rates import occurrence_rates
from actionunits.evaluation.result_rows import names_of
from actionunits.reports.reproduction import (
    Line,
    Section,
    heading,
    number,
    printed,
    render_sections,
    sections_to_markdown,
)


@dataclass(frozen=True)
class Rates:
    """Occurrence rates of the user's data, ready to be shown beside a published table."""

    table: PublishedTable
    data: str
    rates: pd.Series  # 0-1 by label
    repeated: pd.Series  # likewise, with frames of scarce AUs shown 4 to 7 times
    differences: tuple[str, ...]

    def section(self) -> Section:
        """The paper's rates beside those of the data, one line per action unit."""
        lines = []
        for k, au in enumerate(self.table.aus):
            ours = [number(rates.get(au_label(au)), self.table.unit) for rates in (self.rates, self.repeated)]
            cells = (*(printed(row.values[k], row.unit) for row in self.table.rows), *ours)
            lines.append(Line(au_label(au), cells))
        unit = "%" if self.table.unit == "percent" else self.table.unit
        columns = (*(f"paper: {row.method}" for row in self.table.rows), f"ours: {self.data}", "ours: repeated")
        return Section(f"Occurrence rate, {unit}", columns, tuple(lines))

    def to_terminal(self) -> RenderableType:
        """Everything about the rates, for a terminal."""
        listed = "\n".join(f"- {line}" for line in self.differences)
        about = (Text("What differs from the paper", style="bold"), Text(listed)) if self.differences else ()
        return Group(Text(heading(self.table)), render_sections([self.section()]), *about)

    def to_markdown(self) -> str:
        """Everything about the rates, as a page."""
        listed = "\n".join(f"- {line}" for line in self.differences) or "- nothing that was looked at"
        page = f"# {self.table.key}\n\n{heading(self.table)}\n\n{sections_to_markdown([self.section()], 2)}\n"
        return f"{page}## What differs from the paper\n\n{listed}\n"


def rates_of(published: PublishedTable, folders: Sequence[Path]) -> Rates:
    """Occurrence rates of the folders for a table of rates. Raises UserError where they code none of its AUs."""
    rates, repeated = (occurrence_rates(published, folders, repeated) for repeated in (False, True))
    told = differences_of_rates(published, folders, list(rates.index))
    return Rates(published, names_of(folders), rates, repeated, tuple(told))
