"""Renders straight to registered crops with labels, without files: for training that never runs out of people.

A person's frames depend on the plan and the person's number alone. In every `mesh_every`-th frame the crop is placed
by the finder's points, as it is in detection, and in the others by the renderer's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import STORED_MARGIN, CropData
from actionunits.datasets.crops.found_mesh import found_mesh, in_own_crop
from actionunits.faces.align import register
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mesh import MeshReader
from actionunits.files import write_atomically
from actionunits.synth.assets import read_assets
from actionunits.synth.dataset import PRESENT_FROM
from actionunits.synth.motion import Look, Rates, sample_motion
from actionunits.synth.people import casting_of
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.types import MESH_POINTS

LOOKS: tuple[Look, Look] = ("studio", "wild")
CLIP_FPS = 3.0  # frames of a clip are far enough apart in time to differ
STREAM = 7  # of random numbers, so that no data set of clips has the same people
JPEG_SHARE, JPEG_QUALITY = 0.4, (25, 95)  # of the people whose pictures went through a file, and its quality


@dataclass(frozen=True)
class FreshPlan:
    """What every person of a run shows."""

    facekit: str  # folder or file of the face model
    seed: int
    crop_size: int  # stored width, margin included, pixels
    assets: str | None = None  # folder of photographed skins, eyes and surroundings
    frames: int = 10  # of each person
    wild_share: float = 0.6  # of the people; the others have the studio look
    rates: Rates = "balanced"
    sizes_px: tuple[int, int] = (96, 192)  # width of the pictures, drawn evenly on a logarithmic scale
    fill: tuple[float, float] = (0.7, 0.82)  # 20 cm in the face's depth over the width: little but the face is drawn
    mesh_every: int = 3

    @property
    def digest(self) -> str:
        """Short name of all that a person's frames depend on besides the number."""
        assets = read_assets(self.assets).fingerprint if self.assets else None
        told = json.dumps(asdict(replace(self, facekit="", assets=assets)), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def person_name(self, number: int) -> str:
        """Name of a person; no other seed has one of the same name, nor has a data set of clips."""
        return f"F{self.seed}-{number:06d}"


@dataclass(frozen=True)
class FreshRows:
    """Frames of one person; A is the length of SYNTH_AUS."""

    images: np.ndarray  # (N, S, S, 3) uint8 RGB, registered with margin
    mesh: np.ndarray  # (N, 478, 3) float16, 0-1 spans the stored crop; 0 where not valid
    mesh_valid: np.ndarray  # (N,) bool
    landmarks: np.ndarray  # (N, 68, 2) float32, 0-1 spans the stored crop
    au_sides: np.ndarray  # (N, A, 2) float32, 0-5: the person's own left and right


@lru_cache(maxsize=1)
def _mesh_reader() -> MeshReader:
    return MeshReader()


def render_person(plan: FreshPlan, number: int) -> FreshRows:
    """All frames of one person."""
    rng = np.random.default_rng((plan.seed, STREAM, number))
    look = LOOKS[int(rng.random() < plan.wild_share)]
    size = 2 * round(2 ** rng.uniform(*np.log2(plan.sizes_px)) / 2)
    quality = int(rng.integers(*JPEG_QUALITY)) if rng.random() < JPEG_SHARE else None
    assets = read_assets(plan.assets) if plan.assets else None
    person = casting_of(plan.facekit).sample(rng, assets)
    motion = sample_motion(rng, look, plan.frames, CLIP_FPS, plan.rates)
    scene = sample_scene(rng, look, size, plan.frames / CLIP_FPS, assets)
    scene = replace(scene, fill=rng.uniform(*plan.fill))
    renderer = ClipRenderer(person, scene, motion, size, rng)
    labels = renderer.labels
    images = np.empty((plan.frames, plan.crop_size, plan.crop_size, 3), np.uint8)
    mesh, valid = np.zeros((plan.frames, MESH_POINTS, 3), np.float16), np.zeros(plan.frames, bool)
    landmarks = np.empty((plan.frames, 68, 2), np.float32)
    for k in range(plan.frames):
        picture, points = _from_file(renderer.frame(k), quality), labels.landmarks_px[k]
        found = found_mesh(_mesh_reader(), picture, points) if k % plan.mesh_every == 0 else None
        if found is not None:
            points = landmarks_from_mesh(found)
            mesh[k], valid[k] = in_own_crop(found, points, plan.crop_size, STORED_MARGIN), True
        images[k] = register(picture, points, plan.crop_size, STORED_MARGIN)
        landmarks[k] = in_own_crop(points, points, plan.crop_size, STORED_MARGIN)
    return FreshRows(images, mesh, valid, landmarks, np.stack([labels.au_left, labels.au_right], -1))


def kept_person(plan: FreshPlan, folder: Path | None, number: int) -> FreshRows:
    """`render_person`, from its file in `folder` where there is one, or else into it; None: no files.

    A file is of the code that rendered it: another renderer wants another folder.
    """
    if folder is None:
        return render_person(plan, number)
    path = folder / f"{plan.digest}-{number:06d}.npz"
    if path.is_file():
        with np.load(path) as stored:
            return FreshRows(**stored)
    rows = render_person(plan, number)
    with write_atomically(path) as partial, open(partial, "wb") as file:
        np.savez(file, **{field.name: getattr(rows, field.name) for field in fields(rows)})
    return rows


def _from_file(picture_rgb: np.ndarray, quality: int | None) -> np.ndarray:
    """The picture as it comes back from a JPEG file of this quality."""
    if quality is None:
        return picture_rgb
    _, content = cv2.imencode(".jpg", picture_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def as_crop_data(plan: FreshPlan, numbers: Sequence[int], people: Sequence[FreshRows]) -> CropData:
    """Frames of several people as data that models are judged on."""
    sides = np.concatenate([rows.au_sides for rows in people])
    intensity = sides.max(-1)
    known = np.ones(intensity.shape, bool)
    person = np.repeat(np.arange(len(people), dtype=np.int32), [len(rows.images) for rows in people])
    names = tuple(plan.person_name(number) for number in numbers)
    return CropData(
        aus=SYNTH_AUS,
        images=np.concatenate([rows.images for rows in people]),
        au_present=(intensity >= PRESENT_FROM).astype(np.uint8),
        au_present_valid=known,
        au_intensity=intensity,
        au_intensity_valid=known,
        subject=person,
        clip=person,
        frame=np.concatenate([np.arange(len(rows.images), dtype=np.int32) for rows in people]),
        subjects=names,
        clips=names,
        names=(f"fresh-{plan.seed}",),
        mesh=np.concatenate([rows.mesh for rows in people]),
        mesh_valid=np.concatenate([rows.mesh_valid for rows in people]),
        landmarks=np.concatenate([rows.landmarks for rows in people]),
        au_sides=sides,
    )


def kept_crop_data(plan: FreshPlan, numbers: Sequence[int], folder: Path | None) -> CropData:
    """`as_crop_data` of people, each as of `kept_person`."""
    with ThreadPoolExecutor(2) as pool:  # rendering lets other threads run
        return as_crop_data(plan, numbers, list(pool.map(partial(kept_person, plan, folder), numbers)))
