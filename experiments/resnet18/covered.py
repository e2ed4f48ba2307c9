"""How surely something before a face is noticed: the weights of detection/covered.py and the limit of `covered`.

    python experiments/resnet18/covered.py --facekit DIR --assets DIR --faces DIR

Renders people with nothing before their faces, with the renderer's own hands and objects, and with those of
covers.py. Fits a logistic regression to them and to copies in other light. The constant is set so that one in a
hundred faces with nothing before them, of people who were held out, lies above 0. Writes the weights, and to
results/covered.csv which share is noticed of renders (people held out) and of photographs (a folder of coded faces,
none of which is learned from): at the limit, and at limits of 5% of the faces with nothing before them, beside three
simple signals. The last columns have F1 of the released detector on frames of data/synthau-mini behind each cover.
Takes about 20 minutes on two free cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from covers import COVERS, Layout
from quality_limits import pictures
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from actionunits.detection.coded_faces import middle_face
from actionunits.detection.covered import WEIGHTS, appearance
from actionunits.detection.detector import Detector
from actionunits.evaluation.coded_faces import read_coded_faces
from actionunits.faces import FaceFinder
from actionunits.faces.align import CROP_SIZE, cut_out, similarity_transform, transform_points
from actionunits.faces.mirror import MESH_MIRROR
from actionunits.media import read_image
from actionunits.runtime.provenance import source_commit
from actionunits.scores import metrics
from actionunits.synth.assets import read_assets
from actionunits.synth.motion import sample_motion
from actionunits.synth.people import casting_of
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_occluder, sample_scene
from actionunits.types import Face, Frame

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "covered.csv"
SEED, SIZE, FRAMES, FPS = 4242, 192, 64, 8.0
PLAIN_FRAMES, COVERED_FRAMES, COVERS_OF_FRAME = (6, 27, 48), (6, 48), 3
NOTHING, DRAWN = "nothing", "hand or object of the renderer"
LEAST_COVERED = 0.08  # of the face: less hides nothing to speak of
FALSE_ALARMS, COMPARED_AT = 0.01, 0.05
STRENGTH, FOLDS, COPIES = 1e-3, 5, {True: 1, False: 4}  # copies of covered faces and of others
SCORED_EVERY = 3  # of the frames of quality_limits.py
CHEEKS_NOSE_FOREHEAD_CHIN = (50, 205, 280, 425, 4, 197, 9, 151, 199, 175)  # points of the mesh


@dataclass(frozen=True)
class Shown:
    """One face with something or nothing before it."""

    data: str
    person: str
    kind: str
    share: float  # of the face that is covered
    crop: np.ndarray  # (112, 112, 3) uint8
    mesh: np.ndarray  # (478, 3) float32, 0-1 spans the crop
    confidence: float


class Shower:
    """Finds faces as detection does."""

    def __init__(self) -> None:
        self._finder = FaceFinder(video=False)

    def faces(self, image: np.ndarray) -> list[Face]:
        return self._finder(Frame(image, 0, 0.0, "picture"))

    def shown(
        self, data: str, person: str, kind: str, image: np.ndarray, plain: np.ndarray, landmarks_px: np.ndarray
    ) -> Iterator[Shown]:
        """The face at the landmarks, unless it is not found. plain: the picture with nothing before the face."""
        place, width = landmarks_px.mean(0), np.ptp(landmarks_px[:, 0])
        near = [face for face in self.faces(image) if np.linalg.norm(face.landmarks_px.mean(0) - place) < width / 2]
        region = Layout(landmarks_px).region(image.shape, landmarks_px)
        share = float((np.abs(image.astype(int) - plain).max(2)[region] > 12).mean())
        if near and (kind == NOTHING or share >= LEAST_COVERED):
            matrix = similarity_transform(near[0].landmarks_px, CROP_SIZE)
            mesh_px = near[0].mesh_px
            assert mesh_px is not None
            crop, mesh = cut_out(image, matrix, CROP_SIZE), (transform_points(mesh_px, matrix) + 0.5) / CROP_SIZE
            yield Shown(data, person, kind, share, crop, mesh, near[0].confidence)


def of_renders(facekit: str, assets_folder: str, people: int) -> Iterator[Shown]:
    """People of the wild look."""
    shower, casting, assets = Shower(), casting_of(facekit), read_assets(assets_folder)
    for number in range(people):
        person = casting.sample(np.random.default_rng((SEED, number)), assets)
        rng = np.random.default_rng((SEED, number, 1))
        motion = sample_motion(rng, "wild", FRAMES, FPS, "published", "anywhere")
        scene = replace(sample_scene(rng, "wild", SIZE, FRAMES / FPS, assets), occluders=())
        dice = np.random.default_rng((SEED, number, 2))
        thing = replace(sample_occluder(dice, FRAMES / FPS), begin_s=-FRAMES, end_s=FRAMES)
        noise = int(rng.integers(2**63))
        plain, drawn = (
            ClipRenderer(person, each, motion, SIZE, np.random.default_rng(noise))
            for each in (scene, replace(scene, occluders=(thing,)))
        )
        for k in PLAIN_FRAMES:
            image, landmarks_px = plain.frame(k), plain.labels.landmarks_px[k]
            seen = {NOTHING: image}
            if k in COVERED_FRAMES:
                seen[DRAWN] = drawn.frame(k)
                for kind in dice.choice(list(COVERS), COVERS_OF_FRAME, replace=False).tolist():
                    seen[kind] = COVERS[kind](image, Layout(landmarks_px), dice)
            for kind, picture in seen.items():
                yield from shower.shown("renders", str(number), kind, picture, image, landmarks_px)
        print(f"person {number + 1} of {people}", file=sys.stderr, flush=True)


def of_photographs(folder: Path) -> Iterator[Shown]:
    """Coded faces as they are, and behind every cover."""
    shower, coded = Shower(), read_coded_faces(folder)
    for number, (name, path) in enumerate(zip(coded.ids, coded.pictures, strict=True)):
        image = read_image(path)
        found = shower.faces(image)
        middle = middle_face(Frame(image, 0, 0.0, name), found)
        if middle is None:
            continue
        landmarks_px = found[middle].landmarks_px
        dice = np.random.default_rng((SEED, number))
        seen = {kind: cover(image, Layout(landmarks_px), dice) for kind, cover in COVERS.items()}
        for kind, picture in ({NOTHING: image} | seen).items():
            yield from shower.shown("photographs", name, kind, picture, image, landmarks_px)


def in_other_light(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop with another exposure and colour of light, light from a side, no colour, blur or noise."""
    light = (crop.astype(np.float32) / 255) ** rng.uniform(0.6, 1.7) * rng.uniform(0.45, 1.2)
    light *= 1 + rng.uniform(-0.12, 0.12, 3).astype(np.float32)
    angle, along = rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, CROP_SIZE)
    side = np.add.outer(along * np.sin(angle), along * np.cos(angle)) * rng.uniform(0, 0.7)
    light *= np.exp(side)[..., None].astype(np.float32)
    if rng.random() < 0.15:
        light[:] = light.mean(2, keepdims=True)
    if rng.random() < 0.3:
        light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.5, 1.3))
    light = light + rng.uniform(0, 0.03) * rng.standard_normal(light.shape)
    return (np.clip(light, 0, 1) * 255).astype(np.uint8)


def learned(faces: Sequence[Shown]) -> np.ndarray:
    """Weights and constant, (1601,), of the log-odds that something is before a face."""
    rng, values, covered = np.random.default_rng(SEED), [], []
    for face in faces:
        is_covered = face.kind != NOTHING
        copies = [in_other_light(face.crop, rng) for _ in range(COPIES[is_covered])]
        values += [appearance(crop, face.mesh) for crop in (face.crop, *copies)]
        covered += [is_covered] * (1 + len(copies))
    regression = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300)
    fitted = make_pipeline(StandardScaler(), regression).fit(np.array(values), covered)
    scaler = fitted[0]
    weights = regression.coef_[0] / scaler.scale_
    return np.append(weights, regression.intercept_[0] - weights @ scaler.mean_)


def logits(faces: Sequence[Shown], weights: np.ndarray) -> np.ndarray:
    return np.array([appearance(face.crop, face.mesh) @ weights[:-1] + weights[-1] for face in faces])


def held_out(faces: Sequence[Shown]) -> np.ndarray:
    """Log-odds of every face by weights that were fitted without its person."""
    people = sorted({face.person for face in faces})
    fold = {person: k % FOLDS for k, person in enumerate(np.random.default_rng(SEED).permutation(people).tolist())}
    found = np.zeros(len(faces))
    for k in range(FOLDS):
        mine = np.array([fold[face.person] == k for face in faces])
        weights = learned([face for face, is_mine in zip(faces, mine, strict=True) if not is_mine])
        found[mine] = logits([face for face, is_mine in zip(faces, mine, strict=True) if is_mine], weights)
    return found


def simple_signals(face: Shown) -> dict[str, float]:
    """What else may tell that something is before a face; higher is more so."""
    lab = cv2.cvtColor(cv2.GaussianBlur(face.crop, (0, 0), 2.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    points = (face.mesh[None, :, :2] * CROP_SIZE - 0.5).astype(np.float32)
    colours = cv2.remap(lab, points, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    parts = colours[list(CHEEKS_NOSE_FOREHEAD_CHIN), 1:]
    return {
        "finder": -face.confidence,
        "skin": float(np.linalg.norm(parts - np.median(parts, 0), axis=1).max()),
        "halves": float(np.quantile(np.abs(colours - colours[MESH_MIRROR]).mean(1), 0.9)),
    }


def brightness(face: Shown) -> float:
    return float(np.median(cv2.cvtColor(face.crop, cv2.COLOR_RGB2GRAY)[28:84, 28:84]))


def rows_of(faces: Sequence[Shown], found: np.ndarray) -> list[dict[str, object]]:
    """Of every kind of cover, and of faces with nothing before them from dark to bright, which share is noticed."""
    kinds, plain = np.array([face.kind for face in faces]), np.array([face.kind == NOTHING for face in faces])
    signals = pd.DataFrame([simple_signals(face) for face in faces]).assign(learned=found)
    above = signals > signals[plain].quantile(1 - COMPARED_AT)
    light = np.array([brightness(face) for face in faces])
    fifth = np.digitize(light, np.quantile(light[plain], [0.2, 0.4, 0.6, 0.8]))
    groups = {kind: kinds == kind for kind in (NOTHING, *sorted({*kinds} - {NOTHING}))}
    groups["all of these"] = ~plain
    groups |= {f"nothing, fifth {k + 1} of 5 from dark to bright": plain & (fifth == k) for k in range(5)}
    return [
        {
            "data": faces[0].data,
            "before_the_face": name,
            "faces": int(rows.sum()),
            "covered_share": float(np.median([faces[k].share for k in np.flatnonzero(rows)])),
            "noticed": float((found[rows] > 0).mean()),
            **{f"{signal}_at_5": float(above.loc[rows, signal].mean()) for signal in signals},
        }
        for name, rows in groups.items()
    ]


def scores_behind(cover: str) -> dict[str, float]:
    """F1 of the released detector where a cover is before every face, and which share of the frames is flagged."""
    detector, shower, dice = Detector(max_faces=1), Shower(), np.random.default_rng(SEED)
    images, labels = [], []
    for image, present in list(pictures(detector.aus))[::SCORED_EVERY]:
        found = shower.faces(image)
        if found:
            landmarks_px = found[0].landmarks_px
            images.append(image if cover == NOTHING else COVERS[cover](image, Layout(landmarks_px), dice))
            labels.append(present)
    frames = (Frame(image, k, 0.0, "render") for k, image in enumerate(images))
    results = list(enumerate(detector.stream_frames(frames, video=False)))
    told = [(labels[k], result.predictions[0].au_present) for k, result in results if result.faces]
    present, called = (np.array(each) for each in zip(*told, strict=True))
    return {"f1": metrics.mean_over_aus(metrics.f1(present, called, np.ones_like(called, bool)))}


def noticed(options: argparse.Namespace) -> pd.DataFrame:
    """Fit and write the weights; which share of covered faces they notice."""
    rendered = list(of_renders(options.facekit, options.assets, options.people))
    found = held_out(rendered)
    limit = float(np.quantile(found[[face.kind == NOTHING for face in rendered]], 1 - FALSE_ALARMS))
    weights = learned(rendered)
    weights[-1] -= limit
    np.save(WEIGHTS, weights.astype(np.float32))
    rows = rows_of(rendered, found - limit)
    if options.faces is not None:
        photographs = list(of_photographs(options.faces))
        rows += rows_of(photographs, logits(photographs, weights))
    return pd.DataFrame(rows).assign(commit=source_commit())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facekit", required=True, help="folder of the face model")
    parser.add_argument("--assets", required=True, help="folder of photographed skins, eyes and surroundings")
    parser.add_argument("--faces", type=Path, help="folder of coded faces")
    parser.add_argument("--people", type=int, default=140, help="people to render")
    parser.add_argument("--scores-only", action="store_true", help="F1 of new weights of the detector, nothing else")
    options = parser.parse_args()
    table = pd.read_csv(OUT) if options.scores_only else noticed(options)
    scores = {kind: scores_behind(kind)["f1"] for kind in (NOTHING, *COVERS)}
    table["f1"] = table["before_the_face"].map(scores).where(table["data"] == "renders")
    table["f1_commit"] = source_commit()
    print(table.round(3).to_string(index=False))
    table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
