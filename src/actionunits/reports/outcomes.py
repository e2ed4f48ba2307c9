"""The last table of a run over several inputs: what became of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from actionunits.errors import one_line
from actionunits.reports.number_text import percent

NOT_BEGUN = "not begun"


class Outcome(Protocol):
    """See detection/run.py."""

    @property
    def card(self) -> dict[str, Any] | None: ...

    @property
    def status(self) -> str: ...


def outcomes_table(sources: Sequence[str], outcomes: Mapping[str, Outcome]) -> Table:
    """A row per input, named below the folder that all lie in: what became of it, frames, faces and people."""
    statuses = [outcomes[source].status if source in outcomes else NOT_BEGUN for source in sources]
    counts = ", ".join(f"{count} {status}" for status, count in Counter(statuses).items())
    table = Table(title=f"{len(sources)} inputs: {counts}", title_justify="left")
    table.add_column("input", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("frames", "with a face", "usable", "people"):
        table.add_column(heading, justify="right")
    for name, source, status in zip(_short(sources), sources, statuses, strict=True):
        card = outcomes[source].card if source in outcomes else None
        cells = [""] * 4
        if card is not None:
            frames = card["frames_written"]
            shares = [percent(card[name] / max(frames, 1)) for name in ("frames_with_face", "frames_usable")]
            cells = [str(frames), *shares, "" if card["people"] is None else str(card["people"])]
        table.add_row(Text(one_line(name)), Text(status), *cells)
    return table


def _short(sources: Sequence[str]) -> list[str]:
    """Names without the folder that all share."""
    folders = [os.path.split(source)[0] + os.sep for source in sources]
    common = os.path.commonprefix(folders)  # noqa: RUF071 - cut at a separator below
    length = common.rfind(os.sep) + 1
    return [source[length:] for source in sources]
