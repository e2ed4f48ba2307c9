"""The picture of docs/renders.md: every action unit alone on two people, and frames of rendered clips.

    python experiments/renders/contact_sheet.py --facekit DIR [--assets DIR]

Writes docs/img/renders.jpg.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from actionunits.aus import AUS, SYNTH_AUS
from actionunits.files import write_atomically
from actionunits.reports.contact_sheet import contact_sheet
from actionunits.synth.assets import Assets, read_assets
from actionunits.synth.facekit import read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.motion import sample_motion
from actionunits.synth.person import Casting
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.synth.staged import one_at_a_time, staged_motion

PICTURE = Path(__file__).parents[2] / "docs" / "img" / "renders.jpg"
SIZE, COLUMNS = 160, 7
SINGLE_PEOPLE = (3, 9)  # without glasses, beard or hair over the brows, so that every action can be seen
CLIPS_PER_LOOK = 2 * COLUMNS
JPEG_QUALITY = 76


def single_actions(casting: Casting, assets: Assets | None, person: int) -> tuple[list[np.ndarray], list[str]]:
    """A person's neutral face, every action at full strength, and two actions on one side."""
    alone = one_at_a_time()
    left = np.vstack([alone, alone[1 + SYNTH_AUS.index(12)], 0 * alone[0]])
    right = np.vstack([alone, 0 * alone[0], alone[1 + SYNTH_AUS.index(2)]])
    rng = np.random.default_rng((1, person))
    scene = sample_scene(rng, "studio", 2 * SIZE, 1.0, assets)
    renderer = ClipRenderer(casting.sample(rng, assets), scene, staged_motion(left, right), 2 * SIZE, rng)
    names = [f"{au} {AUS[au].name}" for au in SYNTH_AUS]
    captions = ["neutral", *names, "left 12", "right 2"]
    return [face_of(renderer, k) for k in range(len(captions))], captions


def face_of(renderer: ClipRenderer, frame: int, size: int = SIZE, box_of: int = 0, width: float = 1.12) -> np.ndarray:
    """The part of a frame around the face of frame `box_of`, size x size; `width` is in lengths of that face."""
    left, top, right, bottom = renderer.labels.box_xyxy_px[box_of]
    half = width / 2 * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(0, round(c - half)), round(c + half)) for c in (y, x))
    return cv2.resize(renderer.frame(frame)[rows, columns], (size, size), interpolation=cv2.INTER_AREA)


def clip_frames(casting: Casting, assets: Assets | None, look: str) -> tuple[list[np.ndarray], list[str]]:
    """The most expressive frame of clips of different people, with what its labels say."""
    images, captions = [], []
    for person in range(CLIPS_PER_LOOK):
        rng = np.random.default_rng((2, look == "wild", person))
        motion = sample_motion(rng, look, 12, 3.0)  # type: ignore[arg-type]
        scene = sample_scene(rng, look, SIZE, 4.0, assets)  # type: ignore[arg-type]
        renderer = ClipRenderer(casting.sample(rng, assets), scene, motion, SIZE, rng)
        intensity = renderer.labels.au_intensity
        k = int(intensity.sum(1).argmax())
        present = [str(au) for au, value in zip(SYNTH_AUS, intensity[k], strict=True) if value >= 1]
        images.append(renderer.frame(k))
        captions.append(f"{look} {' '.join(present)}".strip())
    return images, captions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", type=Path, required=True, help="folder or .npz of ICT Face Model Light")
    parser.add_argument("--assets", help="photographed skins, eyes and surroundings")
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    casting = Casting(build_head(read_facekit(options.facekit)))
    assets = read_assets(options.assets) if options.assets else None
    parts = [single_actions(casting, assets, person) for person in SINGLE_PEOPLE]
    parts += [clip_frames(casting, assets, look) for look in ("studio", "wild")]
    images = [image for images, _ in parts for image in images]
    captions = [caption for _, captions in parts for caption in captions]
    with tempfile.TemporaryDirectory() as folder, write_atomically(options.out) as unfinished:
        sheet = Path(folder) / "sheet.png"
        contact_sheet(images, captions, sheet, COLUMNS)
        # Noise is costly, and a page should open quickly.
        Image.open(sheet).save(unfinished, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
