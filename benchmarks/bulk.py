"""Bulk detection: what is lost where workers are killed, and what a second worker brings.

    python benchmarks/bulk.py [--clips 2000] [--kills 20] [--on ray] [--scaling --on ray processes]
    RAY_ADDRESS=127.0.0.1:6379 python benchmarks/bulk.py --raylet PID   # on the cluster that `ray start` began here

Cuts the clips of data/synthau-mini into many short and small ones, and makes one in twenty of them unreadable.
`actionunits detect --format dataset` analyses them while workers in the middle of their work are killed by SIGKILL,
again and again. A command that is ended itself, as by a cluster that does not answer for long, is given again with
--skip-done. Counted are the frames of the data set that are missing, its rows that are doubled, and the inputs that
failed.csv names. The same command with --skip-done then has nothing to do.

--scaling takes one worker and two in turns instead. The efficiency compares the processor time that a clip takes its
worker, its start left aside, which depends little on what else the machine does. Workers are looked for among the
processes that the command has started; --raylet names the process to look below where the cluster was there before.

Prints a table and writes it into results/benchmark_bulk.csv, in place of the lines of its kind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import pandas as pd
from processes import cpu_s, descendants, words_of

from actionunits.files import write_atomically
from actionunits.media import VideoWriter, open_media
from actionunits.runtime.provenance import source_commit

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "benchmark_bulk.csv"
CLIP_FRAMES, CLIP_PX, CLIP_FPS = 3, 128, 25
DAMAGED_OF = 20  # one in as many
STARTED = 0.2  # share of the clips after which workers are taken to be at work
ENDS = (0, 2, 3)  # exit codes of a run that came to its end
ATTEMPTS = 10  # at the whole command
POLL_S = 1.0  # looking at all processes takes time from them
# How a worker at work is called: Ray gives its own a title, Python's are spawned.
WORKERS = {"ray": "ray::_Analyst", "processes": "multiprocessing.spawn"}
Row = tuple[str, float, str]  # what, value, unit


@dataclass
class Watched:
    """A command that was run while its workers were watched."""

    wall_s: float
    worker_cpu_s: float  # of all workers from when all of them were at work
    clips: int  # that ended from then on
    kills: int  # so far
    code: int  # of its end


def make_clips(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """Names of the good and of the damaged clips that are made."""
    folder.mkdir(parents=True)
    good, bad = [], []
    pieces = _pieces()
    made: list[Path] = []
    for number in range(count):
        path = folder / f"clip{number:05d}.mp4"
        frames = next(pieces, None)
        if frames is None:  # all of the renders is used up: once more from the first
            shutil.copyfile(made[number % len(made)], path)
        else:
            with VideoWriter(path, fps=CLIP_FPS) as writer:
                for frame in frames:
                    writer.write(frame)
            made.append(path)
    for number, path in enumerate(sorted(folder.iterdir())):
        if number % DAMAGED_OF:
            good.append(path.name)
            continue
        bad.append(path.name)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if number // DAMAGED_OF % 2 else b"no video" * 99)
    return good, bad


def _pieces() -> Iterator[list]:
    """Frames of one short clip after the other."""
    for source in sorted((ROOT / "data" / "synthau-mini").glob("*/clips/*.mp4")):
        piece = []
        with open_media(str(source)) as media:
            for frame in media:
                piece.append(cv2.resize(frame.image_rgb, (CLIP_PX, CLIP_PX), interpolation=cv2.INTER_AREA))
                if len(piece) == CLIP_FRAMES:
                    yield piece
                    piece = []


def watched(
    command: list[str], on: str, runs: Path, inputs: int, kills: int, raylet: int | None = None, killed: int = 0
) -> Watched:
    """Run a command on so many inputs, whose run cards come into `runs`, and kill workers at work, evenly spread.

    killed: how many have been, by earlier runs; they count.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    used, before = dict[int, float](), dict[int, float]()
    done = begun = 0
    while process.poll() is None:
        time.sleep(POLL_S)
        workers = [pid for pid in descendants(raylet or process.pid) if WORKERS[on] in words_of(pid)]
        used |= {pid: seconds for pid in workers if (seconds := cpu_s(pid)) > 0}
        done = len(list(runs.glob("*.run.json"))) if runs.is_dir() else 0
        if not before and done > inputs * STARTED:
            before, begun = dict(used), done
        if killed < kills and done > (killed + 0.5) * inputs / (kills + 1):
            at_work = [pid for pid in workers if on != "ray" or "analyse" in words_of(pid)]
            for pid in at_work[killed % max(len(at_work), 1) :][:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
    cpu = sum(used.values()) - sum(before.values())
    return Watched(time.perf_counter() - start, cpu, max(done - begun, 1), killed, process.returncode)


def command(clips: Path, out: Path, on: str, jobs: int, *more: str) -> list[str]:
    """The words that analyse the clips."""
    where = ["--on", "ray"] if on == "ray" else []
    words = [str(clips), "--format", "dataset", *where, "--jobs", str(jobs), "--out", str(out), "--quiet", *more]
    return [sys.executable, "-m", "actionunits", "detect", *words]


def loss_rows(folder: Path, count: int, kills: int, on: str, raylet: int | None) -> list[Row]:
    """What is there after a run whose workers were killed."""
    good, bad = make_clips(folder / "clips", count)
    out = folder / "out"
    runs = [watched(command(folder / "clips", out, on, 2), on, out / "runs", len(good), kills, raylet)]
    while runs[-1].code not in ENDS:
        if len(runs) == ATTEMPTS:
            raise SystemExit(f"the command was ended {ATTEMPTS} times, last with code {runs[-1].code}")
        words = command(folder / "clips", out, on, 2, "--skip-done")
        runs.append(watched(words, on, out / "runs", len(good), kills, raylet, runs[-1].kills))
    table = pd.read_parquet(out / "table", columns=["file", "frame", "face_id"])
    told = pd.read_csv(out / "failed.csv")["input"].map(lambda name: Path(name).name)
    frames = table.assign(file=table["file"].astype(str).map(lambda name: Path(name).name))
    distinct = frames.drop_duplicates(["file", "frame"])
    parts = {path: path.stat().st_mtime_ns for path in (out / "table").rglob("*")}
    again = watched(command(folder / "clips", out, on, 2, "--skip-done"), on, out / "runs", len(good), 0, raylet)
    changed = {path: path.stat().st_mtime_ns for path in (out / "table").rglob("*")} != parts
    unfinished = [path for path in out.rglob(".*")]
    return [
        ("clips", count, ""),
        ("of them damaged", len(bad), ""),
        ("workers killed", runs[-1].kills, ""),
        ("times the command was given again", len(runs) - 1, ""),
        ("frames lost", len(good) * CLIP_FRAMES - len(distinct[distinct["file"].isin(good)]), ""),
        ("rows doubled", int(frames.duplicated(["file", "frame", "face_id"]).sum()), ""),
        ("damaged clips that failed.csv does not name", len(set(bad) - set(told)), ""),
        ("good clips that it names", len(set(good) & set(told)), ""),
        ("unfinished files left", len(unfinished), ""),
        ("seconds", sum(run.wall_s for run in runs), "s"),
        ("parts that --skip-done wrote again", int(changed), ""),
        ("seconds with --skip-done", again.wall_s, "s"),
    ]


def scaling_rows(folder: Path, kinds: Sequence[str], count: int, repeats: int, raylet: int | None) -> list[Row]:
    """One worker and two of these kinds, in turns."""
    make_clips(folder / "clips", count)
    rows: list[Row] = []
    for on in kinds:
        found: dict[int, list[Watched]] = {1: [], 2: []}
        for turn in range(repeats):
            for jobs in found:
                out = folder / f"{on}{jobs}-{turn}"
                words = command(folder / "clips", out, on, jobs)
                run = watched(words, on, out / "runs", count, 0, raylet if on == "ray" else None)
                found[jobs].append(run)
        costs = {
            jobs: statistics.median(1000 * run.worker_cpu_s / run.clips for run in runs)
            for jobs, runs in found.items()
        }
        rows += [(f"{on}, {jobs} at once: processor time per clip", costs[jobs], "ms") for jobs in found]
        rows.append((f"{on}: efficiency of the second, by processor time", costs[1] / costs[2], ""))
    return rows


def report(rows: list[Row], is_losses: bool) -> None:
    """Print the rows, and write them in place of those of the same kind."""
    table = pd.DataFrame(rows, columns=["measured", "value", "unit"])
    table = table.assign(kind="losses" if is_losses else "scaling", cores=os.cpu_count(), commit=source_commit())
    print(table[["measured", "value", "unit"]].to_string(index=False))
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else table[:0]
    both = pd.concat([earlier[earlier["kind"] != table["kind"][0]], table])
    with write_atomically(RESULTS) as temporary:
        both.to_csv(temporary, index=False, float_format="%.3f", lineterminator="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--on", choices=WORKERS, nargs="+", default=["ray"], help="those to scale, or the one to kill"
    )
    parser.add_argument("--scaling", action="store_true", help="measure one worker and two instead")
    parser.add_argument("--repeats", type=int, default=3, help="turns of the scaling")
    parser.add_argument(
        "--raylet", type=int, metavar="PID", help="of the cluster at RAY_ADDRESS, where one runs here"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.scaling:
            rows = scaling_rows(Path(name), options.on, options.clips, options.repeats, options.raylet)
        else:
            rows = loss_rows(Path(name), options.clips, options.kills, options.on[0], options.raylet)
    report(rows, is_losses=not options.scaling)


if __name__ == "__main__":
    main()
