"""Speed and memory of `actionunits detect` on a 640x360 video of one face.

    python benchmarks/detect.py [--video FILE] [--seconds 20] [--long]

Measures each part alone, frame after frame in one thread; the whole pipeline, with and without the annotated
video; and with --long the peak memory over a 10-minute video against a 20-second one. Without --video the video
is made from scikit-image's photograph of an astronaut, slowly shifted, turned and zoomed. Prints a table and
writes results/benchmark_detect.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from actionunits.detection.analysis import analyse
from actionunits.detection.detector import DEFAULT_MODEL, Detector
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.faces import FaceFinder
from actionunits.faces.align import register
from actionunits.files import write_atomically
from actionunits.media import VideoWriter, open_media
from actionunits.reports.annotate import annotate_to
from actionunits.reports.schemas import make_schema
from actionunits.reports.tables import open_table
from actionunits.runtime.provenance import source_commit
from actionunits.types import FrameResult

WIDTH, HEIGHT, FPS = 640, 360, 30
PART_FRAMES = 300
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_detect.csv"
T = TypeVar("T")


class Stopwatch:
    """Sums the time that an iterable takes to hand out its items, or a call to return."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def items(self, part: str, iterable: Iterable[T]) -> Iterator[T]:
        """The items, timed."""
        iterator = iter(iterable)
        while True:
            start = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start
            yield item

    def call(self, part: str, function: Callable[..., T], *arguments: object) -> T:
        """The function's value, timed."""
        start = time.perf_counter()
        value = function(*arguments)
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start
        return value


def make_video(path: Path, seconds: float) -> None:
    """One face, about 130 pixels wide, that moves a little in front of a still background."""
    from skimage.data import astronaut

    photo = astronaut()
    noise = np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 3))
    with VideoWriter(path, fps=FPS) as writer:
        for k in range(round(seconds * FPS)):
            t = k / FPS
            matrix = cv2.getRotationMatrix2D((224, 120), 6 * np.sin(t), 1.5 + 0.1 * np.sin(0.7 * t))
            matrix[0, 2] += WIDTH / 2 - 224 + 30 * np.sin(0.9 * t)
            matrix[1, 2] += HEIGHT / 2 - 120 + 10 * np.sin(1.3 * t)
            image = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
            grain = np.roll(noise, (k * 7) % WIDTH, axis=1)
            writer.write(np.clip(image + grain, 0, 255).astype(np.uint8))


def measure_parts(detector: Detector, video: Path, folder: Path) -> tuple[dict[str, float], int]:
    """Seconds of each part over the first frames of the video, one after the other, and how many frames."""
    watch, size = Stopwatch(), detector.batch_size
    schema = make_schema("openface", detector.aus)
    with (
        open_media(str(video)) as media,
        FaceFinder(video=True) as finder,
        open_table(folder / "parts.csv", schema) as table,
        annotate_to(folder / "parts.mp4", "video") as annotate,
    ):
        frames, done = watch.items("decode", media), 0
        detector.predict_crops(np.zeros((size, detector.image_size, detector.image_size, 3), np.uint8))
        while done < PART_FRAMES and (batch := list(islice(frames, size))):
            faces = [watch.call("find", finder, frame) for frame in batch]
            crops = [
                watch.call("register", register, frame.image_rgb, face.landmarks_px, detector.image_size)
                for frame, found in zip(batch, faces, strict=True)
                for face in found
            ]
            predictions = iter(watch.call("predict", detector.predict_crops, np.stack(crops)) if crops else [])
            for frame, found in zip(batch, faces, strict=True):
                result = FrameResult(frame, found, [next(predictions) for _ in found])
                watch.call("write table", table.write, result)
                watch.call("annotate", annotate, result)
            done += len(batch)
    return watch.seconds, done


def measure_whole(detector: Detector, video: Path, folder: Path, annotate: bool) -> tuple[float, int]:
    """Seconds and frames of a whole run."""
    options = AnalysisOptions(annotate=annotate)
    card = analyse(detector, str(video), OutputPaths(folder / "whole.csv"), options).card
    return card["seconds"], card["frames_decoded"]


def peak_memory_mb(video: Path, weights: Path) -> float:
    """Peak resident memory of a fresh process that detects on the video, in MB."""
    command = [sys.executable, __file__, "--video", str(video), "--weights", str(weights), "--memory-only"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def own_peak_memory_mb() -> float:
    """Peak resident memory of this process, in MB; Linux counts the parent's own peak into ru_maxrss, not here."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def report(rows: list[tuple[str, float, str]]) -> None:
    """Print the rows and write them, with what they were measured on."""
    table = Table("measured", "value", "unit", title=f"{os.cpu_count()} cores, {WIDTH}x{HEIGHT}, one face")
    for name, value, unit in rows:
        table.add_row(name, f"{value:.2f}", unit)
    Console().print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    with write_atomically(RESULTS) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["measured", "value", "unit", "cores", "processor", "onnxruntime", "commit"])
        for name, value, unit in rows:
            machine = (os.cpu_count(), platform.machine(), version("onnxruntime"), source_commit())
            writer.writerow([name, f"{value:.3f}", unit, *machine])
    print(f"written to {RESULTS}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="measure on this video instead")
    parser.add_argument("--weights", default=DEFAULT_MODEL, help="name or file; speed does not depend on training")
    parser.add_argument("--seconds", type=float, default=20, help="length of the video that is made")
    parser.add_argument("--long", action="store_true", help="also compare memory over 20 s and 10 min")
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    detector = Detector(weights=options.weights)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = options.video or folder / "video.mp4"
        if options.memory_only:
            measure_whole(detector, video, folder, annotate=True)
            print(own_peak_memory_mb())
            return
        if options.video is None:
            make_video(video, options.seconds)
        seconds, frames = measure_parts(detector, video, folder)
        rows = [(f"{part} alone", 1000 * spent / frames, "ms per frame") for part, spent in seconds.items()]
        for annotate in (False, True):
            spent, frames = measure_whole(detector, video, folder, annotate)
            what = "whole run with annotated video" if annotate else "whole run, table only"
            rows.append((what, frames / spent, "frames per second"))
        if options.long:
            peaks = []
            for length_s, words in ((20, "20 s"), (600, "10 min")):
                make_video(folder / "long.mp4", length_s)
                peaks.append(peak_memory_mb(folder / "long.mp4", detector.weights))
                rows.append((f"peak memory, {words} of video", peaks[-1], "MB"))
            rows.append(("growth of peak memory", peaks[1] - peaks[0], "MB"))
        report(rows)


if __name__ == "__main__":
    main()
