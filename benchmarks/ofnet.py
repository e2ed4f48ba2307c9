"""What OF-Net + AU-Net cost on a CPU: a training step and where it goes, and one picture's flow and action units.

    python benchmarks/ofnet.py [--repeats 3]

A step of joint training is timed in its parts: augmenting image and anchor, OF-Net, AU-Net, the warp with the losses,
the way back, and the optimiser. A prediction is timed with its two networks, and beside it the two-frame flows that
OpenCV computes for the variants `dis` and `tvl1`, of a photograph and itself moved by a pixel. Published size (128
pixels, 64 channels) and that of `ofnet_small`. One thread; of the repeats the fastest counts, in processor
time, which other programs hardly disturb. Random weights, which change no time. Prints a table and writes
results/benchmark_ofnet.csv.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from skimage.data import astronaut
from skimage.transform import resize
from timing import fastest, report

from actionunits.aus import DATASET_AUS
from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.sampling.augment import AugmentConfig, augment
from actionunits.models.batch import Batch, Output
from actionunits.models.ofnet import OfNet, OfNetConfig
from actionunits.models.ofnet.two_frame import two_frame_flow

AUS = DATASET_AUS["bp4d"]
SIZES = ((64, 128, 4), (8, 64, 16))  # width, pixels, pictures in a step
PLAIN = AugmentConfig(zoom=0, brightness=0, contrast=0, saturation=0, gamma=0, grey=0, blur=0, noise=0, erase=0)
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_ofnet.csv"
Row = tuple[str, int, int, int, float, str]
ROW = ["measured", "width", "image_size", "pictures", "value", "unit"]


def build(width: int, size: int) -> OfNet:
    torch.manual_seed(0)
    return OfNet(OfNetConfig(width=width, image_size=size), AUS).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def stored(count: int, size: int) -> Batch:
    """Random stored crops with labels."""
    shape = (count, 3, stored_size(size), stored_size(size))
    known = torch.ones(count, len(AUS), dtype=torch.bool)
    return Batch(torch.rand(shape), (torch.rand(count, len(AUS)) < 0.3).float(), known, anchor=torch.rand(shape))


def step_parts(model: OfNet, optimizer: torch.optim.Optimizer, crops: Batch) -> dict[str, float]:
    """Processor seconds of the parts of one step of joint training."""
    marks = [("", time.process_time())]

    def mark(name: str) -> None:
        marks.append((name, time.process_time()))

    batch = augment(crops, model.config.image_size, torch.Generator().manual_seed(0), PLAIN)
    mark("augmentation")
    flow = model.flow(batch)
    mark("OF-Net")
    logit = model.au_net(model.au_net.features(flow))
    mark("AU-Net")
    losses = model.losses(Output(logit, flow=flow), batch)
    mark("warp and losses")
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    mark("way back")
    optimizer.step()
    mark("optimiser")
    return {name: end - begin for (_, begin), (name, end) in pairwise(marks)}


def training(width: int, size: int, count: int, repeats: int) -> list[Row]:
    """The whole step, and each part's share of the fastest one."""
    model, crops = build(width, size).train(), stored(count, size)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9)
    steps = [step_parts(model, optimizer, crops) for _ in range(repeats + 1)][1:]
    best = min(steps, key=lambda parts: sum(parts.values()))
    total = sum(best.values())
    here = (width, size, count)
    rows: list[Row] = [("training step", *here, 1000 * total / count, "ms per picture")]
    return rows + [(f"of it {name}", *here, 100 * part / total, "%") for name, part in best.items()]


def prediction(width: int, size: int, repeats: int) -> list[Row]:
    """One picture: both networks, each of them, and flow computed from two frames."""
    model = build(width, size).eval()
    photograph = resize(astronaut(), (size, size), anti_aliasing=True).astype(np.float32)
    image = torch.from_numpy(photograph)[None].permute(0, 3, 1, 2)
    batch, moved = Batch(image), image.roll(1, 3)
    calls: dict[str, Callable[[], Any]] = {
        "flow and action units": lambda: model(batch),
        "of it flow": lambda: model.flow(batch),
        "DIS flow": lambda: two_frame_flow("dis", image, moved),
        "TV-L1 flow": lambda: two_frame_flow("tvl1", image, moved),
    }
    with torch.inference_mode():
        seconds = fastest(calls, 3 * repeats)
    return [(name, width, size, 1, 1000 * value, "ms per picture") for name, value in seconds.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for width, size, count in SIZES:
        rows += training(width, size, count, arguments.repeats) + prediction(width, size, arguments.repeats)
    report(pd.DataFrame(rows, columns=ROW), RESULTS)


if __name__ == "__main__":
    main()
