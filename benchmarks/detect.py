"""Speed and memory of `actionunits detect` on a 640x360 video of one face.

    python benchmarks/detect.py [--video FILE] [--seconds 20] [--against COMMAND] [--long]

Measures each part alone, frame after frame in one thread; the whole pipeline, with and without the annotated
video, beside what its parts allow; and the command as a user starts it, on the video and on one photograph. Without
--video the video is made from scikit-image's photograph of an astronaut, slowly shifted, turned and zoomed.

--against times another program on the same video, in turns with ours, and prints the ratios. {video} and {out}, a
folder, in its words are replaced:

    --against "FeatureExtraction -f {video} -out_dir {out} -aus -2Dfp -pose"
    --against "python pyfeat_video.py {video} {out}/table.csv"

--long follows the memory over ten minutes of video, three frames a second. Prints a table and writes it into
results/benchmark_detect.csv, in place of the lines of this processor and these weights; with hide_avx512.c it is
another processor. The ratios are printed alone, as other programs are others' to publish.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np
from commands import in_turns, median, run
from PIL import Image
from processes import memory_mb
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
from actionunits.runtime.provenance import instruction_set, source_commit
from actionunits.types import FrameResult

WIDTH, HEIGHT, FPS = 640, 360, 30
PART_FRAMES = 300
RESULTS = Path(__file__).parents[1] / "results" / "benchmark_detect.csv"
HEADS = ["measured", "value", "unit", "weights", "processor", "cores", "onnxruntime", "commit"]
VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}
REPEATS = 3  # of whole commands
LONG_S, LONG_FPS, LONG_CLIP_S = 600, 3, 20
T = TypeVar("T")
Row = tuple[str, float, str]  # what, value, unit


class Stopwatch:
    """Sums the time that an iterable takes to hand out its items, or a call to return: by the clock, and CPU time."""

    def __init__(self) -> None:
        self.seconds: dict[str, np.ndarray] = {}  # (2,): wall, CPU of all threads

    def items(self, part: str, iterable: Iterable[T]) -> Iterator[T]:
        """The items, timed."""
        iterator = iter(iterable)
        while True:
            try:
                item = self.call(part, next, iterator)
            except StopIteration:
                return
            yield item

    def call(self, part: str, function: Callable[..., T], *arguments: object) -> T:
        """The function's value, timed."""
        start = self._now()
        try:
            return function(*arguments)
        finally:
            self.seconds[part] = self.seconds.get(part, np.zeros(2)) + self._now() - start

    @staticmethod
    def _now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])


def make_video(path: Path, seconds: float, fps: int = FPS) -> None:
    """One face, about 130 pixels wide, that moves a little in front of a still background."""
    from skimage.data import astronaut

    photo = astronaut()
    noise = np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 3))
    with VideoWriter(path, fps=fps) as writer:
        for k in range(round(seconds * fps)):
            t = k / fps
            matrix = cv2.getRotationMatrix2D((224, 120), 6 * np.sin(t), 1.5 + 0.1 * np.sin(0.7 * t))
            matrix[0, 2] += WIDTH / 2 - 224 + 30 * np.sin(0.9 * t)
            matrix[1, 2] += HEIGHT / 2 - 120 + 10 * np.sin(1.3 * t)
            image = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
            grain = np.roll(noise, (k * 7) % WIDTH, axis=1)
            writer.write(np.clip(image + grain, 0, 255).astype(np.uint8))


def measure_parts(
    detector: Detector, video: Path, folder: Path, frames_at_most: int = PART_FRAMES, finder_device: str = "cpu"
) -> tuple[dict[str, np.ndarray], int]:
    """Seconds of each part (wall, CPU) over the first frames of the video, part by part, and how many frames."""
    watch, size = Stopwatch(), detector.batch_size
    schema = make_schema("openface", detector.aus)
    with (
        open_media(str(video)) as media,
        FaceFinder(video=True, device=finder_device) as finder,
        open_table(folder / "parts.csv", schema) as table,
        annotate_to(folder / "parts.mp4", "video", str(video)) as annotate,
    ):
        frames, done = watch.items("decode", media), 0
        detector.predict_crops(np.zeros((size, detector.image_size, detector.image_size, 3), np.uint8))
        while done < frames_at_most and (batch := list(islice(frames, size))):
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


def repeated(clip: Path, times: int, out: Path) -> None:
    """The clip, one time after the other in one file; its packets are copied, so that it takes no time."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        stream = target.add_stream_from_template(source.streams.video[0])
        length = max(packet.pts + packet.duration for packet in packets)
        places = [(packet.pts, packet.dts) for packet in packets]
        for k in range(times):
            for packet, (pts, dts) in zip(packets, places, strict=True):
                packet.stream, packet.pts, packet.dts = stream, pts + k * length, dts + k * length
                target.mux(packet)


def memory_course(detector: Detector, video: Path, folder: Path) -> list[float]:
    """Resident memory of this process, MB, after a tenth, half and all of a video's frames, and its peak."""
    course: list[float] = []

    def look(done: int, total: int | None) -> None:
        if total and done in (total // 10, total // 2, total):
            course.append(memory_mb("VmRSS"))

    analyse(detector, str(video), OutputPaths(folder / "long.csv"), AnalysisOptions(), look)
    return [*course, memory_mb("VmHWM")]


def report(rows: list[Row], weights: str) -> None:
    """Print the rows and write them, with the weights and what they were measured on."""
    table = Table("measured", "value", "unit", title=f"{os.cpu_count()} cores, {WIDTH}x{HEIGHT}, one face")
    for name, value, unit in rows:
        table.add_row(name, f"{value:.2f}", unit)
    Console().print(table)
    made_with = (Path(weights).stem, processor(), os.cpu_count(), version("onnxruntime"), source_commit())
    measured = [[name, f"{value:.3f}", unit, *made_with] for name, value, unit in rows]
    RESULTS.parent.mkdir(exist_ok=True)
    before: list[list[str]] = []
    if RESULTS.is_file():
        with RESULTS.open(newline="", encoding="utf-8") as file:
            before = [row for row in csv.reader(file) if row[3:5] not in (HEADS[3:5], list(made_with[:2]))]
    with write_atomically(RESULTS) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADS)
        writer.writerows([*before, *measured])
    print(f"written to {RESULTS}")


def processor() -> str:
    """What the libraries take this machine's processor for."""
    hidden = "hide_avx512" in os.environ.get("LD_PRELOAD", "")
    kind = f"{platform.machine()} AVX2, AVX-512 hidden" if hidden else instruction_set()
    told = Path("/proc/cpuinfo")
    vendors = [name for key, name in VENDORS.items() if told.is_file() and key in told.read_text()]
    return " ".join([*vendors, kind])


def part_rows(detector: Detector, video: Path, folder: Path) -> list[Row]:
    """Every part alone, and the whole run beside the frames per second that the parts allow on these cores."""
    seconds, frames = measure_parts(detector, video, folder)
    rows: list[Row] = []
    for part, (wall_s, cpu_s) in seconds.items():
        rows.append((f"{part} alone", 1000 * wall_s / frames, "ms per frame"))
        rows.append((f"{part} alone, CPU", 1000 * cpu_s / frames, "ms per frame"))
    for annotate in (False, True):
        spent, done = measure_whole(detector, video, folder, annotate)
        what = "whole run with annotated video" if annotate else "whole run, table only"
        parts = {part: wall_s / frames for part, (wall_s, _) in seconds.items() if annotate or part != "annotate"}
        # No faster than the slowest part, nor than all of them with every core at work.
        ideal = 1 / max(*parts.values(), sum(parts.values()) / (os.cpu_count() or 1))
        rows.append((what, done / spent, "frames per second"))
        rows.append((f"{what}, of what its parts allow", 100 * done / spent / ideal, "%"))
    return rows


def command_rows(detector: Detector, video: Path, folder: Path) -> list[Row]:
    """The command as a process of its own: one photograph, which is mostly its start, and the whole video."""
    with open_media(str(video)) as media:
        Image.fromarray(next(media).image_rgb).save(folder / "photo.png")
    rows: list[Row] = []
    for what, source in (("photograph", folder / "photo.png"), ("video", video)):
        cost = median([run(our_command(detector, source, folder)) for _ in range(REPEATS)])
        rows += [
            (f"command on the {what}", cost.wall_s, "s"),
            (f"command on the {what}, user CPU", cost.user_s, "s"),
            (f"command on the {what}, system CPU", cost.system_s, "s"),
            (f"command on the {what}, peak memory", cost.peak_mb, "MB"),
        ]
    return rows


def our_command(detector: Detector, source: Path, folder: Path) -> list[str]:
    """The words that detect on a file."""
    words = ["--weights", str(detector.weights), "--out", str(folder / "ours"), "--quiet"]
    return [sys.executable, "-m", "actionunits", "detect", str(source), *words]


def compare(detector: Detector, command: str, video: Path, folder: Path) -> None:
    """Print what another program costs on the video beside ours, run in turns."""
    (folder / "theirs").mkdir()
    words = [
        word.replace("{video}", str(video)).replace("{out}", str(folder / "theirs")) for word in shlex.split(command)
    ]
    ours, theirs = in_turns([our_command(detector, video, folder), words], REPEATS)
    table = Table("", "actionunits", Path(words[0]).name, "ratio (range)", title=f"whole video, median of {REPEATS}")
    values = {
        "wall, s": lambda cost: cost.wall_s,
        "user and system CPU, s": lambda cost: cost.user_s + cost.system_s,
        "system CPU, s": lambda cost: cost.system_s,
        "peak memory, MB": lambda cost: cost.peak_mb,
    }
    for name, value in values.items():
        ratios = [value(b) / max(value(a), 1e-9) for a, b in zip(ours, theirs, strict=True)]
        shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        table.add_row(name, f"{value(median(ours)):.2f}", f"{value(median(theirs)):.2f}", shown)
    Console().print(table)


def long_rows(detector: Detector, folder: Path) -> list[Row]:
    """The memory of a fresh process over ten minutes of video."""
    make_video(folder / "short.mp4", LONG_CLIP_S, LONG_FPS)
    repeated(folder / "short.mp4", LONG_S // LONG_CLIP_S, folder / "long.mp4")
    command = [sys.executable, __file__, "--video", str(folder / "long.mp4"), "--weights", str(detector.weights)]
    said = subprocess.run([*command, "--memory-only"], check=True, capture_output=True, text=True).stdout
    begin, middle, end, peak = map(float, said.split()[-4:])
    named = {"after one minute": begin, "in the middle": middle, "at the end": end, "at its peak": peak}
    rows: list[Row] = [(f"memory over {LONG_S // 60} min of video, {when}", mb, "MB") for when, mb in named.items()]
    return [*rows, ("growth of memory, first minute to end", end - begin, "MB")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="measure on this video instead")
    parser.add_argument("--weights", default=DEFAULT_MODEL, help="name of released weights, or a file")
    parser.add_argument("--seconds", type=float, default=20, help="length of the video that is made")
    parser.add_argument("--against", metavar="COMMAND", help="time this command and ours in turns, and nothing else")
    parser.add_argument("--long", action="store_true", help="also follow the memory over ten minutes of video")
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    detector = Detector(weights=options.weights)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = options.video or folder / "video.mp4"
        if options.memory_only:
            print(*memory_course(detector, video, folder))
            return
        if options.video is None:
            make_video(video, options.seconds)
        if options.against:
            compare(detector, options.against, video, folder)
            return
        rows = part_rows(detector, video, folder) + command_rows(detector, video, folder)
        report(rows + (long_rows(detector, folder) if options.long else []), options.weights)


if __name__ == "__main__":
    main()
