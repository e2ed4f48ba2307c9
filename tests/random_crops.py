"""Small training data whose labels can be seen."""

import dataclasses

import numpy as np

from actionunits.datasets.crops.crop_data import CropData, Rows
from actionunits.faces.mean_face import template_landmarks

AUS = (1, 4, 12)


def random_crops(
    rows: int, subjects: str, seed: int, size: int = 48, meshes: bool = True, points: bool = False
) -> CropData:
    """Noise with one bright patch per AU, as bright as the AU is intense, in a `synthau`-like CropData.

    points: with landmarks too, and with the first frame of every clip as its anchor.
    """
    generator = np.random.default_rng(seed)
    intensity = np.round(generator.uniform(0, 5, (rows, len(AUS))) * (generator.random((rows, len(AUS))) < 0.4), 1)
    intensity[::7] = 0
    images = generator.integers(60, 100, (rows, size, size, 3)).astype(np.uint8)
    mesh = generator.normal(0.5, 0.2, (1, 478, 3)) + generator.normal(0, 0.002, (rows, 478, 3))
    for a in range(len(AUS)):
        row = slice(8 + 12 * a, 16 + 12 * a)
        images[:, row, 8:40] += (intensity[:, a, None, None, None] * 30).astype(np.uint8)
        mesh[:, 300 + 10 * a : 310 + 10 * a, 1] += 0.01 * intensity[:, a, None]
    names = tuple(f"{subjects}{k}" for k in range(4))
    anchor = landmarks = None
    if points:
        anchor = Rows((images,), np.zeros(rows, np.int16), np.arange(rows) % 4)
        landmarks = (template_landmarks() + generator.normal(0, 0.01, (rows, 68, 2))).astype(np.float32)
    return CropData(
        aus=AUS,
        images=images,
        au_present=(intensity >= 1).astype(np.uint8),
        au_present_valid=generator.random((rows, len(AUS))) < 0.95,
        au_intensity=intensity.astype(np.float32),
        au_intensity_valid=generator.random((rows, len(AUS))) < 0.95,
        subject=(np.arange(rows) % 4).astype(np.int32),
        clip=(np.arange(rows) % 4).astype(np.int32),
        frame=(np.arange(rows) // 4).astype(np.int32),
        subjects=names,
        clips=tuple(f"clips/{name}_T1.mp4" for name in names),
        names=(f"random-{seed}",),
        mesh=mesh.astype(np.float16) if meshes else None,
        mesh_valid=generator.random(rows) < 0.8 if meshes else None,
        anchor=anchor,
        landmarks=landmarks,
    )


def random_people(
    rows: int = 160, subjects: int = 8, prefix: str = "S", seed: int = 1, points: bool = False
) -> CropData:
    """Random crops of several people, one clip each, without meshes."""
    data = random_crops(rows, prefix, seed, meshes=False, points=points)
    number = (np.arange(rows) % subjects).astype(np.int32)
    return dataclasses.replace(
        data,
        subject=number,
        clip=number,
        frame=(np.arange(rows) // subjects).astype(np.int32),
        subjects=tuple(f"random-{seed}/{prefix}{k}" for k in range(subjects)),
        clips=tuple(f"clips/{prefix}{k}_T1.mp4" for k in range(subjects)),
    )
