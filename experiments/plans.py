"""The plan of every published table at the papers' scale, and one fold of each really started.

    python experiments/plans.py --facekit FACEKIT [--out out/plans] [--start STEPS]

Renders small trees in the layouts of the licensed data sets and prepares them, unless they are there. Of each table,
and of each pair of test and training data in its rows, it then asks for the plan of `reproduce --scale paper
--dry-run` and writes it to results/plans.csv. With --start it also trains so many steps of the first fold of each
system with each file of settings on the CPU, with the papers' settings but for the number of pictures in a batch, and
writes results/plans_started.csv. The page docs/plans.md is made of both by experiments/tables.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from actionunits.errors import UserError
from actionunits.evaluation.plan import PROTOCOL_OF, scored_rows, systems_of
from actionunits.evaluation.published import PublishedTable, published_tables
from actionunits.evaluation.result_rows import Request
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.contract import Stage
from actionunits.reports.plan import SystemPlan, plan_of
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.labels import row_weight, with_label_rates, with_relations
from actionunits.training.loop import LOG_FILE, BatchSource, train
from actionunits.training.source import CropSource

RESULTS = Path(__file__).parents[1] / "results"
# People of each tree and frames of each recording: all for whom folds are published, few of everything else.
TREES = {"bp4d": (41, 6), "bp4d+": (12, 6), "disfa": (27, 6), "gft": (20, 6), "voxceleb": (12, 48)}
CROP_PX = 256  # the largest picture of any table
BATCH_ROWS = 4  # of a started fold, in place of the papers' up to 196


class _EnoughError(Exception):
    """The started fold has taken its steps."""


def trees(facekit: Path, out: Path) -> dict[str, Path]:
    """Folders of prepared renders by the name of the data set; `loose` is BP4D without registration."""
    prepared = {name: out / f"{name}-crops" for name in (*TREES, "loose")}
    for name, folder in prepared.items():
        if (folder / "dataset.json").is_file():
            continue
        layout = "bp4d" if name == "loose" else name
        people, frames = TREES[layout]
        size = ["--subjects", str(people), "--frames", str(frames), "--fps", "8", "--clips", "1"]
        if not (out / layout).is_dir():
            _call("synth", "--facekit", str(facekit), "--layout", layout, "--out", str(out / layout), *size)
        how = {"loose": ["--no-align"], "voxceleb": ["--fps", "4"]}.get(name, [])
        _call("prepare", layout, str(out / layout), "--out", str(folder), "--size", str(CROP_PX), *how)
    return prepared


def _call(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "actionunits", *words], check=True)


def requests(published: PublishedTable, data: dict[str, Path], out: Path) -> Iterator[tuple[str, str, Request]]:
    """Test data, training data and the request, for each pair of them among the table's own systems."""
    own = set(systems_of(published))
    rows = [row for row in scored_rows(published) if row.model in own]
    compares = any(row.aligned is not None for row in rows)
    for tested, trained in dict.fromkeys((row.data, row.train_data or row.data) for row in rows):
        word = next(row.protocol for row in rows if (row.data, row.train_data or row.data) == (tested, trained))
        across = PROTOCOL_OF[word] in ("cross", "finetune") or trained != tested
        yield (
            tested,
            trained,
            Request(
                data=(data["loose" if compares else tested],),
                out=out / "reproduced" / published.key,
                train_data=(data[trained],) if across else (),
                registered=(data[tested],) if compares else (),
            ),
        )


def plan_rows(key: str, tested: str, trained: str, plan: SystemPlan) -> Iterator[dict[str, Any]]:
    """A row for each training of a system."""
    for fold, hours in zip(plan.trainings, plan.hours, strict=True):
        everybody = [part for part in (fold.training, fold.validation, fold.test) if part is not None]
        yield {
            "table": key,
            "tested": tested,
            "trained": trained,
            "system": plan.system,
            "stands_for": plan.stands_for,
            "protocol": plan.protocol.name,
            "division": plan.protocol.division,
            "config": plan.config.name,
            "fold": fold.name,
            "folds": len(plan.protocol.folds),
            "people_trained": len(fold.training.present_subjects),
            "people_tuned": len(fold.validation.present_subjects),
            "people_tested": 0 if fold.test is None else len(fold.test.present_subjects),
            "frames_trained": len(fold.training),
            "frames_in_all": sum(map(len, everybody)),
            "gpu_hours": f"{hours:.3g}",
        }


def started(plan: SystemPlan, steps: int) -> dict[str, Any]:
    """Losses of the first and the last of a few steps of the first fold."""
    fold = plan.trainings[0]
    settings = plan.item.settings
    weight = row_weight(settings, fold.training)
    settings = with_relations(with_label_rates(settings, fold.training), fold.training)
    loop = replace(settings.loop, log_every_steps=1)
    config = replace(settings.model, batch_size=BATCH_ROWS)
    torch.manual_seed(loop.seed)
    model = find_model(plan.item.run.key).model(config, fold.training.aus)
    parameters = sum(p.numel() for p in model.parameters())

    def source_of(stage: Stage, number: int) -> BatchSource:
        source = CropSource(fold.training, stage, number, config.image_size, loop.seed, settings.augment, weight)
        return _Few(source, steps)

    fabric = make_fabric(Hardware(accelerator="cpu", devices="1"))
    fabric.launch()
    with tempfile.TemporaryDirectory() as folder:
        with suppress(_EnoughError):
            train(model, source_of, Path(folder), loop, fabric)
        log = [json.loads(line) for line in (Path(folder) / LOG_FILE).read_text().splitlines()]
    losses = [sum(line["loss"].values()) for line in log if "loss" in line]
    return {
        "system": plan.system,
        "config": plan.config.name,
        "stage": log[0]["stage"],
        "picture_px": config.image_size,
        "parameters": parameters,
        "batch": BATCH_ROWS,
        "steps": len(losses),
        "first_loss": f"{losses[0]:.4g}",
        "last_loss": f"{losses[-1]:.4g}",
    }


class _Few:
    """The first batches of a source."""

    def __init__(self, source: CropSource, steps: int) -> None:
        self.source, self.steps, self.steps_per_epoch = source, steps, source.steps_per_epoch

    def batches(self, start: int) -> Generator[Batch, None, None]:
        for step, batch in enumerate(self.source.batches(start)):
            if step == self.steps:
                raise _EnoughError
            yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", type=Path, required=True, help="folder of ICT Face Model Light")
    parser.add_argument("--out", type=Path, default=Path("out/plans"))
    parser.add_argument("--start", type=int, metavar="STEPS", help="steps to train of each system")
    options = parser.parse_args()
    data = trees(options.facekit, options.out)
    rows: list[dict[str, Any]] = []
    begun: dict[tuple[str, str], dict[str, Any]] = {}
    for key, published in published_tables().items():
        if not scored_rows(published):
            continue
        for tested, trained, request in requests(published, data, options.out):
            print(key, trained, "to", tested, flush=True)
            try:
                for plan in plan_of(key, request):
                    rows += plan_rows(key, tested, trained, plan)
                    name = (plan.system, plan.config.name)
                    if options.start and name not in begun:
                        begun[name] = started(plan, options.start)
                        print(begun[name], flush=True)
            except UserError as error:
                print(f"{key}, {trained} to {tested}: {error}", file=sys.stderr, flush=True)
    pd.DataFrame(rows).to_csv(RESULTS / "plans.csv", index=False)
    if begun:
        pd.DataFrame(begun.values()).to_csv(RESULTS / "plans_started.csv", index=False)


if __name__ == "__main__":
    main()
