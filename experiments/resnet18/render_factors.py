"""What one thing about a person or a scene changes: the same rendered people and actions, with one thing changed.

    python experiments/resnet18/render_factors.py --facekit DIR --assets DIR

Writes results/render_factors.csv: the released detector's AUC and F1, means over the action units, with the change
and without it on the same frames, and the difference with its interval over people. No model was trained on them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.aus import SYNTH_AUS
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.runtime.processes import be_a_worker
from actionunits.runtime.provenance import source_commit
from actionunits.scores import bootstrap
from actionunits.synth import raster
from actionunits.synth.assets import read_assets
from actionunits.synth.dataset import PRESENT_FROM
from actionunits.synth.folds import FOLD_GROUPS
from actionunits.synth.motion import ClipMotion, sample_motion
from actionunits.synth.people import casting_of
from actionunits.synth.person import Person
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.synth.skin import TONES_SRGB, to_linear
from actionunits.types import Frame

OUT = Path(__file__).parents[2] / "results" / "render_factors.csv"
SEED, STREAM, SIZE, FRAMES, FPS = 91, 12, 256, 6, 3.0
REPLICATES = 1000
TAIL = (1 - bootstrap.LEVEL) / 2
LIGHT, DARK = TONES_SRGB[2], TONES_SRGB[5]
Pair = tuple[list[np.ndarray], list[np.ndarray], np.ndarray]  # frames without and with a factor, intensities (T, A)


def with_tone(person: Person, tone_srgb: np.ndarray) -> Person:
    """The person with skin of another colour; brows, lips and beard get lighter or darker with it."""
    factor = (to_linear(tone_srgb) / to_linear(person.skin.tone_srgb)).astype(np.float32)
    albedo, colours = person.skin.albedo_gloss.copy(), person.colours.copy()
    albedo[..., :3] *= factor
    colours[raster.SKIN] *= factor
    return replace(person, skin=replace(person.skin, albedo_gloss=albedo, tone_srgb=tone_srgb), colours=colours)


def without_glasses(person: Person) -> Person | None:
    """The person without glasses; None for one who wears none."""
    if person.lenses is None:
        return None
    kept = person.kind != raster.PLASTIC
    parts = {name: getattr(person, name)[kept] for name in ("triangles", "kind", "face_uv", "bias", "double_sided")}
    return replace(person, lenses=None, **parts)


def with_folds(person: Person, rest: float, gain: float) -> Person:
    """The person with folds of this depth at rest, and this much deeper where an action draws them."""
    groups = np.r_[0, np.ones(len(FOLD_GROUPS) - 1)].astype(np.float32)
    return replace(person, fold_rest=rest * groups, fold_gain=gain * groups)


def turned(motion: ClipMotion, yaw_deg: float) -> ClipMotion:
    """The motion with the head this much further to its left."""
    return replace(motion, pose_deg=motion.pose_deg + np.float32([0, yaw_deg, 0]))


@dataclass(frozen=True)
class Factor:
    """One thing changed in people (None: leave this one out), or in how their heads move."""

    without: str
    with_it: str
    person: tuple[Callable[[Person], Person | None], Callable[[Person], Person | None]] | None = None
    yaw_deg: float = 0.0


FACTORS = {
    "skin": Factor("light", "dark", (partial(with_tone, tone_srgb=LIGHT), partial(with_tone, tone_srgb=DARK))),
    "glasses": Factor("none", "own", (without_glasses, lambda person: person if person.lenses is not None else None)),
    "folds": Factor(
        "none",
        "deep at rest",
        (partial(with_folds, rest=0.0, gain=0.0), partial(with_folds, rest=0.6, gain=0.0)),
    ),
    "folds by actions": Factor(
        "none", "deep", (partial(with_folds, rest=0.0, gain=0.0), partial(with_folds, rest=0.0, gain=1.0))
    ),
    "head": Factor("as it is", "20 degrees further", yaw_deg=20.0),
    "head further": Factor("as it is", "40 degrees further", yaw_deg=40.0),
}


def pictures(facekit: str, assets_folder: str | None, name: str, number: int) -> Pair | None:
    """Frames of a person without and with a factor; None for a person whom it leaves out."""
    rng = np.random.default_rng((SEED, STREAM, number))
    assets = read_assets(assets_folder) if assets_folder else None
    person = casting_of(facekit).sample(rng, assets)
    motion = sample_motion(rng, "studio", FRAMES, FPS, "balanced")
    scene = replace(sample_scene(rng, "studio", SIZE, FRAMES / FPS, assets), fill=0.6)
    factor, state = FACTORS[name], int(rng.integers(2**31))
    both = []
    for k in range(2):
        changed = factor.person[k](person) if factor.person else person
        if changed is None:
            return None
        moved = turned(motion, factor.yaw_deg * k)
        renderer = ClipRenderer(changed, scene, moved, SIZE, np.random.default_rng(state))
        both.append([renderer.frame(frame) for frame in range(FRAMES)])
        intensity = renderer.labels.au_intensity
    return both[0], both[1], intensity


def answers(detector: Detector, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities and decisions, (N, A) each, and where a face is found, (N,)."""
    frames = (Frame(image, k, 0.0, "render") for k, image in enumerate(images))
    probability, called = (np.zeros((len(images), len(detector.aus))) for _ in range(2))
    found = np.zeros(len(images), bool)
    for k, result in enumerate(detector.stream_frames(frames, video=False)):
        if result.predictions:
            said = result.predictions[0]
            probability[k], called[k], found[k] = said.au_prob, said.au_present, True
    return probability, called, found


def measured(
    detector: Detector, people: list[tuple[list[np.ndarray], list[np.ndarray], np.ndarray]]
) -> dict[str, float]:
    """Scores without and with a factor on the frames whose face is found both times."""
    owner = np.repeat(np.arange(len(people)), FRAMES)
    columns = [SYNTH_AUS.index(au) for au in detector.aus]
    present = (np.concatenate([person[2] for person in people])[:, columns] >= PRESENT_FROM).astype(np.uint8)
    said = [answers(detector, [image for person in people for image in person[k]]) for k in range(2)]
    rows = said[0][2] & said[1][2]
    draws = np.vstack([np.ones(len(people), np.int64), bootstrap.draw_subjects(len(people), REPLICATES, 0)])
    known = np.ones(present[rows].shape, bool)
    told: dict[str, float] = {"people": len(people), "frames": int(rows.sum()), "found": float(said[1][2].mean())}
    for score, of, column in (("auc", bootstrap.auc, 0), ("f1", bootstrap.f1, 1)):
        each = [of(draws, owner[rows], present[rows], answer[column][rows], known) for answer in said]
        means = [np.nanmean(values, 1) for values in each]
        low, high = np.nanquantile((means[1] - means[0])[1:], [TAIL, 1 - TAIL])
        told |= {f"{score}_without": means[0][0], f"{score}_with": means[1][0]}
        told |= {f"{score}_difference": means[1][0] - means[0][0], f"{score}_low": low, f"{score}_high": high}
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="the face model")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--people", type=int, default=100, help="for each factor")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    rows = []
    try:
        detector = Detector(max_faces=1)
        with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn"), be_a_worker) as pool:
            for name, factor in FACTORS.items():
                people, number = [], 0
                while len(people) < options.people:
                    numbers = range(number, number + options.people)
                    drawn = pool.map(partial(pictures, options.facekit, options.assets, name), numbers)
                    people += [person for person in drawn if person is not None]
                    number += options.people
                told = measured(detector, people[: options.people])
                rows.append({"factor": name, "without": factor.without, "with_it": factor.with_it} | told)
                print(rows[-1], flush=True)
    except UserError as error:
        print(f"render_factors: {error}", file=sys.stderr)
        return 2
    table = pd.DataFrame(rows).assign(commit=source_commit())
    table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
