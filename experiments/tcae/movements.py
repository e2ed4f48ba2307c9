"""What TCAE's two movements explain, on renders, which know how a face moved and how the head did.

    python experiments/tcae/movements.py CHECKPOINT [CHECKPOINT...] --facekit DIR [--assets DIR] [--people 60]

For each person four frames are rendered: face and head of frame a, of frame b, the face of b on the head of a, and
the face of a on the head of b; faces are action units, speech and gaze, heads are pose and place. The exact motion of
every visible point of the head gives, in registered crops, what moved because of the face alone, because of the head
alone, and both. A network sees frames a and b and says T^A and T^p (Fab-Net: one T).

*explains*: with M the true motion and T the network's, both in the crop, r^2 = (sum M.T)^2 / (sum M.M sum T.T) over
all visible points of all people: the share of the energy of M that T tells up to one common factor, 0 for unrelated
fields and 1 for equal ones. The motion of the face is also told of three regions apart, each with a factor of its
own: the landmarks of brows, lids or lips and what lies near them. *length*: mean length of T over the picture, in
half widths, as Fig. 5. *error*: mean distance of T's end from the true place over visible points of both, beside that
of no movement, in half widths. Intervals draw people with replacement, 95%. Writes results/tcae_movements.csv.

--picture FILE draws, of each look, the two people who move most: what the first network makes of frame a by each of
its movements, beside the renders that a perfect one would make.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch

from actionunits.evaluation.protocols import run_name
from actionunits.faces.align import register, similarity_transform
from actionunits.files import write_atomically
from actionunits.models.tcae.displacement import warp
from actionunits.reports.contact_sheet import contact_sheet
from actionunits.runtime.provenance import source_commit
from actionunits.scores.bootstrap import draw_subjects
from actionunits.synth.assets import Assets, read_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.motion import ClipMotion, sample_motion
from actionunits.synth.person import Casting
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.training.checkpoint import load_checkpoint

RESULTS = Path(__file__).parents[2] / "results" / "tcae_movements.csv"
SIZE_PX = 224
FILL = 0.8  # 20 cm in the face's depth over the width: little but the face is drawn
FPS, FRAMES = 3.0, 30
SEED = 20
LOOKS = ("studio", "wild")
# Frames of a quadruple: the face of one moment on the head of one.
SOURCE, TARGET, FACE_ALONE, HEAD_ALONE = range(4)
TRUE = {"face": FACE_ALONE, "head": HEAD_ALONE, "both": TARGET}
# Of the 68 landmarks, the parts of a region; and what counts as near, in widths of the crop.
REGIONS = {
    "brows": (range(17, 22), range(22, 27)),
    "lids": (range(36, 42), range(42, 48)),
    "mouth": (range(48, 68),),
}
NEAR = 0.05
CAPTIONS = ("a", "b", "the face of b, network", "rendered", "the head of b, network", "rendered")


@dataclasses.dataclass(frozen=True)
class Quadruple:
    """Two registered frames of a person, and the true motions."""

    pictures: list[np.ndarray]  # (S, S, 3) uint8 each, registered, in the order of SOURCE to HEAD_ALONE
    motion: dict[
        str, np.ndarray
    ]  # of TRUE: (S, S, 2), where the point at a pixel comes from in the source, half widths
    visible: dict[str, np.ndarray]  # of TRUE and of REGIONS, where the face alone moves: (S, S) bool


def quadruple_motion(rng: np.random.Generator, look: Any) -> ClipMotion:
    """Faces and heads of two moments of a drawn clip, in all four combinations."""
    clip = sample_motion(rng, look, FRAMES, FPS, "balanced")
    a, b = rng.choice(np.arange(1, FRAMES), 2, replace=False)
    face, head = [a, b, b, a], [a, b, a, b]
    return dataclasses.replace(
        clip,
        time_s=clip.time_s[:4],
        au_left=clip.au_left[face],
        au_right=clip.au_right[face],
        speech=clip.speech[face],
        gaze_deg=clip.gaze_deg[face],
        pose_deg=clip.pose_deg[head],
        position=clip.position[head],
    )


def true_motion(renderer: ClipRenderer, to: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the registered frame `to` comes from in the registered source, and where that is known."""
    points = renderer.labels.landmarks_px
    there, source = (similarity_transform(points[k], size) for k in (to, SOURCE))
    flow, visible = renderer.flow(to, SOURCE)
    inverse = cv2.invertAffineTransform(there)
    # Exact motion belongs to a pixel of the frame: the nearest one, since a mean over an outline would be of nobody.
    place = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).astype(np.float64)
    in_frame = place @ inverse[:, :2].T + inverse[:, 2]
    column, row = np.round(in_frame).astype(int).clip(0, SIZE_PX - 1).transpose(2, 0, 1)
    before = in_frame + flow[row, column]
    inside = ((in_frame >= 0) & (in_frame <= SIZE_PX - 1)).all(-1)
    return (before @ source[:, :2].T + source[:, 2] - place) * 2 / size, visible[row, column] & inside


def regions(renderer: ClipRenderer, size: int) -> dict[str, np.ndarray]:
    """Where brows, lids and mouth are in the registered frame whose face alone has moved, (S, S) bool each."""
    points = renderer.labels.landmarks_px[FACE_ALONE]
    matrix = similarity_transform(points, size)
    points = np.round(points @ matrix[:, :2].T + matrix[:, 2]).astype(np.int32)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(NEAR * size) + 1,) * 2)
    found = {}
    for name, parts in REGIONS.items():
        inside = np.zeros((size, size), np.uint8)
        for part in parts:
            cv2.fillConvexPoly(inside, cv2.convexHull(points[list(part)]), 1)
        found[name] = cv2.dilate(inside, near) > 0
    return found


def render_quadruples(facekit: Path, assets: Assets | None, look: Any, people: int, size: int) -> list[Quadruple]:
    """One quadruple of each person, the same ones for every network."""
    casting = Casting(build_head(read_facekit(facekit)))
    found = []
    for k in range(people):
        rng = np.random.default_rng((SEED, LOOKS.index(look), k))
        scene = dataclasses.replace(sample_scene(rng, look, SIZE_PX, 2.0, assets), occluders=(), fill=FILL)
        renderer = ClipRenderer(casting.sample(rng, assets), scene, quadruple_motion(rng, look), SIZE_PX, rng)
        crops = [register(renderer.frame(n), renderer.labels.landmarks_px[n], size) for n in range(4)]
        true = {name: true_motion(renderer, frame, size) for name, frame in TRUE.items()}
        visible = {name: seen for name, (_, seen) in true.items()}
        visible |= {name: inside & visible["face"] for name, inside in regions(renderer, size).items()}
        found.append(Quadruple(crops, {name: moved for name, (moved, _) in true.items()}, visible))
    return found


def movements(model: Any, quadruple: Quadruple) -> dict[str, np.ndarray]:
    """The network's displacements (S, S, 2): "au", "pose" and their integration "both"; Fab-Net has "both" alone."""

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255

    with torch.inference_mode():
        pair = model.pair(*(tensor(quadruple.pictures[n]) for n in (SOURCE, TARGET)))
    if pair.pose is None:
        return {"both": pair.au.displacement[0].numpy()}
    both = torch.lerp(pair.pose.displacement, pair.au.displacement, pair.mask[..., None])
    named = {"au": pair.au.displacement, "pose": pair.pose.displacement, "both": both}
    return {name: value[0].numpy() for name, value in named.items()}


def explained_rows(model: Any, quadruples: list[Quadruple]) -> list[dict[str, Any]]:
    """Explained share of every true motion by every movement, with its interval; lengths and errors."""
    said = [movements(model, q) for q in quadruples]
    draws = np.concatenate([np.ones((1, len(said)), int), draw_subjects(len(said), 1000, 0)])
    rows: list[dict[str, Any]] = []

    def add(movement: str, measured: str, values: np.ndarray) -> None:
        low, high = np.percentile(values[1:], (2.5, 97.5))
        rows.append({"movement": movement, "measured": measured, "value": values[0], "low": low, "high": high})

    for name in said[0]:
        for true in (*TRUE, *REGIONS):
            sums = []
            for own, q in zip(said, quadruples, strict=True):
                t, m = own[name][q.visible[true]], q.motion[true if true in TRUE else "face"][q.visible[true]]
                sums.append([(m * t).sum(), (m * m).sum(), (t * t).sum()])
            mt, mm, tt = (draws @ np.array(sums)).T
            add(name, f"explains {true}", mt**2 / (mm * tt))
        length = np.array([np.linalg.norm(own[name], axis=-1).mean() for own in said])
        add(name, "length", draws @ length / len(said))
    ends = []
    for own, q in zip(said, quadruples, strict=True):
        m = q.motion["both"][q.visible["both"]]
        left = np.linalg.norm(m - own["both"][q.visible["both"]], axis=-1).mean()
        ends.append([left, np.linalg.norm(m, axis=-1).mean()])
    left, none = (draws @ np.array(ends) / len(ends)).T
    add("both", "error", left)
    add("none", "error", none)
    if "au" in said[0]:
        lengths = {n: draws @ np.array([np.linalg.norm(own[n], axis=-1).mean() for own in said]) for n in said[0]}
        add("pose / au", "length", lengths["pose"] / lengths["au"])
    return rows


def draw(model: Any, quadruples: list[Quadruple], out: Path) -> None:
    """Write the picture of those quadruples whose faces and heads move most, two of each look."""

    def way(q: Quadruple) -> float:
        return min(np.linalg.norm(q.motion[name][q.visible[name]], axis=-1).mean() for name in ("face", "head"))

    chosen: list[Quadruple] = []
    for start in range(0, len(quadruples), len(quadruples) // len(LOOKS)):
        chosen += sorted(quadruples[start : start + len(quadruples) // len(LOOKS)], key=way)[-2:]
    pictures: list[np.ndarray] = []
    for q in chosen:
        source = torch.from_numpy(q.pictures[SOURCE]).permute(2, 0, 1)[None].float() / 255
        moved = movements(model, q)
        made = {name: warp(source, torch.from_numpy(moved[name])[None])[0] for name in ("au", "pose")}
        own = {name: (picture.permute(1, 2, 0) * 255).round().byte().numpy() for name, picture in made.items()}
        frame, other, face, head = (q.pictures[n] for n in (SOURCE, TARGET, FACE_ALONE, HEAD_ALONE))
        pictures += [frame, other, own["au"], face, own["pose"], head]
    captions = [""] * (len(pictures) - len(CAPTIONS)) + list(CAPTIONS)
    contact_sheet(pictures, captions, out, len(CAPTIONS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--facekit", type=Path, required=True)
    parser.add_argument("--assets", type=Path, help="photographed skins, eyes and surroundings")
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--picture", type=Path, help="what the first network makes of some people")
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {run_name(path): load_checkpoint(path) for path in options.checkpoints}
    (size,) = {loaded.model.config.image_size for loaded in models.values()}
    assets = read_assets(options.assets) if options.assets else None
    rows = []
    drawn: list[Quadruple] = []
    for look in LOOKS:
        quadruples = render_quadruples(options.facekit, assets, look, options.people, size)
        drawn += quadruples
        for name, loaded in models.items():
            variant = loaded.model.config.variant
            about = {
                "look": look,
                "run": name,
                "variant": variant,
                "people": options.people,
                "commit": source_commit(),
            }
            rows += [about | row for row in explained_rows(loaded.model, quadruples)]
    if options.picture:
        draw(next(iter(models.values())).model, drawn, options.picture)
    table = pd.DataFrame(rows)
    with write_atomically(options.out) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
