"""Are the renders what their labels say? MediaPipe's blendshapes, which have learned from real faces, look at them.

    python experiments/renders/evidence.py --facekit DIR [--assets DIR] [--people 40]

Measures the share of frames in which the face is found, and per action unit how its blendshape score follows our
intensity on frontal studio renders of the action alone. Writes results/render_evidence.csv, from which
`python experiments/tables.py` makes the tables of docs/renders.md. Takes about 6 minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import BLENDSHAPES, BlendshapeReader, readings
from actionunits.faces import FaceFinder
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.synth.assets import Assets, read_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.motion import sample_motion
from actionunits.synth.person import Casting
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.synth.staged import one_at_a_time, staged_motion
from actionunits.types import Frame

RESULTS = Path(__file__).parents[2] / "results" / "render_evidence.csv"
SEED = 20260
LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
READ_SIZE, FIND_SIZE = 256, 160
FIND_PEOPLE, FIND_FRAMES, FIND_FPS = 80, 5, 1.0
SEEN_AUS = tuple(sorted([*BLENDSHAPES, 25]))  # AU25 by the gap of the lips in the mesh


def found_shares(casting: Casting, assets: Assets | None) -> list[dict[str, object]]:
    """Share of frames in which a face is found where it is, for three ways of moving and filming people."""
    rows = []
    with FaceFinder(video=False) as finder:
        for name, look, frontal in (
            ("studio, head frontal and still", "studio", True),
            ("studio, as it moves", "studio", False),
            ("wild, as it moves", "wild", False),
        ):
            found = [
                hit for person in range(FIND_PEOPLE) for hit in _finds(casting, assets, finder, person, look, frontal)
            ]
            rows.append(dict(measure="found", name=name, people=FIND_PEOPLE, frames=len(found), value=np.mean(found)))
            print(f"face found, {name}: {np.mean(found):.1%} of {len(found)} frames", flush=True)
    return rows


def _finds(
    casting: Casting, assets: Assets | None, finder: FaceFinder, person: int, look: str, frontal: bool
) -> Iterator[bool]:
    rng = np.random.default_rng((SEED, look == "wild", person))
    motion = sample_motion(rng, look, FIND_FRAMES, FIND_FPS)  # type: ignore[arg-type]
    if frontal:
        motion = replace(motion, pose_deg=np.zeros_like(motion.pose_deg), position=np.zeros_like(motion.position))
    scene = sample_scene(rng, look, FIND_SIZE, FIND_FRAMES / FIND_FPS, assets)  # type: ignore[arg-type]
    renderer = ClipRenderer(casting.sample(rng, assets), scene, motion, FIND_SIZE, rng)
    for k in range(FIND_FRAMES):
        faces = finder(Frame(renderer.frame(k), k, k / FIND_FPS, "render"))
        yield any(_overlap(face.box_xyxy_px, renderer.labels.box_xyxy_px[k]) > 0.3 for face in faces)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner))


def read_actions(casting: Casting, assets: Assets | None, people: int) -> pd.DataFrame:
    """What the reader says of every action alone, at 0 and at every level: person, au, intensity, reading."""
    rows = []
    drive = one_at_a_time(LEVELS)
    reader = BlendshapeReader()
    with FaceFinder(video=False, max_faces=1) as finder:
        for person in range(people):
            rng = np.random.default_rng((SEED, 2, person))
            scene = sample_scene(rng, "studio", READ_SIZE, 1.0, assets)
            renderer = ClipRenderer(casting.sample(rng, assets), scene, staged_motion(drive), READ_SIZE, rng)
            read = []
            for k in range(len(drive)):
                faces = finder(Frame(renderer.frame(k), k, 0.0, "render"))
                read.append(readings(reader, faces[0].mesh_px if faces else None))
            for au in SEEN_AUS:
                column = SYNTH_AUS.index(au)
                for k in (0, *range(1 + len(LEVELS) * column, 1 + len(LEVELS) * (column + 1))):
                    value = renderer.labels.au_intensity[k, column]
                    rows.append((person, au, float(value), read[k][au], k % len(LEVELS) == 0))
            print(f"person {person + 1} of {people}", flush=True)
    return pd.DataFrame(rows, columns=["person", "au", "intensity", "reading", "extreme"])


def agreements(table: pd.DataFrame) -> list[dict[str, object]]:
    """Pearson r over people and levels, its median within people, and AUC of full strength against neutral."""
    rows = []
    for au, group in table.dropna().groupby("au"):
        within = [
            pearsonr(one["intensity"], one["reading"])[0] if one["reading"].std() > 1e-6 else 0.0
            for _, one in group.groupby("person")
            if len(one) > 2
        ]
        ends = group[group["extreme"]]
        values = {
            "r": (len(group), pearsonr(group["intensity"], group["reading"])[0]),
            "r_within": (len(group), np.median(within)),
            "auc": (len(ends), roc_auc_score(ends["intensity"] > 0.5, ends["reading"])),
        }
        for measure, (frames, value) in values.items():
            people = group["person"].nunique()
            rows.append(dict(measure=measure, name=au_label(int(au)), people=people, frames=frames, value=value))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", type=Path, required=True, help="folder or .npz of ICT Face Model Light")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--people", type=int, default=40, help="people for the agreement per action unit")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        casting = Casting(build_head(read_facekit(options.facekit)))
        assets = read_assets(options.assets) if options.assets else None
        rows = agreements(read_actions(casting, assets, options.people)) + found_shares(casting, assets)
    except UserError as error:
        print(f"render_evidence: {error}", file=sys.stderr)
        return 2
    table = pd.DataFrame(rows).assign(commit=source_commit())
    with write_atomically(options.out) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.4f", lineterminator="\n")
    print(table.drop(columns="commit").to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
