"""A data set that a reader found, to a folder of registered crops with their labels; in parallel and resumable.

DIR/dataset.json    what it is and how it was made; written last, so that a folder that has it is complete
DIR/crops/NAME.npy  (T', S, S, 3) uint8 RGB, the kept frames of one recording
DIR/meshes/NAME.npy (T', 478, 3) float16, 0-1 spans the crop; where landmarks were found
DIR/frames.parquet  one row per kept frame
DIR/lost.csv        one row per frame that was not kept, and why

Until the end `.parts` holds one label table per finished recording, and what there is of the others, which is what
a killed run goes on from.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from actionunits import __version__
from actionunits.datasets.crops import frame_table
from actionunits.datasets.crops.crop_data import STORED_MARGIN, stored_size
from actionunits.datasets.crops.crop_recording import crop_recording
from actionunits.datasets.crops.crop_task import CropTask
from actionunits.datasets.readers.layouts import LAYOUTS
from actionunits.datasets.readers.recording import Inventory, PictureFiles, Recording
from actionunits.errors import UserError
from actionunits.files import write_atomically, write_errors_told, write_json
from actionunits.types import MESH_POINTS

FORMAT_VERSION = 1
LANDMARKS = ("auto", "read", "find")
FRAMES_PER_WORKER = 500  # at least, unless told otherwise
SPARE_BYTES = 64 * 2**20  # for the table and what else is on the disk


@dataclass(frozen=True)
class Prepared:
    """What is in a prepared folder."""

    folder: Path
    frames: int
    lost: dict[str, int]  # reason -> frames
    landmarks: str  # "read" or "found"
    was_complete: bool  # nothing had to be done
    anchors: dict[str, int]  # how the neutral frame was chosen -> recordings


def prepare(
    inventory: Inventory,
    out: Path | str,
    *,
    image_size: int = 112,
    landmarks: str = "auto",
    align: bool = True,
    options: Mapping[str, Any] | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Register every face of the data set and write the folder `out`; a started folder is continued.

    image_size: width of the network's crop; what is stored shows STORED_MARGIN more on every side. landmarks: "read"
    those of the data set, "find" them, or "auto": read where most recordings have some. With "read", frames without
    landmarks are lost. align: False cuts out the square around the landmarks instead, without a turn. options: of the
    reader, to be written down. workers: processes; all cores by default.
    on_progress(done, total) counts frames.

    Raises UserError for a folder of something else or with other options, a disk that is full or too small, a folder
    that cannot be written, and where no frame at all could be kept.
    """
    out = Path(out)
    _check_words(image_size, landmarks)
    _check(inventory)
    find = _finds(inventory, landmarks)
    plan = _plan(inventory, image_size, find, align, options or {})
    task = CropTask(out, int(plan["crop_size"]), float(plan["margin"]), find, align)
    if _claim(out, plan):
        shutil.rmtree(out / ".parts", ignore_errors=True)
        card = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
        return Prepared(out, card["frames"], card["lost_reasons"], card["landmarks"], True, card.get("anchors", {}))
    with _alone(out):
        return _make(inventory, plan, task, workers, on_progress)


def check_request(root: Path | str, out: Path | str, image_size: int, landmarks: str) -> None:
    """What can be refused before a data set is read: raises UserError for options out of range, and for an `out`
    inside the data set, of which nothing is changed."""
    _check_words(image_size, landmarks)
    inside, outer = Path(out).resolve(), Path(root).resolve()
    if inside != outer and inside.is_relative_to(outer):
        raise UserError(f"{out} lies inside the data set {root}, where nothing is written; choose another --out")


def _check_words(image_size: int, landmarks: str) -> None:
    if landmarks not in LANDMARKS:
        raise UserError(f"--landmarks must be {', '.join(LANDMARKS)}, not {landmarks}")
    if not 16 <= image_size <= 1024:
        raise UserError(f"--size must be between 16 and 1024 pixels, not {image_size}")


def _make(
    inventory: Inventory,
    plan: dict[str, Any],
    task: CropTask,
    workers: int | None,
    on_progress: Callable[[int, int], None],
) -> Prepared:
    """What the folder still lacks."""
    out, recordings = task.out, inventory.recordings
    total = sum(map(len, recordings))
    todo = [recording for recording in recordings if not _part(out, recording).is_file()]
    _check_space(out, sum(map(len, todo)), task)
    before = total - sum(map(len, todo))
    on_progress(before, total)
    work = _Work(task, tuple(plan["aus"]), LAYOUTS[inventory.dataset].folds if inventory.dataset in LAYOUTS else None)
    run_all(todo, work, workers or _useful_workers(total - before), lambda done: on_progress(before + done, total))
    return _complete(out, plan, inventory)


def _check(inventory: Inventory) -> None:
    recordings = inventory.recordings
    if not sum(map(len, recordings)):
        raise UserError(f"{inventory.dataset}: there is no frame to prepare")
    counts = Counter(recording.name for recording in recordings)
    name, count = counts.most_common(1)[0]
    if count > 1:
        raise UserError(f"{inventory.dataset}: {count} recordings have the name {name}; rename the files")
    odd = [name for name in counts if "/" in name or os.sep in name or name.startswith(".") or "\0" in name]
    if odd:
        raise UserError(f"{inventory.dataset}: '{odd[0]}' cannot be the name of a file; rename the recording")


def _finds(inventory: Inventory, landmarks: str) -> bool:
    having = sum(recording.landmarks_px is not None for recording in inventory.recordings)
    if landmarks == "read" and not having:
        raise UserError(f"{inventory.dataset}: there are no landmarks to read; use --landmarks find")
    # One way for all: crops that are registered to different markups do not belong in one data set.
    return landmarks == "find" or (landmarks == "auto" and 2 * having <= len(inventory.recordings))


def _plan(
    inventory: Inventory, image_size: int, find: bool, align: bool, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What decides about the result, as it stands in dataset.json."""
    return {
        "kind": "crops",
        "format": FORMAT_VERSION,
        "name": inventory.dataset,
        "image_size": image_size,
        "crop_size": stored_size(image_size),
        "margin": STORED_MARGIN,
        "aus": sorted({au for recording in inventory.recordings for au in recording.aus}),
        "occurrence_level": inventory.occurrence_level,
        "landmarks": "found" if find else "read",
        "aligned": align,
        "unverified": inventory.unverified,
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in options.items()},
        "source": source_digest(inventory.recordings),
    }


def source_digest(recordings: tuple[Recording, ...]) -> str:
    """Fingerprint of labels, landmarks and file names: all of the input but the pixels."""
    digest = hashlib.blake2b(digest_size=16)
    for r in recordings:
        files = [p.name for p in r.pixels.paths] if isinstance(r.pixels, PictureFiles) else [r.pixels.path.name]
        digest.update(
            json.dumps([r.subject, r.task, r.aus, r.anchor, r.split, sorted((r.lost or {}).items())]).encode()
        )
        digest.update("\0".join(files).encode("utf-8", "surrogateescape"))
        for values in (
            *(r.frame, r.time_s, r.au_present * r.au_present_valid, r.au_present_valid),
            *(r.au_intensity_valid, r.au_intensity * r.au_intensity_valid, r.landmarks_px),
            *(() if isinstance(r.pixels, PictureFiles) else (r.pixels.index,)),
        ):
            digest.update(b"-" if values is None else values.tobytes())
    return digest.hexdigest()


def _claim(out: Path, plan: dict[str, Any]) -> bool:
    """Make the folder this plan's, or make sure that it is. Whether it is complete."""
    done, begun = out / "dataset.json", out / ".parts" / "plan.json"
    for path in (done, begun):
        if path.is_file():
            _same_plan(path, plan, out)
            return path == done
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and holds no crops of this program; choose another --out")
    with write_errors_told(out):
        begun.parent.mkdir(parents=True, exist_ok=True)
    write_json(begun, plan)
    return False


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps other runs away from the folder until the block or this process ends, where the system can."""
    with open(out / ".parts" / "plan.json", encoding="utf-8") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another run is preparing {out}; wait for it, or choose another --out") from None
            except OSError:
                pass  # network disks without locks
        yield


def _same_plan(path: Path, plan: dict[str, Any], out: Path) -> None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict):
        raise UserError(f"{path} is damaged; delete the folder or choose another --out")
    if held.get("kind") != "crops":
        raise UserError(f"{out} exists and holds no crops of this program; choose another --out")
    plan = json.loads(json.dumps(plan))
    # The size says the crop's size too; options of the reader show in what it reads.
    told_apart = ("crop_size", "source", "options")
    held = {"aligned": True, **held}  # earlier versions knew no other way
    changed = [name for name in plan if name not in told_apart and held.get(name) != plan[name]]
    if changed:
        was = ", ".join(f"{name} {held.get(name)}, not {plan[name]}" for name in changed)
        raise UserError(f"{out} was prepared otherwise ({was}); repeat its options or choose another --out")
    if held.get("source") != plan["source"]:
        given = ", ".join(f"{name} {value}" for name, value in (held.get("options") or {}).items()) or "none"
        raise UserError(
            f"{out} was prepared from other files or labels, or with other options (then: {given}); "
            "choose another --out"
        )


def _check_space(out: Path, frames: int, task: CropTask) -> None:
    """Raises UserError where the disk cannot hold what will be written."""
    each = 3 * task.crop_size**2 + 1000 + (2 * 3 * MESH_POINTS if task.find else 0)
    needed, free = frames * each + SPARE_BYTES, shutil.disk_usage(out).free
    if needed > free:
        raise UserError(f"the crops need {needed / 1e9:.1f} GB, and {out} has {free / 1e9:.1f} GB free")


def _useful_workers(frames: int) -> int:
    """All cores, but fewer for little work: a process takes seconds to start."""
    return min(os.cpu_count() or 1, 1 + frames // FRAMES_PER_WORKER)


def _part(out: Path, recording: Recording) -> Path:
    return out / ".parts" / f"{recording.name}.parquet"


@dataclass(frozen=True)
class _Work:
    """The same for every recording of a run."""

    task: CropTask
    aus: tuple[int, ...]
    folds: str | None


_worker: dict[str, Any] = {}  # of this process: the finder, the counter of rows, the sign to stop


class _Stopped(Exception):
    """The run was interrupted while this recording was at work."""


def _do(recording: Recording, work: _Work, on_rows: Callable[[int], None]) -> None:
    """Write the crops of a recording, then its part of the table, which says that it is done."""
    results = crop_recording(recording, work.task, _finder() if work.task.find else None, on_rows)
    table = frame_table.together(frame_table.part(result, work.task, work.aus, work.folds) for result in results)
    with write_atomically(_part(work.task.out, recording)) as temporary:
        frame_table.write(table, temporary)


def _finder() -> Any:
    if "finder" not in _worker:
        from actionunits.datasets.crops.face_tracks import MAX_FACES
        from actionunits.faces import FaceFinder

        _worker["finder"] = FaceFinder(video=True, max_faces=MAX_FACES)
    return _worker["finder"]


def _start_worker(counter: Any, stop: Any) -> None:
    from actionunits.runtime.processes import be_a_worker

    be_a_worker()
    _worker.update(counter=counter, stop=stop)


def _do_in_worker(recording: Recording, work: _Work) -> None:
    def on_rows(rows: int) -> None:
        if _worker["stop"].is_set():
            raise _Stopped
        with _worker["counter"].get_lock():
            _worker["counter"].value += rows

    _do(recording, work, on_rows)


def run_all(todo: list[Recording], work: _Work, workers: int, on_rows: Callable[[int], None]) -> None:
    """Prepare all recordings; `on_rows` gets the number of rows done so far."""
    if min(workers, len(todo)) <= 1:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            on_rows(done)

        try:
            for recording in todo:
                _do(recording, work, count)
        finally:
            if "finder" in _worker:
                _worker.pop("finder").close()
        return
    # ONNX Runtime and torch hold threads, which a forked child would inherit in an unknown state.
    context = multiprocessing.get_context("spawn")
    counter, stop = context.Value("q", 0), context.Event()
    with ProcessPoolExecutor(min(workers, len(todo)), context, _start_worker, (counter, stop)) as pool:
        # Long recordings first: the last ones then end together.
        queue = iter(sorted(todo, key=len, reverse=True))
        running: set[Future[None]] = set()
        try:
            for recording in islice(queue, 2 * workers):
                running.add(pool.submit(_do_in_worker, recording, work))
            while running:
                finished, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                on_rows(counter.value)
                for future in finished:
                    future.result()
                    running |= {pool.submit(_do_in_worker, recording, work) for recording in islice(queue, 1)}
        except BrokenProcessPool as error:
            raise UserError(
                "a process was ended from outside (out of memory?); run the same command again to go on, "
                "with fewer --workers if it happens again"
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _complete(out: Path, plan: dict[str, Any], inventory: Inventory) -> Prepared:
    """Join the parts, write the list of lost frames and, last, dataset.json."""
    reasons: Counter[str] = Counter()
    anchors: Counter[str] = Counter()
    with write_atomically(out / "lost.csv") as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "task", "frame", "reason"])

        def parts() -> Iterator[frame_table.Table]:
            for recording in inventory.recordings:
                kept, lost = frame_table.split_lost(frame_table.read(_part(out, recording)))
                reasons.update(reason for *_, reason in lost)
                writer.writerows(lost)
                anchors.update(kept["anchor_choice"].slice(0, 1).to_pylist())
                yield kept

        frames = frame_table.join(parts(), out / "frames.parquet", tuple(plan["aus"]))
    if not frames:
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        raise UserError(f"no frame could be kept ({why}); see {out / 'lost.csv'}")
    card = {
        **plan,
        "frames": frames,
        "lost": sum(reasons.values()),
        "lost_reasons": dict(reasons.most_common()),
        "anchors": dict(anchors.most_common()),
        "root_counts": [vars(count) for count in inventory.counts],
        "problems": list(inventory.problems),
        "recordings": len(inventory.recordings),
        "version": __version__,
    }
    write_json(out / "dataset.json", card)
    shutil.rmtree(out / ".parts", ignore_errors=True)
    return Prepared(out, frames, dict(reasons.most_common()), plan["landmarks"], False, dict(anchors.most_common()))
