"""What `reproduce` would do: the rows of a table, folds, settings, and how long it takes; also in lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actionunits.configs import read_sources
from actionunits.evaluation import questions
from actionunits.evaluation.cost import GPU_FLOPS, training_hours
from actionunits.evaluation.divisions import Fold, Protocol
from actionunits.evaluation.plan import config_file
from actionunits.evaluation.published import PublishedTable, table
from actionunits.evaluation.reproduction import Planned, planned
from actionunits.evaluation.result_rows import Request
from actionunits.reports.reproduction import heading


@dataclass(frozen=True)
class SystemPlan:
    """What would be trained and tested of one system."""

    item: Planned
    stands_for: str  # the printed rows, in words
    protocol: Protocol
    hours: tuple[float, ...]  # of one GPU, for each of `trainings`
    config: Path  # file of its settings

    @property
    def system(self) -> str:
        """Its name, and the settings that set its row apart."""
        return ", ".join((self.item.run.model, *self.item.run.words))

    @property
    def trainings(self) -> list[Fold]:
        """What is trained; on features that stay, only their source is."""
        source = [self.protocol.source] if self.protocol.source else []
        return source if self.protocol.name in questions.FITTED else [*source, *self.protocol.folds]

    def settings(self) -> Iterator[tuple[str, Any, str]]:
        """Name, value, and where it comes from, of every setting of its file."""
        values = {n: v for part in vars(self.item.settings).values() for n, v in dataclasses.asdict(part).items()}
        yield from ((name, values[name], why) for name, why in read_sources(self.config).items())


def plan_of(key: str, request: Request) -> Iterator[SystemPlan]:
    """The plan of a table, system by system; trains nothing.

    Raises UserError where the data or a setting does not allow it.
    """
    published = table(key)
    for item in planned(key, request):
        protocol = questions.load_protocol(item.question, item.settings)
        path = config_file(item.run.key, published, request.scale)
        plan = SystemPlan(item, _rows(item, published), protocol, (), path)
        hours = training_hours(item.run.key, item.settings, [fold.training for fold in plan.trainings])
        yield dataclasses.replace(plan, hours=tuple(hours))


def plan_lines(key: str, request: Request) -> Iterator[str]:
    """`plan_of` in lines."""
    yield heading(table(key))
    total = 0.0
    for plan in plan_of(key, request):
        yield ""
        yield f"{plan.system}: {plan.stands_for}"
        yield f"  {plan.protocol.name}, {plan.protocol.division}"
        for fold, hours in zip(plan.trainings, plan.hours, strict=True):
            yield f"  {_people(fold)}; {gpu_time(hours)}"
        total += sum(plan.hours)
        yield f"  settings of {plan.config.name}:"
        yield from (f"    {name}: {value}  ({why})" for name, value, why in plan.settings())
    yield ""
    yield (
        f"all of it: {gpu_time(total)}, by {GPU_FLOPS:.0e} operations a second, all epochs and no loading of data; "
        "early stopping ends it sooner, another variant of a recipe goes on from the one before"
    )


def _rows(item: Planned, published: PublishedTable) -> str:
    """The printed rows that the system stands for, in words."""
    rows = [
        row for row in published.rows if row.model == item.run.model and (row.settings or {}) == item.run.settings
    ]
    words = dict.fromkeys(", ".join(filter(None, (row.method, row.setting, row.protocol))) for row in rows)
    return "; ".join(words) or "no row of the table"


def _people(fold: Fold) -> str:
    test = f", {len(fold.test.present_subjects)} people to test" if fold.test is not None else ""
    people = f"{len(fold.training.present_subjects)} people to train ({len(fold.training)} frames)"
    return f"fold {fold.name}: {people}, {len(fold.validation.present_subjects)} to tune{test}"


def gpu_time(hours: float) -> str:
    """About how long one GPU takes, in words."""
    if hours < 1:
        return f"about {max(1, round(60 * hours))} min of one GPU"
    return f"about {hours:.0f} h of one GPU"
