"""Train a small ResNet-18 of images alone that answers as RE-Net does in one pass, or from the labels alone.

    DATA=(--facekit DIR --assets ASSETS --keep out/people)
    python experiments/resnet18/student.py "${DATA[@]}" --teacher renet --out runs/student
    python experiments/resnet18/student.py "${DATA[@]}" --out runs/alone

Both begin with the same random weights and see the same pictures in the same order: the rendered people that RE-Net
learned from (`--people`), kept in the folder for the next run. The people behind them choose the thresholds. The
first command leaves what becomes `renet-student`; the second one is its control.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from actionunits.datasets.crops.fresh import kept_crop_data
from actionunits.training import run as training
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings, parse_assignments
from actionunits.weights.locate import find_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
import students

PEOPLE, VALIDATION = 1370, 120
RECIPE = {
    "width": 32,
    "image_size": 146,  # the teachers' view of a face, as the next two
    "magnification": 1.3,
    "middle_size": 112,
    "dropout": 0.2,
    "optimizer": "adamw",
    "lr": 2e-3,
    "batch_size": 64,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup_steps": 100,
    "epochs": 12,
    "ema_decay": 0.99,
    "seed": 31,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--people", type=int, default=PEOPLE, help="to learn from")
    parser.add_argument("--teacher", help="weights to learn from beside the labels, such as renet")
    parser.add_argument("--set", action="append", default=[], help="one setting, setting=value")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.set_defaults(init=None, seed=RECIPE["seed"])
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    plan = students.plan_of(options, students.SMALL)
    numbers = range(options.people + VALIDATION)
    learned, validation = (
        kept_crop_data(plan, part, options.keep) for part in (numbers[: options.people], numbers[options.people :])
    )
    settings = make_settings("resnet18", RECIPE | parse_assignments(options.set))
    teacher = None if options.teacher is None else find_weights(options.teacher)
    fabric = make_fabric(Hardware(accelerator="cpu"))
    training.run("resnet18", settings, learned, validation, options.out, fabric, teacher=teacher)
    done = load_checkpoint(options.out / CHECKPOINT_FILE)
    header = {name: done.header[name] for name in ("thresholds", "neutral_logit", "scores")}
    header |= students.header_of(options, [plan], options.people, len(learned), validation)
    save_checkpoint(options.out / CHECKPOINT_FILE, done.model, header, "float16")


if __name__ == "__main__":
    sys.exit(students.as_command("student", lambda: run(parse())))
