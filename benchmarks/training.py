"""Rate of the training loop against bare forward-backward steps on the same batch.

    python benchmarks/training.py [--steps 40] [--batch-size 64] [--precision auto]

Bare steps and steps of the loop take turns, so that a busy machine slows both alike. Prints images per second
of each and their ratio; 0.9 is the least that the loop must keep on the same batch.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from actionunits.datasets.crops.crop_data import CropData
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.training.loop import LoopSettings, train
from actionunits.training.run import Hardware, make_fabric
from actionunits.training.source import CropSource
from actionunits.training.step import batch_fields

AUS = (1, 2, 4, 6, 12, 25)
WARM_UP = 3  # steps


class TakingTurns:
    """A source that times a bare step, then gives a batch and times the loop's step, again and again."""

    def __init__(self, make_batch: Callable[[int], Batch], bare: Callable[[], None], steps: int) -> None:
        self.make_batch, self.bare, self.steps_per_epoch = make_batch, bare, steps
        self.bare_s: list[float] = []
        self.loop_s: list[float] = []

    def batches(self, start: int) -> Generator[Batch, None, None]:
        for step in itertools.count(start):
            began_s = now_s()
            self.bare()
            middle_s = now_s()
            yield self.make_batch(step)
            self.bare_s.append(middle_s - began_s)
            self.loop_s.append(now_s() - middle_s)


def now_s() -> float:
    """Clock after all work of the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def random_crops(rows: int, size: int) -> CropData:
    """Noise with random labels."""
    generator = np.random.default_rng(0)
    known = np.ones((rows, len(AUS)), bool)
    intensity = generator.uniform(0, 5, known.shape).astype(np.float32)
    index = np.arange(rows, dtype=np.int32)
    return CropData(
        aus=AUS,
        images=generator.integers(0, 256, (rows, size, size, 3), dtype=np.uint8),
        au_present=(intensity >= 1).astype(np.uint8),
        au_present_valid=known,
        au_intensity=intensity,
        au_intensity_valid=known,
        subject=np.zeros(rows, np.int32),
        clip=np.zeros(rows, np.int32),
        frame=index,
        subjects=("S1",),
        clips=("C1",),
        names=("noise",),
    )


def rates(fabric: Fabric, batch_size: int, steps: int, **settings: Any) -> Iterator[tuple[str, float, float]]:
    """Images per second of bare steps and of the loop, on the same batch and on augmented crops, with their name.

    settings: of the network.
    """
    config = find_model("resnet18").config(batch_size=batch_size, optimizer="adamw", **settings)
    data = random_crops(4 * batch_size, config.image_size + 16)
    model = find_model("resnet18").model(config, AUS)
    model.to(fabric.device, memory_format=torch.channels_last).train()
    crops = CropSource(data, model.stages()[0], 0, config.image_size, 0, device=fabric.device)
    batch = Batch(**batch_fields(crops.batch(0)))

    def bare() -> None:
        with fabric.autocast():
            loss = torch.stack(list(model.losses(model(batch), batch).values())).sum()
        model.zero_grad(set_to_none=True)
        loss.backward()

    for name, make_batch in (("same batch", lambda step: batch), ("augmented crops", crops.batch)):
        source = TakingTurns(make_batch, bare, steps + WARM_UP)
        trained = find_model("resnet18").model(replace(config, epochs=1), AUS)
        with tempfile.TemporaryDirectory() as folder:
            train(
                trained, partial(lambda source, stage, number: source, source), Path(folder), LoopSettings(), fabric
            )
        seconds = (statistics.median(times[WARM_UP:]) for times in (source.bare_s, source.loop_s))
        yield name, *(batch_size / each for each in seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()

    fabric = make_fabric(Hardware(precision=options.precision))
    fabric.launch()
    precision = fabric.strategy.precision.precision
    print(f"ResNet-18, 112 px, batch {options.batch_size}, {precision}, {fabric.device}")
    for name, bare, loop in rates(fabric, options.batch_size, options.steps):
        print(f"{name:16s} bare {bare:7.1f}, loop {loop:7.1f} images/s, ratio {loop / bare:.3f}")


if __name__ == "__main__":
    main()
