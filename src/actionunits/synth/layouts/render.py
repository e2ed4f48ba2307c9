"""Renders a plan into a licensed data set's folder layout, in parallel and resumable.

Every clip depends on the plan, the layout, its subject and its number alone, so that the tree is the same whatever
the number of workers. What the layout has no place for lies beside it: `actionunits-render.json`, the plan, and
`.actionunits-render/`, a file for each finished clip, which names the assets that it shows. Readers of the
layout pass over both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.synth.assets import read_assets, write_credits
from actionunits.synth.dataset import LOOK_CODE, Plan, with_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.folder import claim_folder, make_folder, remove_unfinished
from actionunits.synth.layouts import find_layout
from actionunits.synth.layouts.clip import LabelledClip
from actionunits.synth.motion import sample_motion
from actionunits.synth.people import casting_of, render_people
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene

FORMAT_VERSION = 1
CARD_FILE = "actionunits-render.json"
FINISHED = ".actionunits-render"


def write_layout(
    facekit: Path | str,
    root: Path | str,
    name: str,
    plan: Plan,
    *,
    assets: Path | str | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render `plan` into the folder `root` in the layout of that name, and return the folder.

    assets: a folder of photographed skins, eyes and surroundings; `root` then also gets CREDITS.md.
    on_progress(done, total) counts frames. workers: all cores by default.
    Raises UserError for an unknown layout, a plan that it has no place for, and a folder that holds something else
    or cannot be written.
    """
    root = Path(root)
    layout = find_layout(name)
    if plan.flow:
        raise UserError(f"--flow has no place in the layout of {name}; leave it out, or leave --layout out")
    if layout.most_clips is not None and plan.clips > layout.most_clips:
        raise UserError(f"--layout {name} has no room for --clips {plan.clips}; the most is {layout.most_clips}")
    read_facekit(facekit)  # a wrong path is told before anything is written
    plan = with_assets(plan, assets)
    values = {key: value for key, value in asdict(plan).items() if key != "flow"}
    claim_folder(root, CARD_FILE, {"name": f"renders-{name.lower()}", "format": FORMAT_VERSION, **values})
    make_folder(root / FINISHED)
    todo = [s for s in range(plan.subjects) if any(not _mark(root, s, c).is_file() for c in range(plan.clips))]
    frames = plan.clips * plan.frames
    done, total = (plan.subjects - len(todo)) * frames, plan.subjects * frames
    on_progress(done, total)
    for _ in render_people(
        partial(_render_subject, str(facekit), str(assets) if assets else None, root, name, plan), todo, workers
    ):
        done += frames
        on_progress(done, total)
    if todo:
        remove_unfinished(root)
    if plan.assets:
        marks = [_mark(root, s, c) for s in range(plan.subjects) for c in range(plan.clips)]
        write_credits(root, {name for mark in marks for name in mark.read_text(encoding="utf-8").split()})
    return root


def _mark(root: Path, subject: int, task: int) -> Path:
    return root / FINISHED / f"{subject}-{task}"


def _render_subject(facekit: str, assets_folder: str | None, root: Path, name: str, plan: Plan, subject: int) -> None:
    layout = find_layout(name)
    writer = import_module(f"actionunits.synth.layouts.{layout.module}")
    code = LOOK_CODE[plan.look]
    assets = read_assets(assets_folder) if assets_folder else None
    rng = np.random.default_rng((plan.seed, code, subject, 0, layout.number))
    person = casting_of(facekit).sample(rng, assets)
    for task in range(plan.clips):
        if _mark(root, subject, task).is_file():
            continue
        rng = np.random.default_rng((plan.seed, code, subject, task + 1, layout.number))
        motion = sample_motion(rng, plan.look, plan.frames, plan.fps, plan.rates, plan.begin)
        scene = sample_scene(rng, plan.look, plan.size, plan.frames / plan.fps, assets)
        renderer = ClipRenderer(person, scene, motion, plan.size, rng)
        writer.write_clip(root, labelled_clip(renderer, subject, task, plan.fps))
        with write_atomically(_mark(root, subject, task)) as mark:
            mark.write_text("\n".join((*person.skin.sources, *scene.sources)), encoding="utf-8")


def labelled_clip(renderer: ClipRenderer, subject: int, task: int, fps: float) -> LabelledClip:
    """A renderer's clip for the writers of layouts; its pictures are rendered when they are asked for."""

    def images() -> Iterator[np.ndarray]:
        return (renderer.frame(k) for k in range(len(renderer.motion.time_s)))

    labels = renderer.labels
    return LabelledClip(subject, task, fps, SYNTH_AUS, labels.au_intensity, labels.landmarks_px, images)
