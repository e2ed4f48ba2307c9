"""What RE-Net costs beside ResNet-18, as ratios measured in one run.

    python benchmarks/renet.py [--image-size 224] [--repeats 3] [--device cpu]

Twelve action units read in one batch, against twelve passes of a plain ResNet-18 (12 times one pass), against one
pass, and, for one picture, against a Python loop over the action units; with 1 and 32 pictures; a training step with
one action unit and with all. The systems take turns in one thread, and the fastest of the repeats counts, in
processor time on a CPU, which other programs do not disturb. Peak memory is that of a fresh process, less what it
held before the model ran. Random weights, which change no time. Last, what `detect` runs in ONNX Runtime: the
released RE-Net with 18 action units of 112 pixels, beside its ResNet-18 in float32 and the default
detector in 8-bit integers. Prints a table and writes results/benchmark_renet.csv.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from timing import fastest, report
from torch import nn

from actionunits.aus import DATASET_AUS, SYNTH_AUS
from actionunits.detection.engine import open_engine
from actionunits.detection.export import export_graph
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.renet.norm import Folded
from actionunits.weights.locate import find_weights

AUS = DATASET_AUS["bp4d"]
BATCHES, RELEASED_BATCHES = (1, 32), (1, 8)
TRAINING_BATCH = 4
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_renet.csv"
Row = tuple[str, int, float, str]
ROW = ["measured", "pictures", "value", "unit"]


def build(key: str, size: int, device: str, **settings: Any) -> nn.Module:
    """A model as detection and training hold it: channels last."""
    if key == "renet":
        count = len(AUS)
        settings["relations"] = tuple(1.0 if i == j else 0.1 for i in range(count) for j in range(count))
    torch.manual_seed(0)
    model = find_model(key).model(find_model(key).config(image_size=size, **settings), AUS)
    return model.to(device, memory_format=torch.channels_last).eval()


def pictures(count: int, size: int, device: str) -> Batch:
    """Random pictures with labels."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, size, size, generator=generator).contiguous(memory_format=torch.channels_last)
    present = (torch.rand(count, len(AUS), generator=generator) < 0.3).float()
    known = torch.ones_like(present, dtype=torch.bool)
    return Batch(image, present, known, 3 * present, known).to(device)


def loop_over_aus(model: Any, batch: Batch) -> None:
    """The same network, one action unit after the other."""
    folded = model.norms.folded(model.graph)
    for k in range(len(AUS)):
        one = Folded(folded.columns, folded.scale[k : k + 1], folded.shift[k : k + 1])
        model.head(model.body(model.normalize(batch.image), one)[:, None], model.graph, (k,))


def inference(size: int, repeats: int, device: str) -> list[Row]:
    """Times of inference."""
    plain, renet = build("resnet18", size, device), build("renet", size, device)
    rows: list[Row] = []
    for count in BATCHES:
        batch = pictures(count, size, device)
        calls: dict[str, Callable[[], Any]] = {
            "plain": lambda batch=batch: plain(batch),
            "renet": lambda batch=batch: renet(batch),
        }
        if count == 1:
            calls["loop"] = lambda batch=batch: loop_over_aus(renet, batch)
        with torch.inference_mode():
            seconds = fastest(calls, repeats * (4 if count == 1 else 1), device)
        one, every = seconds["plain"], seconds["renet"]
        rows += [
            ("RE-Net, 12 AUs / 12 passes of ResNet-18", count, every / (len(AUS) * one), "ratio"),
            ("RE-Net, 12 AUs / one pass of ResNet-18", count, every / one, "ratio"),
            ("RE-Net, 12 AUs", count, 1000 * every / count, "ms per picture"),
            ("ResNet-18", count, 1000 * one / count, "ms per picture"),
        ]
        if count == 1:
            rows.append(("RE-Net, 12 AUs / loop over the AUs", count, every / seconds["loop"], "ratio"))
    return rows


def training_step(model: Any, batch: Batch) -> Callable[[], None]:
    """Forward pass, losses, gradients and an optimiser step."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(model.losses(model(batch), batch).values())).sum().backward()
        optimizer.step()

    return step


def training(size: int, repeats: int, device: str) -> list[Row]:
    """Times of training steps."""
    batch = pictures(TRAINING_BATCH, size, device)
    calls = {
        "plain": training_step(build("resnet18", size, device), batch),
        "one": training_step(build("renet", size, device), batch),
        "all": training_step(build("renet", size, device, aus_per_step="all"), batch),
    }
    seconds = fastest(calls, repeats, device)
    return [
        ("training step, one AU / ResNet-18", TRAINING_BATCH, seconds["one"] / seconds["plain"], "ratio"),
        (
            "training step, all AUs / 12 of ResNet-18",
            TRAINING_BATCH,
            seconds["all"] / (12 * seconds["plain"]),
            "ratio",
        ),
        ("training step, ResNet-18", TRAINING_BATCH, 1000 * seconds["plain"] / TRAINING_BATCH, "ms per picture"),
    ]


def normalisation(size: int, repeats: int, device: str) -> list[Row]:
    """Our multiply-add in place against torch's batch norm, on the largest maps of twelve AUs."""
    side = size // 4
    x = torch.rand(len(AUS), 64, side, side, device=device).contiguous(memory_format=torch.channels_last)
    scale, shift = torch.ones(len(AUS), 64, device=device), torch.zeros(len(AUS), 64, device=device)
    folded = Folded([slice(0, 64)], scale, shift)
    zero, one = shift[0], scale[0]
    with torch.inference_mode():
        calls = {"ours": lambda: folded(0, x), "torch": lambda: F.batch_norm(x, zero, one, one, zero)}
        seconds = fastest(calls, 20 * repeats, device)
    return [("12 normalisations / those of torch, values of one AU", 1, seconds["ours"] / seconds["torch"], "ratio")]


def own_peak_mb() -> float:
    """Peak resident memory of this process."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def held_memory_mb(key: str, count: int, size: int) -> float:
    """Memory that one inference adds to a fresh process."""
    torch.set_num_threads(1)
    model, batch = build(key, size, "cpu"), pictures(count, size, "cpu")
    before = own_peak_mb()
    with torch.inference_mode():
        model(batch)
    return own_peak_mb() - before


def memory(size: int) -> list[Row]:
    """Peak memory of inference on the CPU."""
    rows: list[Row] = []
    for count in BATCHES:
        found = {}
        for key in ("resnet18", "renet"):
            command = [sys.executable, __file__, "--memory-of", key, str(count), "--image-size", str(size)]
            found[key] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows += [
            ("peak memory, RE-Net / ResNet-18", count, found["renet"] / found["resnet18"], "ratio"),
            ("peak memory, RE-Net", count, found["renet"], "MB"),
            ("peak memory, ResNet-18", count, found["resnet18"], "MB"),
        ]
    return rows


def released(repeats: int) -> list[Row]:
    """Times of the released weights, as `detect` runs them: any number of threads, their processor time together."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(shutil.copy(find_weights("resnet18"), folder))
        export_graph(plain)
        weights = {"float32": plain, "int8": find_weights("resnet18"), "renet": find_weights("renet")}
        engines = {name: open_engine(path, "cpu", flow=False) for name, path in weights.items()}
    for count in RELEASED_BATCHES:
        crops = np.random.default_rng(0).integers(0, 256, (count, 146, 146, 3), np.uint8)
        calls = {name: partial(engine.run, {"image": crops}, (), None) for name, engine in engines.items()}
        seconds = fastest(calls, 4 * repeats)
        every, aus = seconds["renet"], len(SYNTH_AUS)
        rows += [
            ("released RE-Net, 18 AUs, in ONNX Runtime", count, 1000 * every / count, "ms per picture"),
            ("the same / 18 passes of its ResNet-18", count, every / (aus * seconds["float32"]), "ratio"),
            ("the same / one pass of the default detector", count, every / seconds["int8"], "ratio"),
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size, repeats, device = options.image_size, options.repeats, options.device
    if options.memory_of:
        print(held_memory_mb(options.memory_of[0], int(options.memory_of[1]), size))
        return
    torch.set_num_threads(1)
    rows = inference(size, repeats, device) + training(size, repeats, device) + normalisation(size, repeats, device)
    rows += memory(size) if device == "cpu" else []
    table = pd.DataFrame(rows, columns=ROW).assign(image_size=size)
    if device == "cpu":
        table = pd.concat([table, pd.DataFrame(released(repeats), columns=ROW).assign(image_size=112)])
    report(table, RESULTS, device)


if __name__ == "__main__":
    main()
