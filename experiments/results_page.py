"""The page docs/results.md, for `tables.py`: how a published table is reproduced, and what came out here."""

from __future__ import annotations

from pathlib import Path

from actionunits.reports.reproduction import reproductions_in, summary_lines, to_markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
# The only places where the commands are written.
FIRST_TABLE, EACNET_TABLES, RENET_TABLES, HYBRID_TABLES = (
    ROOT / "experiments" / name
    for name in ("first_table.sh", "eacnet/tables.sh", "renet/tables.sh", "hybrid/tables.sh")
)

INTRODUCTION = """<!-- Written by experiments/tables.py from results/ and published.yaml; do not edit. -->
# The papers' tables, and ours

`actionunits reproduce TABLE --data DIR` trains and tests every fold of a published table and prints the paper's rows
and ours side by side. `TABLE` is a key of [what the papers report](published.md). Settings are the paper's, from
`configs/<model>_<data set>.yaml`; `--dry-run` shows the plan. `--scale small` takes `configs/<model>_small.yaml`
instead and shows the whole chain in minutes. A run that was stopped goes on when the same command is given again.
Finished folds are read and not repeated.

BP4D, DISFA and GFT may not be passed on. What follows comes from renders in their folder layout. Such numbers show
that the chain works. They say nothing about real faces and do not compare with the paper's numbers beside them.

```
actionunits reproduce renet-table1 --data DIR --model resnet18   # another model on the table's folds
actionunits reproduce eacnet-table6 --data DISFA --train-data BP4D --model resnet18   # trained on BP4D first
actionunits reproduce eacnet-table2 --data DIR   # occurrence rates: nothing is trained
actionunits reproduce renet-table8 --data DIR --dry-run   # rows, folds, settings and time; nothing is trained
actionunits reproduce renet-table7 --data DIR --seeds 0,1,2   # several trainings: mean and spread
actionunits reproduce renet-table7 --data DIR --model resnet18,renet --init resnet18 --set init_body_only=true
actionunits crossval resnet18 --data DIR --folds 10 --fold-seeds 0,1,2 --out OUT   # a question of your own
actionunits crossval resnet18 --data A,B --protocol cross --out OUT   # trained on A, tested on B
```

How to read the tables:

- **ours** is the mean over folds, as papers print it, with a 95% interval that draws people with replacement. Single
  folds are listed below each table and do not compare with a mean over folds. **pooled** scores all test frames
  together.
- Everyone who is tested is new to the model. The checkpoint of a fold names the people it was trained on, and
  evaluation refuses them.
- Thresholds are chosen on each fold's validation people, or 0.5 with `--threshold 0.5`; AUC needs none.
- **floor** is the score of one answer for every frame: "always present" for F1, the more frequent one for accuracy.
- **paper** is the printed row of the same protocol; – where the paper has none, or its text has lost it.
- Another division of the people gives other numbers: `--fold-seeds 0,1,2 --folds 3` repeats the folds with others.
- The outputs for every test frame are in `OUT/<model>/predictions.parquet`; two models are compared on them as
  [paired tests](compare.md).

## From nothing to a table

{commands}
`bash experiments/first_table.sh` runs this with `FACEKIT` set to the folder of ICT Face Model Light.

## RE-Net's tables

RE-Net's page says [what holds of the paper's claims](../src/actionunits/models/renet/README.md). Every model starts
from the same ResNet-18 of other people, with random output layers.

{renet_commands}
`bash experiments/renet/tables.sh` runs this.
"""


EACNET = """
## EAC-Net's tables

EAC-Net's page says [what holds of the paper's claims](../src/actionunits/models/eacnet/README.md). All networks
start from one VGG-19 that was trained on other people.

{commands}
`bash experiments/eacnet/tables.sh` runs this.
"""


HYBRID = """
## The hybrid network's tables

The hybrid network's page says [what holds of the paper's claims](../src/actionunits/models/hybrid/README.md).
Every fold starts from one CNN of other people.

{commands}
`bash experiments/hybrid/tables.sh` runs this.
"""


def commands_of(script: Path) -> str:
    """What a script runs, as a block of commands."""
    lines = script.read_text().splitlines()
    commands = lines[next(k for k, line in enumerate(lines) if line.startswith("actionunits")) :]
    return "```\n" + "\n".join(commands) + "\n```\n"


def results_page() -> str:
    """docs/results.md: the papers' tables beside ours."""
    reproductions = reproductions_in(RESULTS)
    parts = [INTRODUCTION.format(commands=commands_of(FIRST_TABLE), renet_commands=commands_of(RENET_TABLES))]
    parts.append(EACNET.format(commands=commands_of(EACNET_TABLES)))
    parts.append(HYBRID.format(commands=commands_of(HYBRID_TABLES)))
    parts.append("## What was reproduced here\n")
    parts.append(summary_lines(reproductions) if reproductions else "Nothing yet.\n")
    parts += [to_markdown(item) for item in reproductions]
    return "\n".join(parts)
