"""What a GPU makes of it all: faces, frames, training steps and renders a second, beside what its arithmetic allows.

    python benchmarks/gpu.py [--clip FILE] [--facekit DIR] [--assets DIR]
    python benchmarks/gpu.py --device cpu --small    # a few seconds, to see that all of it runs

A run of a few minutes, eight at most, on one GPU of the H100's class; it needs torch and what the repository holds.
In float16, the default detector with its released weights reads 1, 32 and 1024 faces at once, and RE-Net's twelve
action units 1 and 256 pictures of 224 pixels, with random weights, which change no time. A single face is timed from
start to end, more of them in a row. The arithmetic limit is measured: a product of two large matrices in the same
precision; torch counts what a network computes. The face finder's networks read single pictures on a core and
batches on the GPU; crops are cut on a core and brought there, or sampled there from whole frames. The chain from a
file to a table reads a clip of one face (--clip, or one that is made) and one of twelve, then photographs: with the
GPU, and on the cores beside it alone. The training loop and bare forward and backward passes take turns. With
--facekit, all cores render.

Prints a table, with the goal beside what has one; on a GPU it is written to results/benchmark_gpu.csv.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from gpu_chain import Row, chain, crops, make_clips, networks, photographs
from render import FRAMES, clips, render_all
from renet import AUS, build, pictures
from threadpoolctl import threadpool_limits
from timing import report
from torch.utils.flop_counter import FlopCounterMode
from training import rates

from actionunits.detection.torch_engine import as_batch
from actionunits.synth.assets import read_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.person import Casting
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.types import MESH_POINTS
from actionunits.weights.checkpoint_file import read_header
from actionunits.weights.locate import find_weights

RESULTS = Path(__file__).parents[1] / "results" / "benchmark_gpu.csv"
RENET = f"RE-Net, {len(AUS)} AUs"
PAPER_MS = 5.4  # RE-Net's twelve action units on a GeForce 2080 Ti, as the paper says
WARM_UP = 3  # calls
QUEUE = 8  # calls that wait on the device at most
# Of the row with the most at once.
GOALS = {
    ("default detector", "pictures per second"): 50_000,
    ("default detector", "share of the arithmetic limit"): 0.5,
    (RENET, "pictures per second"): 10_000,
    (RENET, "share of the arithmetic limit"): 0.5,
    ("training, same batch", "of bare forward and backward passes"): 0.9,
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    faces: tuple[int, ...] = (1, 32, 1024)
    pictures: tuple[int, ...] = (1, 256)
    renet_pixels: int = 224
    matrix: int = 8192  # rows and columns
    seconds: float = 6.0  # of each measurement
    training_batch: int = 256
    training_steps: int = 60
    training: dict[str, Any] = field(default_factory=dict)  # settings of the network
    finder: tuple[int, ...] = (1, 32, 128)  # pictures that the face finder's networks read
    crops: int = 8  # frames whose faces are cut out at once
    frames: int = 150  # of each clip
    crowd: tuple[int, int] = (3, 4)  # rows and columns of faces
    photographs: int = 20
    photograph_px: int = 1080


SMALL = Sizes((1, 2), (1, 2), 32, 64, 0.01, 4, 2, {"image_size": 32, "width": 8}, (2,), 1, 2, (2, 2), 1, 300)


def seconds_of(call: Callable[[], Any], device: str, wanted_s: float, queue: int) -> float:
    """Mean seconds of a call over about `wanted_s`; so many calls, `queue`, are handed over before one waits."""

    def finished() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        call()
    finished()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < wanted_s:
        for _ in range(queue):
            call()
        finished()
        calls += queue
    return (time.perf_counter() - start) / calls


def limit(device: str, sizes: Sizes) -> float:
    """Operations per second of a large product of matrices, in float16 on a GPU."""
    kind = torch.float32 if device == "cpu" else torch.float16
    left, right = (torch.rand(sizes.matrix, sizes.matrix, device=device, dtype=kind) for _ in range(2))
    return 2 * sizes.matrix**3 / seconds_of(lambda: left @ right, device, sizes.seconds, QUEUE)


def operations(call: Callable[[], Any]) -> int:
    """Multiplications and additions of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def timed(name: str, call: Callable[[], Any], count: int, device: str, sizes: Sizes, most: float) -> list[Row]:
    """Rate and time of a call on `count` pictures, and its share of the arithmetic limit `most`."""
    with torch.inference_mode(), torch.autocast(device, torch.float16, enabled=device != "cpu"):
        done = operations(call)
        seconds = seconds_of(call, device, sizes.seconds, 1 if count == 1 else QUEUE)
    return [
        (name, count, count / seconds, "pictures per second"),
        (name, count, 1000 * seconds / count, "ms per picture"),
        (name, count, done / seconds / most, "share of the arithmetic limit"),
    ]


def detector(device: str, sizes: Sizes, most: float) -> Iterator[Row]:
    """The released weights, from crops and meshes that are on the device already."""
    model = load_checkpoint(find_weights("resnet18")).model.to(device, memory_format=torch.channels_last)
    side = model.config.image_size
    for count in sizes.faces:
        image = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, device=device)
        mesh = torch.rand(count, MESH_POINTS, 3, device=device)
        yield from timed(
            "default detector", lambda i=image, m=mesh: model(as_batch(i, m)), count, device, sizes, most
        )


def renet(device: str, sizes: Sizes, most: float) -> Iterator[Row]:
    """Twelve action units of every picture, and the paper's time over ours."""
    model = build("renet", sizes.renet_pixels, device)
    for count in sizes.pictures:
        batch = pictures(count, sizes.renet_pixels, device)
        rows = timed(RENET, lambda batch=batch: model(batch), count, device, sizes, most)
        yield from rows
        yield RENET, count, PAPER_MS / rows[1][2], "times as fast as the paper says"


def training(device: str, sizes: Sizes) -> Iterator[Row]:
    """Steps of the loop and bare ones."""
    fabric = make_fabric(Hardware(accelerator="cpu" if device == "cpu" else "cuda", devices="1"))
    fabric.launch()
    count = sizes.training_batch
    for name, bare, loop in rates(fabric, count, sizes.training_steps, **sizes.training):
        yield f"training, {name}", count, loop / count, "steps per second"
        yield f"training, {name}", count, loop / bare, "of bare forward and backward passes"


def detection(device: str, sizes: Sizes, clip: Path | None) -> Iterator[Row]:
    """The chain and its parts. On a processor, torch stands in for the GPU."""
    target = "cpu:0" if device == "cpu" else device

    def rate(call: Callable[[], Any]) -> float:
        return 1 / seconds_of(call, device, sizes.seconds, 1)

    yield from networks(target, sizes.finder, rate)
    size = read_header(find_weights("resnet18"))["config"]["image_size"]
    yield from crops(target, sizes.crops, size, rate)
    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(Path(folder), clip, sizes.crowd, sizes.frames)
        for where in ("cpu", target):
            for faces, file in clips.items():
                yield from chain(where, faces, file, Path(folder), sizes.frames)
            yield photographs(where, sizes.photograph_px, sizes.photographs)


def renders(facekit: Path, assets: Path | None, seconds: float) -> Row:
    """Frames of all cores together."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        found = pool.map(partial(renders_of_a_core, facekit, assets), [seconds] * cores)
        return "renders of 128 pixels", cores, sum(found), "frames per second of all cores"


def renders_of_a_core(facekit: Path, assets: Path | None, seconds: float) -> float:
    """Frames per second of this process."""
    cv2.setNumThreads(1)
    threadpool_limits(1)
    found = None if assets is None else read_assets(str(assets))
    renderers = clips(Casting(build_head(read_facekit(facekit))), "wild", found)
    spent, frames = 0.0, 0
    while spent < seconds:
        spent += render_all(renderers)
        frames += len(renderers) * FRAMES
    return frames / spent


def measure(
    device: str, sizes: Sizes, facekit: Path | None = None, assets: Path | None = None, clip: Path | None = None
) -> pd.DataFrame:
    """All rows."""
    most = limit(device, sizes)
    rows: list[Row] = [("product of matrices", sizes.matrix, most / 1e12, "tera-operations per second")]
    rows += [*detector(device, sizes, most), *renet(device, sizes, most), *training(device, sizes)]
    rows += detection(device, sizes, clip)
    if facekit is not None:
        rows.append(renders(facekit, assets, 3 * sizes.seconds))
    table = pd.DataFrame(rows, columns=["measured", "at once", "value", "unit"])
    goals = [GOALS.get(names, np.nan) for names in zip(table["measured"], table["unit"], strict=True)]
    most_at_once = table["at once"] == table.groupby("measured")["at once"].transform("max")
    return table.assign(goal=pd.Series(goals).where(most_at_once))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clip", type=Path, help="video of one face in place of the one that is made")
    parser.add_argument("--facekit", type=Path, help="folder or .npz of ICT Face Model Light, to render")
    parser.add_argument("--assets", type=Path, help="folder of photographed skins, eyes and surroundings")
    parser.add_argument("--small", action="store_true", help="sizes that show in seconds that all of it runs")
    options = parser.parse_args()
    table = measure(
        options.device, SMALL if options.small else Sizes(), options.facekit, options.assets, options.clip
    )
    if options.device == "cpu" or options.small:
        print(table.to_string(index=False, float_format="%.4f", na_rep=""))
    else:
        report(table, RESULTS, options.device)


if __name__ == "__main__":
    main()
