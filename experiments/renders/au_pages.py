"""The pictures of docs/aus/: each action unit alone on two people, at five levels, and on one side or turned.

    python experiments/renders/au_pages.py --facekit DIR --assets DIR

Writes docs/aus/img/auNN.webp for each action unit that is rendered, and CREDITS.md beside them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from contact_sheet import face_of
from PIL import Image

from actionunits.aus import INTENSITY_LETTERS, SYNTH_AUS, au_label
from actionunits.files import write_atomically
from actionunits.reports.contact_sheet import contact_sheet
from actionunits.synth.assets import Assets, read_assets, write_credits
from actionunits.synth.expressions import MEDIAL_AUS
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.person import Casting
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.synth.staged import one_at_a_time, staged_motion

PICTURES = Path(__file__).parents[2] / "docs" / "aus" / "img"
PEOPLE = (134, 51)  # without glasses, beard or hair over the brows, in even light
RENDERED_PX, SHOWN_PX, COLUMNS = 480, 200, 6
FACE_WIDTH = 0.94  # of the part that is shown, in lengths of the face
LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
TURN_DEG = 30.0  # to the person's own left
WEBP_QUALITY = 80


def staged_frames() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intensities of the left and of the right side, (T, A) each, and poses (T, 3) in degrees.

    The frames: neutral; each action unit at each level; on the left alone; on the right alone; neutral, turned; each
    action unit at the highest level, turned.
    """
    strongest = one_at_a_time()
    alone, nothing = strongest[1:], 0 * strongest[1:]
    left = np.vstack([one_at_a_time(LEVELS), alone, nothing, strongest])
    right = np.vstack([one_at_a_time(LEVELS), nothing, alone, strongest])
    pose = np.zeros((len(left), 3), np.float32)
    pose[-len(strongest) :, 1] = TURN_DEG
    return left, right, pose


def renderer_of(casting: Casting, assets: Assets, person: int) -> ClipRenderer:
    """One person in one light, with the frames of `staged_frames`."""
    rng = np.random.default_rng((1, person))
    scene = sample_scene(rng, "studio", RENDERED_PX, 1.0, assets)
    someone = casting.sample(rng, assets)
    left, right, pose = staged_frames()
    return ClipRenderer(someone, scene, staged_motion(left, right, pose_deg=pose), RENDERED_PX, rng)


def sheet_of(renderers: list[ClipRenderer], au: int) -> tuple[list[np.ndarray], list[str]]:
    """Pictures and captions: a row of levels for each person, then what each shows on one side, or turned."""
    k, count = SYNTH_AUS.index(au), len(SYNTH_AUS)
    first_level = 1 + k * len(LEVELS)
    one_sided = 1 + count * len(LEVELS)
    turned = one_sided + 2 * count
    images, captions = [], []
    for renderer in renderers:
        frames = [0, *range(first_level, first_level + len(LEVELS))]
        images += [shown(renderer, frame) for frame in frames]
        captions += ["neutral", *INTENSITY_LETTERS[1:]]
    for renderer in renderers:
        if au in MEDIAL_AUS:
            images += [shown(renderer, frame, turned) for frame in (turned, turned + 1 + k)]
            captions += ["turned, neutral", "turned, E"]
        else:
            images += [shown(renderer, one_sided + side * count + k) for side in (0, 1)]
            images.append(shown(renderer, turned + 1 + k, turned))
            captions += ["own left, E", "own right, E", "turned, E"]
    return images, captions


def shown(renderer: ClipRenderer, frame: int, box_of: int = 0) -> np.ndarray:
    """One picture of a page, SHOWN_PX x SHOWN_PX."""
    return face_of(renderer, frame, SHOWN_PX, box_of, FACE_WIDTH)


def write_sheet(images: list[np.ndarray], captions: list[str], path: Path) -> None:
    """The pictures as one WebP file."""
    with tempfile.TemporaryDirectory() as folder, write_atomically(path) as unfinished:
        sheet = Path(folder) / "sheet.png"
        contact_sheet(images, captions, sheet, COLUMNS)
        Image.open(sheet).save(unfinished, "WEBP", quality=WEBP_QUALITY, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", type=Path, required=True, help="folder or .npz of ICT Face Model Light")
    parser.add_argument("--assets", required=True, help="photographed skins, eyes and surroundings")
    parser.add_argument("--aus", type=int, nargs="+", default=SYNTH_AUS, choices=SYNTH_AUS)
    parser.add_argument("--out", type=Path, default=PICTURES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    casting = Casting(build_head(read_facekit(options.facekit)))
    assets = read_assets(options.assets)
    renderers = [renderer_of(casting, assets, person) for person in PEOPLE]
    for au in options.aus:
        path = options.out / f"{au_label(au).lower()}.webp"
        write_sheet(*sheet_of(renderers, au), path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)
    write_credits(options.out, {name for r in renderers for name in (*r.person.skin.sources, *r.scene.sources)})


if __name__ == "__main__":
    main()
