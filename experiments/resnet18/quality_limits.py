"""What small, blurred and dark faces cost: where the limits of detection/quality.py come from.

    python experiments/resnet18/quality_limits.py

Detects frames of data/synthau-mini as they are, and made smaller, blurred or darker, and writes F1 of the decisions
to results/quality_limits.csv. Takes about three minutes on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.detection import quality
from actionunits.detection.detector import Detector
from actionunits.faces.align import register
from actionunits.media import open_media
from actionunits.runtime.provenance import source_commit
from actionunits.scores import metrics
from actionunits.types import Frame

ROOT = Path(__file__).parents[2]
DATA, OUT = ROOT / "data" / "synthau-mini", ROOT / "results" / "quality_limits.csv"
EVERY, FIRST = 9, 4  # frames of each person's first clip
SENSOR_NOISE = 2.0  # grey levels, which do not get darker with the light
Change = Callable[[np.ndarray], np.ndarray]


def pictures(aus: tuple[int, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames and the presence of every action unit in them."""
    for look in ("studio", "wild"):
        table = pd.read_parquet(DATA / look / "frames.parquet")
        for clip, rows in table[table["task"] == "T1"].groupby("clip", sort=True):
            labels = rows[[au_label(au) for au in aus]].to_numpy()
            with open_media(DATA / look / str(clip)) as media:
                for frame in media:
                    if frame.index % EVERY == FIRST:
                        yield frame.image_rgb, labels[frame.index]


def smaller(factor: float) -> Change:
    return lambda image: cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def blurred(sigma_px: float) -> Change:
    return lambda image: cv2.GaussianBlur(image, (0, 0), sigma_px)


def darker(share: float) -> Change:
    def change(image: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(0, SENSOR_NOISE, image.shape)
        return np.clip(image * share + noise, 0, 255).astype(np.uint8)

    return change


def measured(detector: Detector, images: list[np.ndarray], present: np.ndarray) -> dict[str, float]:
    """Share of found faces, medians of what the limits are of, and F1 over the frames with a face."""
    frames = (Frame(image, k, 0.0, "render") for k, image in enumerate(images))
    called, rows, looks = [], [], []
    for k, result in enumerate(detector.stream_frames(frames, video=False)):
        if not result.faces:
            continue
        face = result.faces[0]
        crop = register(images[k], face.landmarks_px, detector.image_size)
        grey = quality.middle(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32))
        looks.append((quality.eye_distance_px(face), quality.sharpness(grey, len(crop)), grey.mean()))
        called.append(result.predictions[0].au_present)
        rows.append(k)
    known = np.ones((len(rows), present.shape[1]), bool)
    f1 = metrics.mean_over_aus(metrics.f1(present[rows], np.array(called), known))
    eyes, detail, light = np.median(looks, axis=0)
    return {
        "found": len(rows) / len(images),
        "eye_distance_px": eyes,
        "detail": detail,
        "grey_level": light,
        "f1": f1,
    }


def main() -> int:
    detector = Detector(max_faces=1)
    images, labels = zip(*pictures(detector.aus), strict=True)
    changes: list[tuple[str, Change]] = [("as they are", lambda image: image)]
    changes += [("smaller", smaller(factor)) for factor in (0.5, 0.35, 0.25, 0.18)]
    changes += [("blurred", blurred(sigma)) for sigma in (1.0, 2.0, 3.0, 4.5)]
    changes += [("darker", darker(share)) for share in (0.4, 0.2, 0.1, 0.05)]
    rows = []
    for name, change in changes:
        changed = [np.ascontiguousarray(change(image)) for image in images]
        rows.append({"change": name, "frames": len(images)} | measured(detector, changed, np.array(labels)))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows).assign(commit=source_commit())
    table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
