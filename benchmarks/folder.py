"""A folder of forty clips in one call: with one process and with two, and killed in the middle and gone on.

    python benchmarks/folder.py
    python benchmarks/folder.py --clip portrait.mp4   # one more clip, of a camera

The clips are those of data/synthau-mini, in folders of folders with blanks and umlauts, among them a damaged one and
a text file. Writes results/folder_speed.csv. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

import pandas as pd

from actionunits.runtime.provenance import source_commit

ROOT = Path(__file__).parents[1]
DATA, OUT = ROOT / "data" / "synthau-mini", ROOT / "results" / "folder_speed.csv"
CLIPS = 40
PLACES = ("Woche 1", "Woche 1/Gruppe Ä", "Woche 2/größere Gruppe", "Woche 2/ohne Ton", "Zoë")
KILLED_AT = 0.5  # of the time of the whole run
DAMAGED_EXIT = 3


def make_folder(folder: Path, further: Path | None) -> None:
    """Forty clips below the folder, the last of them cut off, and a text file."""
    clips = sorted(DATA.glob("*/clips/*.mp4"))[:: len(list(DATA.glob("*/clips/*.mp4"))) // CLIPS][:CLIPS]
    clips = [further, *clips[1:]] if further else clips
    for number, (clip, place) in enumerate(zip(clips, cycle(PLACES), strict=False), start=1):
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / place / f"Clip {number:02d}{clip.suffix}")
    last = folder / PLACES[(CLIPS - 1) % len(PLACES)] / f"Clip {CLIPS}.mp4"
    os.truncate(last, last.stat().st_size // 2)
    (folder / "Woche 1" / "notes.txt").write_text("clip 7 repeats clip 6\n")


def command(folder: Path, out: Path, jobs: int, end_s: float) -> list[str]:
    """The one call."""
    words = ["detect", str(folder), "--recursive", "--out", str(out), "--report", "--skip-done", "--quiet"]
    return [sys.executable, "-m", "actionunits", *words, "--jobs", str(jobs), "--end", str(end_s)]


def finish(words: list[str]) -> float:
    """Seconds of a run to its end. Raises SystemExit where it ends otherwise than it should."""
    start = time.perf_counter()
    run = subprocess.run(words, capture_output=True, text=True)
    if run.returncode not in (0, 2, DAMAGED_EXIT):
        raise SystemExit(f"{' '.join(words)}: exit code {run.returncode}\n{run.stderr.strip()}")
    return time.perf_counter() - start


def kill_after(words: list[str], seconds: float) -> None:
    """Begin a run, and end it and its processes at once, without a warning."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measured(run: str, seconds: float, out: Path, done_before: int = 0) -> dict[str, object]:
    """A row of the table, from the run cards."""
    cards = [json.loads(path.read_text()) for path in out.rglob("*.run.json")]
    ends = Counter("damaged" if card["damage"] else "done" for card in cards)
    frames = sum(card["frames_written"] for card in cards)
    row = {"run": run, "seconds": seconds, "done_before": done_before, "frames": frames}
    return row | {"done": ends["done"], "damaged": ends["damaged"], "failed": CLIPS - len(cards)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="takes the place of the first clip")
    parser.add_argument("--end", type=float, default=3600, help="of each clip only the seconds before")
    parser.add_argument("--keep", type=Path, help="leave the results of the last run in this folder")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder, outs = Path(name) / "Videos", {jobs: Path(name) / f"jobs-{jobs}" for jobs in (1, 2)}
        make_folder(folder, options.clip)
        for jobs, out in outs.items():
            seconds = finish(command(folder, out, jobs, options.end))
            rows.append(measured(f"{jobs} job{'s' * (jobs > 1)}", seconds, out))
            print(rows[-1], flush=True)
        again = Path(name) / "again"
        kill_after(command(folder, again, 2, options.end), KILLED_AT * seconds)
        kept = len(list(again.rglob("*.run.json")))
        seconds = finish(command(folder, again, 2, options.end))
        rows.append(measured("2 jobs, gone on after it was killed", seconds, again, kept))
        print(rows[-1], flush=True)
        whole, resumed = (pd.read_csv(out / "summary.csv") for out in (outs[2], again))
        if not whole.equals(resumed):
            raise SystemExit("the summary of the run that was killed differs from that of the whole one")
        if options.keep:
            shutil.copytree(again, options.keep, dirs_exist_ok=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    table = pd.DataFrame(rows).assign(cores=cores, commit=source_commit())
    table.to_csv(OUT, index=False, float_format="%.1f", lineterminator="\n")


if __name__ == "__main__":
    main()
