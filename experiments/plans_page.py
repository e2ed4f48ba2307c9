"""The page docs/plans.md, for `tables.py`: what `reproduce --scale paper` would do for every published table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from markdown_rows import rows_to_markdown

from actionunits.configs import FOLDER, read_sources
from actionunits.evaluation.cost import GPU_FLOPS
from actionunits.evaluation.published import published_tables
from actionunits.reports.plan import gpu_time
from actionunits.reports.reproduction import heading
from actionunits.training.settings import read_config_file

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
# Coded frames of each data set, by the papers: hybrid network, Sec. IV-A; RE-Net, Sec. 4.1; FORMATS of DISFA; TCAE,
# Sec. 4.1. No paper counts the frames of VoxCeleb that it used: a million stands in.
FRAMES = {"bp4d": 146_847, "bp4d+": 192_000, "disfa": 130_814, "gft": 132_600, "voxceleb": 1_000_000}

INTRODUCTION = """<!-- Written by experiments/tables.py from results/ and configs/; do not edit. -->
# What each table takes

What `actionunits reproduce TABLE --data DIR --scale paper --dry-run` plans for every published table: which printed
rows are trained, on which folds, with which settings, and how long one GPU computes. `python experiments/plans.py
--facekit FACEKIT` made it, on small trees of renders in the official layouts; on the real data the command prints the
same with that data's own people.

- **people** are those trained on, those who choose thresholds and epochs, and those tested, fold by fold.
- **GPU time** is for all trainings of the row on as many frames as the papers count: {frames}. It assumes {flops}
  operations a second, all epochs, and data that is there in time. Early stopping ends most trainings far sooner, and
  another variant of a recipe goes on from the one before.
- **settings** leads to the list of all values at the [end of the page](#settings).

Tables of rates need no training, and are not listed here. Nor are those that no command gives: RE-Net's speed and
EAC-Net's shifts, which define it.
"""

STARTED = """## Really started

One fold of each system with each file of settings was started on the CPU at the papers' scale: full networks and
pictures, and all settings but the number of pictures in a batch. Each took {steps} steps. A loss of a few steps says
only that the recipe runs; it says nothing about the outcome. `--start {steps}` of the same command repeats it.

"""

SETTINGS = """## Settings

One list for each file of `configs/`. **where from** names the section of the paper; *ours* marks what the paper
leaves open.
"""


def plans_page() -> str:
    """docs/plans.md."""
    plans = pd.read_csv(RESULTS / "plans.csv", keep_default_na=False)
    counted = ", ".join(f"{count:,} of {name}" for name, count in FRAMES.items())
    parts = [INTRODUCTION.format(frames=counted, flops=f"{GPU_FLOPS:.0e}")]
    for key, of_table in plans.groupby("table", sort=False):
        parts += [
            "",
            f"## {key}",
            "",
            heading(published_tables()[str(key)]).partition(": ")[2],
            "",
            table_of_plans(of_table),
        ]
    if (RESULTS / "plans_started.csv").is_file():
        started = pd.read_csv(RESULTS / "plans_started.csv", keep_default_na=False)
        parts += ["", STARTED.format(steps=started["steps"].max()) + started_table(started, plans)]
    parts += ["", SETTINGS]
    parts += [line for name in sorted(plans["config"].unique()) for line in settings_lines(FOLDER / name)]
    return "\n".join(parts)


def table_of_plans(plans: pd.DataFrame) -> str:
    """The systems of one published table, a row for each pair of training and test data."""
    rows = []
    by = ["trained", "tested", "system", "stands_for", "protocol", "division", "config"]
    for (trained, tested, system, stands_for, protocol, division, config), group in plans.groupby(by, sort=False):
        hours = sum(r.gpu_hours * _frames_of(r, trained, tested) / r.frames_in_all for r in group.itertuples())
        data = tested if trained == tested else f"{trained}, then {tested}"
        folds = group["folds"].iloc[0]
        rows.append(
            [
                system,
                stands_for,
                data,
                f"{protocol}: {division}" + (f" ({folds} folds)" if folds > 1 and str(folds) not in division else ""),
                "; ".join(dict.fromkeys(_people(r) for r in group.itertuples())),
                gpu_time(hours).removesuffix(" of one GPU"),
                f"[{config.removesuffix('.yaml')}](#{anchor(config)})",
            ]
        )
    header = ["system", "printed rows", "data", "protocol", "people", "GPU time", "settings"]
    return rows_to_markdown(header, rows)


def _frames_of(row: object, trained: str, tested: str) -> int:
    """Frames that a training of a plan would have in all: a source is trained on the other data."""
    return FRAMES[trained if row.fold == "source" or row.people_tested == 0 else tested]


def _people(row: object) -> str:
    tested = row.people_tested
    counts = [str(row.people_trained), str(row.people_tuned), *([str(tested)] if tested else [])]
    return " / ".join(counts)


def started_table(started: pd.DataFrame, plans: pd.DataFrame) -> str:
    """What was started, and for which tables it stands."""
    rows = []
    for r in started.itertuples():
        same = plans[(plans["system"] == r.system) & (plans["config"] == r.config)]
        tables = ", ".join(f"`{key}`" for key in same["table"].unique())
        rows.append(
            [
                r.system,
                r.config.removesuffix(".yaml"),
                tables,
                r.stage,
                r.picture_px,
                f"{r.parameters / 1e6:.1f}",
                r.batch,
                f"{r.first_loss:.4g}",
                f"{r.last_loss:.4g}",
            ]
        )
    header = ["system", "settings", "tables", "stage", "picture, px", "parameters, millions", "batch"]
    return rows_to_markdown([*header, "loss of the first step", "loss of the last step"], rows)


def settings_lines(path: Path) -> Iterator[str]:
    """The list of a file's settings."""
    values, sources = read_config_file(path), read_sources(path)
    yield f"### {path.stem}"
    yield ""
    yield rows_to_markdown(
        ["setting", "value", "where from"], ([f"`{name}`", values[name], why] for name, why in sources.items())
    )


def anchor(config: str) -> str:
    """Where the heading of a file's settings is found.

    >>> anchor("renet_bp4d+.yaml")
    'renet_bp4d'
    """
    return config.removesuffix(".yaml").replace("+", "")
