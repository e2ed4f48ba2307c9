"""A short training that several processes can share, as a program of its own: OUT DEVICES [RESUME [KILLED_AT]].

Labels are all known and nothing depends on the rest of a batch, so that halves of a batch give what the whole gives.
At step KILLED_AT the last process ends as by kill -9.
"""

import dataclasses
import itertools
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from actionunits.models import find_model
from actionunits.testing import AUS, random_batch
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.loop import LoopSettings, train

SETTINGS = {"variant": "fvgg", "image_size": 32, "width": 4, "dropout": 0.0, "epochs": 1, "lr": 0.003}
STEPS, ROWS = 6, 8


class Parts:
    """Each process's part of random batches."""

    steps_per_epoch = STEPS

    def __init__(self, rank, world_size, killed_at):
        self.part, self.killed_at = slice(rank, None, world_size), killed_at if rank == world_size - 1 else None

    def batches(self, start):
        for step in itertools.count(start):
            if step == self.killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            batch = random_batch(ROWS, SETTINGS["image_size"], seed=step)
            known = torch.ones(ROWS, len(AUS), dtype=torch.bool)
            batch = dataclasses.replace(batch, au_present_valid=known, au_intensity_valid=known)
            yield type(batch)(**{name: value[self.part] for name, value in vars(batch).items() if value is not None})


def main(out, devices, resume="", killed_at=""):
    torch.set_num_threads(1)
    fabric = make_fabric(Hardware("32", "cpu", devices))
    fabric.launch()
    torch.manual_seed(0)
    model = find_model("eacnet").model(find_model("eacnet").config(**SETTINGS), AUS)
    source = Parts(fabric.global_rank, fabric.world_size, int(killed_at) if killed_at else None)
    settings = LoopSettings(ema_decay=0.5, log_every_steps=1, save_every_minutes=0)
    result = train(model, lambda stage, number: source, Path(out), settings, fabric, resume=bool(resume))
    if fabric.is_global_zero:
        save_file({name: value.contiguous() for name, value in result.model.state_dict().items()}, f"{out}/end")


if __name__ == "__main__":
    main(*sys.argv[1:])
