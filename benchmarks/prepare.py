"""Speed of `actionunits prepare` from 1040x1392 JPEG pictures, as BP4D has them, with landmarks read and found.

    python benchmarks/prepare.py [--frames 960] [--workers 2]

Makes a tree of a few recordings: a photograph of a face, as large in the picture as BP4D's faces are, moves and nods
with the noise of a camera. Frames per second count from the first frames that are told to be done to the last ones
before the end, so that neither the start of the processes, told apart, nor what is done and not yet told weighs on a
short run. Processor time per frame is that of one process with one thread, as each of several has, and of all
recordings less that of one, which leaves its start out. It hardly depends on what else the machine does. Prints both
and the time that BP4D's 146,847 frames would take, and writes results/benchmark_prepare.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from skimage.data import astronaut

from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.recording import Inventory, PictureFiles, Recording
from actionunits.faces import FaceFinder
from actionunits.files import write_atomically
from actionunits.runtime.processes import keep_to_one_thread
from actionunits.runtime.provenance import source_commit
from actionunits.types import Frame

WIDTH, HEIGHT, JPEG_QUALITY = 1040, 1392, 92
FACE_HEIGHT_PX = 620  # brows to chin and forehead, measured on published BP4D pictures of this size
RECORDINGS = 4
BP4D_FRAMES = 146_847
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_prepare.csv"


def make_tree(folder: Path, frames: int) -> tuple[Recording, ...]:
    """Recordings of JPEG pictures with the landmarks of their faces and no labels but one AU, known nowhere."""
    photo = astronaut()
    with FaceFinder(video=False) as finder:
        face = finder(Frame(photo, 0, 0.0, "photo"))[0]
    points, box = face.landmarks_px.astype(np.float64), face.box_xyxy_px
    zoom = FACE_HEIGHT_PX / float(box[3] - box[1])
    centre = (box[:2] + box[2:]) / 2
    noise = np.random.default_rng(0).integers(-5, 6, (HEIGHT, WIDTH, 3), dtype=np.int16)
    recordings = []
    for number in range(RECORDINGS):
        count = frames // RECORDINGS
        paths, landmarks = [], np.empty((count, 68, 2), np.float32)
        (folder / f"S{number}").mkdir()
        for k in range(count):
            t = k / 25 + 10 * number
            matrix = cv2.getRotationMatrix2D(
                tuple(map(float, centre)), 5 * np.sin(t), zoom * (1 + 0.03 * np.sin(2 * t))
            )
            matrix[:, 2] += np.array([WIDTH / 2 + 20 * np.sin(0.9 * t), HEIGHT / 2 + 15 * np.sin(1.3 * t)]) - centre
            image = cv2.warpAffine(
                photo, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
            )
            image = np.clip(image + np.roll(noise, 7 * k, axis=1), 0, 255).astype(np.uint8)
            paths.append(folder / f"S{number}" / f"{k:04d}.jpg")
            Image.fromarray(image).save(paths[-1], quality=JPEG_QUALITY)
            landmarks[k] = points @ matrix[:, :2].T + matrix[:, 2]
        unknown = np.zeros((count, 1), bool)
        recordings.append(
            Recording(
                subject=f"S{number}",
                task="T1",
                pixels=PictureFiles(tuple(paths)),
                frame=np.arange(count),
                time_s=np.arange(count) / 25,
                aus=(12,),
                au_present=unknown.astype(np.uint8),
                au_present_valid=unknown,
                au_intensity=unknown.astype(np.float32),
                au_intensity_valid=unknown,
                landmarks_px=landmarks,
            )
        )
    return tuple(recordings)


@dataclass(frozen=True)
class Speed:
    """What one way of preparing takes."""

    landmarks: str
    crop_px: int
    frames_per_second: float  # by the clock, with all processes
    start_s: float  # until the first frames are done
    cpu_ms_per_frame: float  # of one process

    @property
    def bp4d_minutes(self) -> float:
        return BP4D_FRAMES / self.frames_per_second / 60


def measure(recordings: tuple[Recording, ...], out: Path, landmarks: str, size: int, workers: int) -> Speed:
    """Prepare all recordings with all processes, and one of them in this one."""
    moments: list[tuple[float, int]] = []

    def tell(done: int, total: int) -> None:
        if done and (not moments or done > moments[-1][1]):
            moments.append((time.perf_counter(), done))

    def run(some: tuple[Recording, ...], folder: Path, processes: int) -> None:
        inventory = Inventory("benchmark", some, (), (), 1.0)
        kept = prepare(inventory, folder, image_size=size, landmarks=landmarks, workers=processes, on_progress=tell)
        if kept.frames < 0.99 * sum(map(len, some)):
            raise SystemExit(f"only {kept.frames} frames were kept: {kept.lost}")

    def processor_s(some: tuple[Recording, ...], folder: Path) -> float:
        begin_s = time.process_time()
        run(some, folder, 1)
        return time.process_time() - begin_s

    run((replace(recordings[0], subject="warm-up"),), out / "warm-up", 1)
    cpu_s = processor_s(recordings, out / "each") - processor_s(recordings[:1], out / "one")
    total = sum(map(len, recordings))
    moments.clear()
    begin_s = time.perf_counter()
    run(recordings, out / "all", workers)
    told = [moment for moment in moments if moment[1] < total]
    (first_s, first_rows), (last_s, last_rows) = told[0], told[-1]
    rate = (last_rows - first_rows) / (last_s - first_s)
    return Speed(landmarks, size, rate, first_s - begin_s, 1000 * cpu_s / (total - len(recordings[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=960)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    keep_to_one_thread()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = make_tree(folder, options.frames)
        speeds = [
            measure(recordings, folder / f"{landmarks}{size}", landmarks, size, options.workers)
            for landmarks, size in (("read", 112), ("read", 224), ("find", 112))
        ]
    table = Table(
        *("landmarks", "crop", "frames per second", "start, s", "processor, ms per frame", "BP4D, 146,847 frames"),
        title=f"{WIDTH}x{HEIGHT} JPEG, {options.workers} processes on {os.cpu_count()} cores",
    )
    names = ("landmarks", "crop_px", "frames_per_second", "start_s", "cpu_ms_per_frame", "bp4d_minutes")
    rows = []
    for speed in speeds:
        numbers = [f"{getattr(speed, key):.1f}" for key in names[2:]]
        rows.append([speed.landmarks, speed.crop_px, *numbers])
        table.add_row(speed.landmarks, str(speed.crop_px), *numbers[:-1], f"{speed.bp4d_minutes:.0f} min")
    Console().print(table)
    with write_atomically(options.out) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "workers", "cores", "processor", "commit"])
        machine = (options.workers, os.cpu_count(), platform.machine(), source_commit())
        writer.writerows([*row, *machine] for row in rows)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
