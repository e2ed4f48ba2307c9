"""What `reproduce` would do, in lines: the rows of a table, folds, settings, and how long it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from actionunits.configs import read_sources
from actionunits.evaluation import questions
from actionunits.evaluation.cost import GPU_FLOPS, training_hours
from actionunits.evaluation.divisions import Fold, Protocol
from actionunits.evaluation.plan import config_file
from actionunits.evaluation.published import PublishedTable, table
from actionunits.evaluation.reproduction import Planned, planned
from actionunits.evaluation.result_rows import Request
from actionunits.reports.reproduction import heading


def plan_lines(key: str, request: Request) -> Iterator[str]:
    """The plan of a table. Raises UserError where the data or a setting does not allow it; trains nothing."""
    published = table(key)
    yield heading(published)
    total = 0.0
    for item in planned(key, request):
        protocol = questions.load_protocol(item.question, item.settings)
        yield ""
        yield f"{', '.join((item.run.model, *item.run.words))}: {_rows(item, published)}"
        yield f"  {protocol.name}, {protocol.division}"
        hours = 0.0
        for fold in _trained(protocol):
            own = training_hours(item.run.key, item.settings, fold.training)
            hours += own
            yield f"  {_people(fold)}; {_time(own)}"
        total += hours
        path = config_file(item.run.key, published, request.scale)
        yield f"  settings of {path.name}:"
        sources = read_sources(path)
        values = {n: v for part in vars(item.settings).values() for n, v in dataclasses.asdict(part).items()}
        yield from (f"    {name}: {values[name]}  ({why})" for name, why in sources.items())
    yield ""
    yield (
        f"all of it: {_time(total)}, by {GPU_FLOPS:.0e} operations a second, all epochs and no loading of data; "
        "early stopping ends it sooner, another variant of a recipe goes on from the one before"
    )


def _rows(item: Planned, published: PublishedTable) -> str:
    """The printed rows that the system stands for, in words."""
    rows = [
        row for row in published.rows if row.model == item.run.model and (row.settings or {}) == item.run.settings
    ]
    words = dict.fromkeys(", ".join(filter(None, (row.method, row.setting, row.protocol))) for row in rows)
    return "; ".join(words) or "no row of the table"


def _trained(protocol: Protocol) -> list[Fold]:
    """The trainings of a protocol; on features that stay, only their source is trained."""
    if protocol.name in questions.FITTED:
        return [protocol.source] if protocol.source else []
    return [*([protocol.source] if protocol.source else []), *protocol.folds]


def _people(fold: Fold) -> str:
    test = f", {len(fold.test.present_subjects)} people to test" if fold.test is not None else ""
    people = f"{len(fold.training.present_subjects)} people to train ({len(fold.training)} frames)"
    return f"fold {fold.name}: {people}, {len(fold.validation.present_subjects)} to tune{test}"


def _time(hours: float) -> str:
    if hours < 1:
        return f"about {max(1, round(60 * hours))} min of one GPU"
    return f"about {hours:.0f} h of one GPU"
