"""Train TCAE, or Fab-Net, on rendered people who turn their heads and on real recordings, none of them with labels.

    python experiments/tcae/train_on_renders.py --facekit DIR --assets ASSETS --keep out/people \
        --videos out/videos --set epochs=20 --out runs/tcae

Settings are those of configs/tcae_synthau.yaml. The people are those of the default detector's renders, ten frames of
each, but for those whom experiments/tcae/probe.py needs. VIDEOS is a folder of `actionunits prepare videos --fps 5
--size 146`; each recording counts as `--times` people, since there are few of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from actionunits.datasets.crops.crop_data import CropData, concatenate
from actionunits.datasets.crops.fresh import FreshPlan, kept_crop_data
from actionunits.datasets.crops.load import load_data
from actionunits.errors import UserError
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.settings import make_settings, parse_assignments, read_config_file

SEED, STORED = 31, 167  # of the renders that the default detector learned from; width with margin, pixels
TRAINED, VALIDATED = range(1000), range(1000, 1040)


def repeated(data: CropData, times: int) -> list[CropData]:
    """The same frames so many times, each time as other people; no picture is copied."""
    return [
        dataclasses.replace(data, subjects=tuple(f"{name} ({k})" for name in data.subjects)) for k in range(times)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--keep", type=Path, required=True, help="folder of rendered people")
    parser.add_argument("--videos", type=Path, help="prepared recordings to learn from besides")
    parser.add_argument("--times", type=int, default=15, help="people that each recording counts as")
    parser.add_argument("--init", type=Path, help="checkpoint of an earlier run, to go on from")
    parser.add_argument("--set", action="append", default=[], help="one setting of the run, setting=value")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = FreshPlan(options.facekit, SEED, STORED, options.assets)
    try:
        settings = make_settings("tcae", read_config_file("tcae_synthau") | parse_assignments(options.set))
        parts = [kept_crop_data(plan, TRAINED, options.keep).of_aus(())]
        if options.videos:
            parts += repeated(load_data([options.videos], STORED, aus=()), options.times)
        validation = kept_crop_data(plan, VALIDATED, options.keep).of_aus(())
        parts = [dataclasses.replace(part, mesh=None, mesh_valid=None) for part in parts]
        fabric = make_fabric(Hardware("32", "cpu"))  # at this size bfloat16 is no faster
        run("tcae", settings, concatenate(parts), validation, options.out, fabric, init=options.init)
    except UserError as error:
        print(f"train_on_renders: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
