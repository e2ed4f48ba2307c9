"""Speed of `actionunits prepare videos` on a 1080p film, one frame a second kept, and where the time goes.

    python benchmarks/videos.py [--seconds 20]

Makes a film of H.264, 25 frames a second at 4 Mbit/s with x264's own settings: a photographed face nods and sways
before a still background, with the noise of a camera, and moves to another place every five seconds. It is prepared
twice in this process: as it is done, and with every frame decoded, none glanced at between the kept ones, and whole
pictures shown to the finder. Counts processor time, which a busy machine makes longer, and both alike. Prints both,
with the hours that 100 hours of such films take on two cores, and writes results/benchmark_videos.csv.
"""

from __future__ import annotations

import argparse
import csv
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.data import astronaut

from actionunits.datasets.crops import face_tracks, follower
from actionunits.datasets.crops.follower import Follower
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.videos import read
from actionunits.faces import FaceFinder
from actionunits.files import write_atomically
from actionunits.media import video
from actionunits.media.wanted import UnevenTrackError
from actionunits.runtime.provenance import source_commit

WIDTH, HEIGHT, FPS, BIT_RATE = 1920, 1080, 25, 4_000_000
FACE_PX = 700  # side of the square that shows head and shoulders
STAYS_S = 5  # before moving elsewhere, within a second
HOURS, CORES, KEPT_FPS, SIZE = 100, 2, 1.0, 256
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_videos.csv"
PARTS = ("decode", "to RGB", "find", "cut out", "rest")


def make_film(path: Path, seconds: int) -> None:
    """See above."""
    import av

    rng = np.random.default_rng(0)
    photo = cv2.resize(astronaut()[:420, 20:440], (FACE_PX, FACE_PX), interpolation=cv2.INTER_CUBIC)
    room = cv2.GaussianBlur(rng.integers(40, 200, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8), (0, 0), 3)
    room = cv2.resize(room, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 2, (HEIGHT, WIDTH, 1)).astype(np.int8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", BIT_RATE
        for k in range(seconds * FPS):
            t = k / FPS
            image = _with_person(room, photo, t).astype(np.int16) + np.roll(noise, 37 * k % 1000, axis=k % 2)
            picture = av.VideoFrame.from_ndarray(np.clip(image, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _with_person(room: np.ndarray, photo: np.ndarray, time_s: float) -> np.ndarray:
    stay, into = divmod(time_s, STAYS_S)
    places = [(WIDTH - FACE_PX) * (0.2 + 0.6 * (n % 2)) for n in (stay, stay + 1)]
    left = np.interp(into, [STAYS_S - 1, STAYS_S], places) + 8 * np.sin(1.1 * time_s)
    top = HEIGHT - FACE_PX - 40 + 10 * np.sin(2.3 * time_s)
    matrix = cv2.getRotationMatrix2D((FACE_PX / 2, FACE_PX / 2), 3 * np.sin(0.7 * time_s), 1)
    matrix[:, 2] += (left, top)
    return cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), room.copy(), borderMode=cv2.BORDER_TRANSPARENT)


class Clock:
    """Processor time inside the parts of the work; a part inside another one counts alone."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys((*PARTS, "start"), 0.0)
        self._inside = ["rest"]
        self._since = time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._turn()
        self._inside.append(name)
        yield
        self._turn()
        self._inside.pop()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted."""

        def timed_call(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return call(*args, **kwargs)

        return timed_call

    def _turn(self) -> None:
        now = time.process_time()
        self.spent[self._inside[-1]] += now - self._since
        self._since = now


def measure(folder: Path, out: Path, seconds: int, in_full: bool) -> dict[str, float]:
    """Processor time of each part, ms for a second of film; that of the finder's start, once a run, is left out."""
    clock = Clock()
    converter, finder = video._RgbConverter, FaceFinder
    watched = [
        mock.patch.object(converter, "upright_rgb", clock.timed("to RGB", converter.upright_rgb)),
        mock.patch.object(finder, "__init__", clock.timed("start", finder.__init__)),
        mock.patch.object(finder, "__call__", clock.timed("find", finder.__call__)),
        mock.patch.object(face_tracks._Track, "add", clock.timed("cut out", face_tracks._Track.add)),
        mock.patch.object(video.VideoReader, "__next__", clock.timed("decode", video.VideoReader.__next__)),
    ]
    if in_full:
        watched.append(mock.patch.object(video, "start_before", side_effect=UnevenTrackError))
        watched.append(mock.patch.object(Follower, "glance", lambda *args: False))
        watched.append(mock.patch.object(follower, "_ENOUGH_PX", WIDTH))
    inventory = read(folder, fps=KEPT_FPS)
    for patch in watched:
        patch.start()
    with clock.part("rest"):
        prepared = prepare(inventory, out, image_size=SIZE, workers=1)
    for patch in watched:
        patch.stop()
    if prepared.frames < 0.9 * seconds:
        raise SystemExit(f"only {prepared.frames} frames were kept: {prepared.lost}")
    return {name: 1000 * clock.spent[name] / seconds for name in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        make_film(folder / "in" / "film.mp4", options.seconds)
        measure(folder / "in", folder / "warm-up", options.seconds, in_full=False)
        ways = {
            way: measure(folder / "in", folder / way, options.seconds, in_full=way == "every frame decoded")
            for way in ("every frame decoded", "as it is done")
        }
    table = Table("way", *PARTS, "sum", f"{HOURS} hours of film", title="processor time, ms for a second of film")
    rows = []
    for way, spent in ways.items():
        total = sum(spent.values())
        hours = total / 1000 * HOURS / CORES
        rows.append([way, *(f"{spent[part]:.1f}" for part in PARTS), f"{total:.1f}", f"{hours:.1f}"])
        table.add_row(*rows[-1][:-1], f"{hours:.1f} h on {CORES} cores")
    Console().print(table)
    with write_atomically(options.out) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [f"{part.replace(' ', '_').lower()}_ms" for part in (*PARTS, "sum")]
        writer.writerow(["way", *names, "hours", "processor", "commit"])
        writer.writerows([*row, platform.machine(), source_commit()] for row in rows)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
