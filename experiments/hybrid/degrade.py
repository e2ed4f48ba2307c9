"""The same clips in worse pictures: noise, blur, low resolution, and things before the face.

    python experiments/temporal/degrade.py out/clips/test out/clips/test-worse

Every clip has one to three of these, the same in all of its frames; a thing comes before the face now and then.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from actionunits.datasets.crops.synthau import read_info
from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.media.writer import VideoWriter

NOISE, BLUR_PX, SMALLER = (6.0, 25.0), (0.6, 1.6), (1.5, 2.5)
COVERED_FRAMES = (8, 30)  # of each time that something is before the face
COVER_SHARE = 0.2  # of the frames
KINDS = ("noise", "blur", "low resolution", "covered")


def worse(frames: list[np.ndarray], boxes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Frames (H, W, 3) uint8 with what a clip has been dealt; boxes: (T, 4) of the face, pixels."""
    dealt = set(rng.choice(KINDS, size=rng.integers(1, 4), replace=False))
    noise, blur, smaller = (rng.uniform(*limits) for limits in (NOISE, BLUR_PX, SMALLER))
    covers = _covers(len(frames), rng) if "covered" in dealt else np.full((len(frames), 5), np.nan)
    made = []
    for picture, box, cover in zip(frames, boxes, covers, strict=True):
        size = picture.shape[1::-1]
        if np.isfinite(cover[0]):
            picture = _covered(picture, box, cover)
        if "low resolution" in dealt:
            small = cv2.resize(picture, [round(side / smaller) for side in size], interpolation=cv2.INTER_AREA)
            picture = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
        if "blur" in dealt:
            picture = cv2.GaussianBlur(picture, (0, 0), blur)
        if "noise" in dealt:
            noisy = picture + noise * rng.standard_normal(picture.shape)
            picture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        made.append(picture)
    return made


def _covers(count: int, rng: np.random.Generator) -> np.ndarray:
    """Of each frame, place and size of a thing as shares of the face, and its grey; NaN where there is none."""
    covers = np.full((count, 5), np.nan)
    while np.isfinite(covers[:, 0]).mean() < COVER_SHARE:
        begin, length = rng.integers(count), rng.integers(*COVERED_FRAMES)
        covers[begin : begin + length] = [*rng.uniform(0, 0.7, 2), *rng.uniform(0.25, 0.5, 2), rng.uniform(30, 200)]
    return covers


def _covered(picture: np.ndarray, box: np.ndarray, cover: np.ndarray) -> np.ndarray:
    corner, extent = box[:2], box[2:] - box[:2]
    left, top = np.round(corner + cover[:2] * extent).astype(int)
    right, bottom = np.round(corner + (cover[:2] + cover[2:4]) * extent).astype(int)
    picture = picture.copy()
    picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = round(cover[4])
    return picture


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="renders")
    parser.add_argument("out", type=Path, help="folder to write")
    options = parser.parse_args()
    try:
        info = read_info(options.folder)
        table = pd.read_parquet(options.folder / "frames.parquet")
        (options.out / "clips").mkdir(parents=True)
        for name in ("dataset.json", "frames.parquet"):
            shutil.copy(options.folder / name, options.out)
        edges = [f"box_{edge}_px" for edge in ("left", "top", "right", "bottom")]
        for number, (name, rows) in enumerate(table.groupby("clip", observed=True)):
            with open_media(options.folder / str(name)) as media:
                frames = [frame.image_rgb for frame in media]
            boxes = rows.sort_values("frame")[edges].to_numpy()
            size = (frames[0].shape[1], frames[0].shape[0])
            with VideoWriter(options.out / str(name), size, fps=float(info["fps"]), crf=20) as video:
                for picture in worse(frames, boxes, np.random.default_rng((info["seed"], number))):
                    video.write(picture)
    except (UserError, OSError) as error:
        print(f"degrade: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
