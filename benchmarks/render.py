"""Speed of the renderer on one core, and where the time goes.

    python benchmarks/render.py --facekit DIR [--assets DIR] [--repeats 7]

Renders studio and wild clips of 128x128 pixels in one process with one thread. Every repeat renders the same frames;
the fastest counts, since other programs can only make it slower. Prints a table and writes
results/benchmark_render.csv.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.synth import natural_light, raster, shading
from actionunits.synth import render as render_module
from actionunits.synth.assets import Assets, read_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.motion import sample_motion
from actionunits.synth.person import Casting
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene

SIZE, PEOPLE, FRAMES = 128, 5, 24
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_render.csv"
# What is measured as a part: where its function is looked up, and the function's name.
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "geometry": (
        (ClipRenderer, "_model_vertices"),
        (ClipRenderer, "_camera_vertices"),
        (ClipRenderer, "_light_visible"),
        (ClipRenderer, "_openness"),
        (raster, "vertex_normals"),
    ),
    "raster": ((ClipRenderer, "_rasterise"),),
    "shade": ((shading, "shade"), (natural_light, "shade_naturally")),
    "sensor": ((render_module, "expose"), (render_module, "develop"), (render_module, "draw_occluder")),
}


class Split:
    """Seconds spent in each part, by functions that are wrapped while it is entered."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def __enter__(self) -> Split:
        self._originals = [(owner, name, getattr(owner, name)) for places in PARTS.values() for owner, name in places]
        for part, places in PARTS.items():
            for owner, name in places:
                setattr(owner, name, self._timed(part, getattr(owner, name)))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in self._originals:
            setattr(owner, name, original)

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - start

        return call


def clips(casting: Casting, look: str, assets: Assets | None) -> list[ClipRenderer]:
    """A clip of each of some people, ready to render: metering and labels, which are done once a clip, are done."""
    made = []
    for person in range(PEOPLE):
        rng = np.random.default_rng((5, look == "wild", person))
        motion = sample_motion(rng, look, FRAMES, 12.0, "balanced")  # type: ignore[arg-type]
        scene = sample_scene(rng, look, SIZE, FRAMES / 12.0, assets)  # type: ignore[arg-type]
        made.append(ClipRenderer(casting.sample(rng, assets), scene, motion, SIZE, rng))
        made[-1].frame(0)
    return made


def render_all(renderers: list[ClipRenderer]) -> float:
    """Seconds for every frame of the clips."""
    start = time.perf_counter()
    for renderer in renderers:
        for k in range(FRAMES):
            renderer.frame(k)
    return time.perf_counter() - start


def measure(casting: Casting, look: str, repeats: int, assets: Assets | None) -> list[tuple[str, str, float, str]]:
    """Frames per second, and milliseconds per frame of each part, each in its fastest repeat."""
    renderers, count = clips(casting, look, assets), PEOPLE * FRAMES
    whole = min(render_all(renderers) for _ in range(repeats))
    splits = []
    for _ in range(repeats):
        with Split() as split:
            total = render_all(renderers)
        splits.append((total, split.seconds))
    total, parts = min(splits, key=lambda timed: timed[0])
    rows = [(look, "frames per second", count / whole, "1/s")]
    rows += [(look, part, 1000 * seconds / count, "ms per frame") for part, seconds in parts.items()]
    rest = total - sum(parts.values())
    return [*rows, (look, "averaging and background", 1000 * rest / count, "ms per frame")]


def once(casting: Casting, assets: Assets | None) -> list[tuple[str, str, float, str]]:
    """What is spent once a person or a clip."""
    seconds: dict[str, list[float]] = {"new person": [], "labels of a clip of 24 frames": []}
    for k in range(12):
        rng = np.random.default_rng((6, k))
        start = time.perf_counter()
        person = casting.sample(rng, assets)
        drawn = time.perf_counter()
        motion = sample_motion(rng, "studio", FRAMES, 12.0)
        renderer = ClipRenderer(person, sample_scene(rng, "studio", SIZE, 2.0, assets), motion, SIZE, rng)
        _ = renderer.labels
        seconds["new person"].append(drawn - start)
        seconds["labels of a clip of 24 frames"].append(time.perf_counter() - drawn)
    return [("both", name, 1000 * min(values), "ms") for name, values in seconds.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", type=Path, required=True, help="folder or .npz of ICT Face Model Light")
    parser.add_argument("--assets", type=Path, help="folder of photographed skins, eyes and surroundings")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    threadpool_limits(1)
    casting = Casting(build_head(read_facekit(options.facekit)))
    assets = read_assets(str(options.assets)) if options.assets else None
    rows = [row for look in ("studio", "wild") for row in measure(casting, look, options.repeats, assets)]
    rows += once(casting, assets)
    table = Table("look", "measured", "value", "unit", title=f"{SIZE}x{SIZE} pixels, one thread")
    for look, name, value, unit in rows:
        table.add_row(look, name, f"{value:.2f}", unit)
    Console().print(table)
    frame = pd.DataFrame(rows, columns=["look", "measured", "value", "unit"]).assign(
        size=SIZE, repeats=options.repeats, processor=platform.machine(), commit=source_commit()
    )
    with write_atomically(options.out) as unfinished:
        frame.to_csv(unfinished, index=False, float_format="%.3f", lineterminator="\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
