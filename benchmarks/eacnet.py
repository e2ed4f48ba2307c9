"""What FVGG, E-Net and EAC-Net cost on a CPU, and what the crops cost beyond their arithmetic, measured in one run.

    python benchmarks/eacnet.py [--repeats 3]

Time per picture of the three networks at full width (224 pixels) and at quarter width (112 pixels); the share of the
cropping branch (normalisation, crops, their convolutions and dense layers, and the two dense layers behind) in
EAC-Net's time; and that branch's time against the time that the multiplications of its layers, as the paper draws
them, take at the rate of a product of two 1024 x 1024 matrices; once more with weights in bfloat16, half as much to
read. Last, what comes before the network (Table V): landmarks of a photograph of 512x512 pixels (scikit-image's
astronaut, NASA, public domain), its registered crop, and its upright crop. The calls take turns in one thread, and
the fastest of the repeats counts, in processor time, which other programs hardly disturb. Random weights, which
change no time. Prints a table and writes results/benchmark_eacnet.csv.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from skimage.data import astronaut
from timing import fastest, report
from torch import nn

from actionunits.aus import DATASET_AUS
from actionunits.faces import FaceFinder
from actionunits.faces.align import box_transform, cut_out, similarity_transform
from actionunits.faces.mean_face import template_landmarks
from actionunits.models.batch import Batch
from actionunits.models.eacnet import EacNet, EacNetConfig
from actionunits.models.eacnet.centers import au_centers
from actionunits.models.eacnet.config import NETWORKS
from actionunits.types import Frame

AUS = DATASET_AUS["bp4d"]
SIZES = ((64, 224, (1, 8)), (16, 112, (1, 8, 64)))  # width, pixels, pictures at once
PLACES = 16  # 4x4, of a kernel of 3x3 in a crop of 6x6
PRODUCT = 1024  # rows and columns of the matrices whose product gives the rate
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_eacnet.csv"
Row = tuple[str, int, int, int, float, str]
ROW = ["measured", "width", "image_size", "pictures", "value", "unit"]


def multiplications(model: EacNet) -> int:
    """Of the cropping branch as the paper draws it, for one picture: one per weight and place that it is used at."""
    assert model.cropping is not None and model.crop_head is not None
    conv = model.cropping.conv_weight.numel() * PLACES
    head = model.crop_head.hidden.weight.numel() + model.crop_head.output.weight.numel()
    return conv + model.cropping.dense_weight.numel() + head


def measure(width: int, size: int, counts: tuple[int, ...], repeats: int) -> list[Row]:
    """All rows of one size of the networks."""
    torch.manual_seed(0)
    # The cropping branch works on the 8-fold shrunk map of group 4.
    model = EacNet(EacNetConfig(width=width, image_size=size), AUS).eval().to(memory_format=torch.channels_last)
    assert model.cropping is not None and model.crop_head is not None
    cropping, head = model.cropping, model.crop_head
    halves = copy.deepcopy(nn.ModuleList([cropping, head])).bfloat16()
    matrix = torch.rand(PRODUCT, PRODUCT)
    landmarks = torch.from_numpy(template_landmarks())
    rows: list[Row] = []
    for count in counts:
        image = torch.rand(count, 3, size, size).contiguous(memory_format=torch.channels_last)
        batch = Batch(image, landmarks=landmarks + 0.01 * torch.rand(count, 68, 2))
        assert batch.landmarks is not None
        centers = au_centers(batch.landmarks)
        enhanced = torch.rand(count, 8 * width, size // 8, size // 8).contiguous(memory_format=torch.channels_last)

        def network(number: int, batch: Batch = batch) -> None:
            model.network.fill_(number)
            model(batch)

        calls: dict[str, Callable[[], Any]] = {
            name: lambda number=number: network(number) for number, name in enumerate(NETWORKS)
        }
        calls["branch"] = lambda e=enhanced, c=centers: head(head.features(cropping(e, c)))
        calls["branch in bfloat16"] = lambda e=enhanced, c=centers: in_bfloat16(*halves, e, c)
        calls["product"] = lambda: matrix @ matrix
        with torch.inference_mode():
            seconds = fastest(calls, repeats * (3 if count == 1 else 1))
        arithmetic_s = count * multiplications(model) / PRODUCT**3 * seconds["product"]
        here = (width, size, count)
        rows += [(name, *here, 1000 * seconds[name] / count, "ms per picture") for name in NETWORKS]
        rows += [
            ("cropping branch", *here, 1000 * seconds["branch"] / count, "ms per picture"),
            ("cropping branch / eacnet", *here, seconds["branch"] / seconds["eacnet"], "ratio"),
            ("cropping branch / its arithmetic", *here, seconds["branch"] / arithmetic_s, "ratio"),
            ("the same in bfloat16", *here, seconds["branch in bfloat16"] / arithmetic_s, "ratio"),
            ("matrix product", *here, 2e-9 * PRODUCT**3 / seconds["product"], "GFLOP/s"),
        ]
    return rows


def in_bfloat16(cropping: nn.Module, head: Any, enhanced: torch.Tensor, centers: torch.Tensor) -> None:
    """The cropping branch with its weights in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        head.features(cropping(enhanced, centers))


def measure_alignment(repeats: int) -> list[Row]:
    """What comes before the network, for one photograph."""
    size, image = 224, np.asarray(astronaut())
    frame = Frame(image, 0, 0.0, "astronaut")
    with FaceFinder(video=False) as finder:
        points = finder(frame)[0].landmarks_px
        calls: dict[str, Callable[[], Any]] = {
            "landmarks": lambda: finder(frame),
            "registered crop": lambda: cut_out(image, similarity_transform(points, size), size),
            "upright crop": lambda: cut_out(image, box_transform(points, size), size),
        }
        seconds = fastest(calls, 10 * repeats)
    return [(name, 0, size, 1, 1000 * value, "ms per picture") for name, value in seconds.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for size in SIZES for row in measure(*size, arguments.repeats)]
    rows += measure_alignment(arguments.repeats)
    report(pd.DataFrame(rows, columns=ROW), RESULTS)


if __name__ == "__main__":
    main()
