"""Writes a data set of rendered clips: H.264 videos and one table of exact labels, in parallel and resumable.

Every clip depends on the seed, the look, its subject and its number alone, so that the result is the same whatever
the number of workers, and a killed run goes on where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.synth.assets import read_assets, write_credits
from actionunits.synth.facekit import read_facekit
from actionunits.synth.folder import claim_folder, make_folder, remove_unfinished
from actionunits.synth.motion import RATES, Begin, Look, Rates, sample_motion
from actionunits.synth.people import casting_of, render_people
from actionunits.synth.render import ClipLabels, ClipRenderer
from actionunits.synth.scene import sample_scene

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
CARD_FILE = "dataset.json"
PRESENT_FROM = 1.0  # intensity of level A: a frame at or above it counts as present
LARGEST_SIZE, HIGHEST_FPS = 4096, 1000  # pixels, and frames per second
MOST, LARGEST_SEED = 1_000_000, 2**63 - 1  # people, clips of each, or frames of each
LOOK_CODE = {"studio": 0, "wild": 1}
CRF = 20  # H.264 quality: about 6 kB a frame at 160 pixels is spent where detail is


@dataclass(frozen=True)
class Plan:
    """What to render; written to dataset.json and checked when a run is resumed."""

    look: Look
    subjects: int
    clips: int
    frames: int
    size: int
    fps: float
    seed: int
    rates: Rates = "published"
    flow: bool = False
    assets: str | None = None  # fingerprint of the folder of assets
    begin: Begin = "rest"

    def __post_init__(self) -> None:
        for name in ("subjects", "clips", "frames"):
            count = getattr(self, name)
            if not 1 <= count <= MOST:
                raise UserError(f"--{name} must be at least 1 and at most {MOST:,}, not {count}")
        if not 32 <= self.size <= LARGEST_SIZE or self.size % 2:
            raise UserError(f"--size must be an even number of pixels from 32 to {LARGEST_SIZE}, not {self.size}")
        if not 0 < self.fps <= HIGHEST_FPS:
            raise UserError(f"--fps must be above 0 and at most {HIGHEST_FPS}, not {self.fps:g}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(f"--seed must not be negative, and at most {LARGEST_SEED}, not {self.seed}")
        if self.look not in LOOK_CODE:
            raise UserError(f"--look must be studio or wild, not {self.look}")
        if self.rates not in RATES:
            raise UserError(f"--rates must be {', '.join(RATES[:-1])} or {RATES[-1]}, not {self.rates}")
        if self.begin not in ("rest", "anywhere"):
            raise UserError(f"--begin must be rest or anywhere, not {self.begin}")

    def subject_name(self, subject: int) -> str:
        """Name of a person; no two plans with another look or seed share one."""
        return f"{'S' if self.look == 'studio' else 'W'}{self.seed}-{subject:04d}"

    def clip_name(self, subject: int, clip: int) -> str:
        """File name of a clip without suffix; clips count from T1."""
        return f"{self.subject_name(subject)}_T{clip + 1}"


def write_dataset(
    facekit: Path | str,
    out: Path | str,
    plan: Plan,
    *,
    assets: Path | str | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render `plan` into the folder `out` and return it.

    The folder gets dataset.json, clips/NAME.mp4, with `flow` also flow/NAME.npz (motion from every frame to the
    first: flow (T, S, S, 2) float16 in pixels, valid (T, S, S) bool), and at the end frames.parquet.
    assets: a folder of photographed skins, eyes and surroundings (assets.py); the folder then also gets CREDITS.md.
    on_progress(done, total) counts frames. workers: all cores by default.
    Raises UserError if `out` holds another data set or cannot be written.
    """
    out = Path(out)
    read_facekit(facekit)  # a wrong path is told before anything is written
    plan = with_assets(plan, assets)
    claim_folder(out, CARD_FILE, _card(plan))
    total = plan.subjects * plan.clips * plan.frames
    todo = [s for s in range(plan.subjects) if any(not _is_done(out, plan, s, c) for c in range(plan.clips))]
    done = total - len(todo) * plan.clips * plan.frames
    on_progress(done, total)
    if (out / "frames.parquet").is_file() and not todo:
        return out
    if todo:
        for folder in ("clips", ".parts", *(["flow"] if plan.flow else [])):
            make_folder(out / folder)
    for _ in render_people(
        partial(_render_subject, str(facekit), str(assets) if assets else None, out, plan), todo, workers
    ):
        done += plan.clips * plan.frames
        on_progress(done, total)
    _merge_labels(out, plan)
    return out


def with_assets(plan: Plan, assets: Path | str | None) -> Plan:
    """The plan with what its folder of assets holds. Raises UserError if that is no folder of assets."""
    return plan if assets is None else replace(plan, assets=read_assets(str(assets)).fingerprint)


def _card(plan: Plan) -> dict[str, Any]:
    return {"name": f"synthau-{plan.look}", "format": FORMAT_VERSION, **asdict(plan)}


def _label_part(out: Path, plan: Plan, subject: int, clip: int) -> Path:
    return out / ".parts" / f"{plan.clip_name(subject, clip)}.parquet"


def _is_done(out: Path, plan: Plan, subject: int, clip: int) -> bool:
    video = out / "clips" / f"{plan.clip_name(subject, clip)}.mp4"
    if plan.flow and not (out / "flow" / f"{plan.clip_name(subject, clip)}.npz").is_file():
        return False
    # Parts go when they have been merged; the labels of a clip are always written after its video and flow.
    return video.is_file() and (_label_part(out, plan, subject, clip).is_file() or (out / "frames.parquet").is_file())


def _render_subject(facekit: str, assets_folder: str | None, out: Path, plan: Plan, subject: int) -> None:
    code = LOOK_CODE[plan.look]
    assets = read_assets(assets_folder) if assets_folder else None
    person = casting_of(facekit).sample(np.random.default_rng((plan.seed, code, subject)), assets)
    for clip in range(plan.clips):
        if _is_done(out, plan, subject, clip):
            continue
        rng = np.random.default_rng((plan.seed, code, subject, clip + 1))
        motion = sample_motion(rng, plan.look, plan.frames, plan.fps, plan.rates, plan.begin)
        scene = sample_scene(rng, plan.look, plan.size, plan.frames / plan.fps, assets)
        _write_clip(ClipRenderer(person, scene, motion, plan.size, rng), out, plan, subject, clip)


def _write_clip(renderer: ClipRenderer, out: Path, plan: Plan, subject: int, clip: int) -> None:
    from actionunits.media.writer import VideoWriter

    name = plan.clip_name(subject, clip)
    with VideoWriter(
        out / "clips" / f"{name}.mp4", (plan.size, plan.size), fps=plan.fps, crf=CRF, preset="medium"
    ) as video:
        for k in range(plan.frames):
            video.write(renderer.frame(k))
    if plan.flow:
        pairs = [renderer.flow(k, 0) for k in range(plan.frames)]
        with write_atomically(out / "flow" / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, flow=np.stack([f for f, _ in pairs]).astype(np.float16), valid=np.stack([v for _, v in pairs])
            )
    table = label_table(renderer.labels, renderer.motion.time_s)
    table.insert(0, "subject", plan.subject_name(subject))
    table.insert(1, "task", f"T{clip + 1}")
    table.insert(2, "clip", f"clips/{name}.mp4")
    if plan.assets:
        table.insert(3, "skin", " ".join(renderer.person.skin.sources))
        table.insert(4, "surroundings", " ".join(renderer.scene.sources))
    with write_atomically(_label_part(out, plan, subject, clip)) as temporary:
        table.to_parquet(temporary, compression="zstd", index=False)


def label_table(labels: ClipLabels, time_s: np.ndarray) -> pd.DataFrame:
    """One row per frame: frame, time_s, anchor, AU occurrence and intensity, gaze, pose, box and landmarks.

    Values are rounded to what they are good for (intensity .01, pixels .01, degrees .01).
    """
    import pandas as pd

    count = len(time_s)
    columns: dict[str, np.ndarray] = {
        "frame": np.arange(count, dtype=np.int32),
        "time_s": np.asarray(time_s, np.float64).round(6),
        "anchor": np.zeros(count, np.int32),
    }
    intensity = labels.au_intensity.round(2)  # before the comparison, so that both columns agree
    for k, au in enumerate(SYNTH_AUS):
        columns[au_label(au)] = (intensity[:, k] >= PRESENT_FROM).astype(np.int8)
    for suffix, values in (("_r", intensity), ("_r_left", labels.au_left), ("_r_right", labels.au_right)):
        for k, au in enumerate(SYNTH_AUS):
            columns[au_label(au) + suffix] = values[:, k].round(2).astype(np.float32)
    groups = (
        ("gaze_{}_deg", ("yaw", "pitch"), labels.gaze_deg),
        ("pose_{}_deg", ("pitch", "yaw", "roll"), labels.pose_deg),
        ("box_{}_px", ("left", "top", "right", "bottom"), labels.box_xyxy_px),
        ("x_{}", range(68), labels.landmarks_px[..., 0]),
        ("y_{}", range(68), labels.landmarks_px[..., 1]),
    )
    for pattern, names, values in groups:
        for k, name in enumerate(names):
            columns[pattern.format(name)] = values[:, k].round(2).astype(np.float32)
    return pd.DataFrame(columns)


def _merge_labels(out: Path, plan: Plan) -> None:
    """Join the clips' labels, in order of subject and clip, into frames.parquet, unless it exists; the parts go."""
    import pyarrow.parquet

    order = [(s, c) for s in range(plan.subjects) for c in range(plan.clips)]
    if (out / "frames.parquet").is_file():
        _tidy(out)
        return
    with write_atomically(out / "frames.parquet") as temporary:
        writer = None
        batch, used = [], set[str]()
        for k, (subject, clip) in enumerate(order):
            batch.append(pyarrow.parquet.read_table(_label_part(out, plan, subject, clip)))
            used.update(_assets_of(batch[-1]) if plan.assets else ())
            if len(batch) == 256 or k == len(order) - 1:  # large row groups, so that columns compress well
                table = pyarrow.concat_tables(batch)
                writer = writer or pyarrow.parquet.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
                batch = []
        if writer is not None:
            writer.close()
        write_credits(out, used)
    _tidy(out)


def _assets_of(table: Any) -> set[str]:
    """The assets that a clip's table of labels names."""
    texts = [text for column in ("skin", "surroundings") for text in table[column].unique().to_pylist()]
    return {name for text in texts for name in text.split()}


def _tidy(out: Path) -> None:
    """Remove the parts, and what a killed run left half-written."""
    shutil.rmtree(out / ".parts", ignore_errors=True)
    for folder in ("clips", "flow"):
        remove_unfinished(out / folder)
