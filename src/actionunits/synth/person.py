"""One person to render: shape of the head, skin, hair, glasses and how strongly the face moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.synth import accessories, raster
from actionunits.synth.assets import Assets
from actionunits.synth.facekit import EXPRESSIONS, FACE, HEAD_AND_NECK
from actionunits.synth.folds import fold_strengths, fold_strokes
from actionunits.synth.head import Head, hair_region, landmarks_of
from actionunits.synth.photo_skin import SkinPhotographs
from actionunits.synth.shapes import rest_strengths
from actionunits.synth.skin import Skin, SkinPainter, to_linear

FOLD_PATTERNS, FOLD_SEED = 32, 4181
FOLD_BREADTH = (0.8, 1.9)  # of a smooth and of an old skin
PHOTOGRAPHED_SHARE = 0.7  # of the people, where there are assets


@dataclass(frozen=True)
class Person:
    """V vertices of the face model, E more of glasses, hair and clothes, F triangles in all."""

    head: Head
    neutral: np.ndarray  # (V + E, 3) float32, cm
    landmarks_cm: np.ndarray  # (68, 3) float32: the neutral face
    triangles: np.ndarray  # (F, 3) int32
    kind: np.ndarray  # (F,) uint8
    face_uv: np.ndarray  # (F, 3, 2) float32
    bias: np.ndarray  # (F,) float32, cm
    double_sided: np.ndarray  # (F,) bool
    body: np.ndarray  # (V + E,) bool: does not turn with the head
    hair_cover: np.ndarray  # (V + E,) float32
    hair_uv: np.ndarray  # (V + E, 2) float32
    openness: np.ndarray  # (V + E,) float32
    skin: Skin
    fold_profile: np.ndarray  # (N, N) float32
    fold_group: np.ndarray  # (N, N) uint8
    fold_rest: np.ndarray  # (G,) float32: folds of the neutral face
    fold_gain: np.ndarray  # (G,) float32: folds at intensity 5; 0 for people who do not wrinkle
    strands: np.ndarray  # (M, M) float32, 0-1
    colours: np.ndarray  # (10, 3) float32 linear albedo by material
    eye_angles: np.ndarray  # (4,) float32: cosines of iris, limbus and pupil, brightness of the sclera
    amplitude: np.ndarray  # (A,) float32: strength of each AU at intensity 5, around 1
    lenses: np.ndarray | None  # (2, n, 3) float32 outlines
    lens_tint: np.ndarray  # (4,) linear RGB and opacity


class Casting:
    """Draws people for one head model."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.painter = SkinPainter(head)
        self.scalp_cm, self.hair_uv = hair_region(head)
        # Drawing folds takes as long as everything else of a person: a bank of patterns, whose strengths differ by
        # person, is enough. Each is drawn when somebody first needs it.
        fold_rng = np.random.default_rng(FOLD_SEED)
        self._fold_strokes = [fold_strokes(fold_rng) for _ in range(FOLD_PATTERNS)]
        self._fold_maps: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._skin_photographs: SkinPhotographs | None = None
        self.scalp_normals = np.empty_like(head.kit.neutral)
        raster.vertex_normals(head.kit.neutral, head.triangles[head.kind == raster.SKIN], self.scalp_normals)

    def sample(self, rng: np.random.Generator, assets: Assets | None = None) -> Person:
        """Draw one person; with assets, most have a photographed skin and eyes."""
        head = self.head
        photographed = assets is not None and rng.random() < PHOTOGRAPHED_SHARE
        neutral = self._shape(rng)
        skin = self._photographs(assets).sample(rng) if assets and photographed else self.painter.paint(rng)
        age = rng.random()
        fold_profile, fold_group = self._folds(int(age * FOLD_PATTERNS))
        fold_rest, fold_gain = fold_strengths(rng, age)
        cover = self._grown_scalp(rng, neutral, skin) if photographed else self._hair(rng, neutral)
        landmarks = landmarks_of(neutral)
        meshes = [accessories.shoulders(rng)]
        if ((skin.hairy and skin.female) or cover.max() > 0.5) and rng.random() < 0.35:
            meshes.append(accessories.long_hair(rng))
        lenses, tint = None, np.zeros(4, np.float32)
        if rng.random() < 0.25:
            frame, lenses = accessories.glasses(rng, landmarks)
            meshes.append(frame)
            tint = np.append(rng.uniform(0.0, 0.3, 3), rng.choice([0.04, rng.uniform(0.1, 0.5)], p=[0.85, 0.15]))
        parts = _assemble(head, meshes, lashes=self._lashes(rng, 0.15 if photographed else 1.0))
        extra = sum(len(m.vertices) for m in meshes)
        return Person(
            head=head,
            neutral=np.vstack([neutral, *(m.vertices for m in meshes)]).astype(np.float32),
            landmarks_cm=landmarks,
            **parts,
            hair_cover=np.append(cover, np.zeros(extra)).astype(np.float32),
            hair_uv=np.vstack([self.hair_uv, *(_strand_uv(m.vertices) for m in meshes)]).astype(np.float32),
            openness=np.append(head.openness, np.full(extra, 0.7)).astype(np.float32),
            skin=skin,
            fold_profile=fold_profile,
            fold_group=fold_group,
            fold_rest=fold_rest * np.float32(skin.drawn_folds),
            fold_gain=fold_gain * np.float32(skin.drawn_folds),
            strands=_strands(rng),
            colours=_colours(rng, skin),
            eye_angles=_eye_angles(rng),
            amplitude=self._amplitude(rng, landmarks),
            lenses=lenses,
            lens_tint=tint.astype(np.float32),
        )

    def _folds(self, pattern: int) -> tuple[np.ndarray, np.ndarray]:
        """Profile and groups of a pattern of the bank."""
        if pattern not in self._fold_maps:
            breadth = np.linspace(*FOLD_BREADTH, FOLD_PATTERNS)[pattern]
            self._fold_maps[pattern] = self.painter.folds(self._fold_strokes[pattern], breadth)
        return self._fold_maps[pattern]

    def _photographs(self, assets: Assets) -> SkinPhotographs:
        """The skins of these assets; those of the last folder are kept."""
        if self._skin_photographs is None or self._skin_photographs.assets is not assets:
            self._skin_photographs = SkinPhotographs(self.painter, assets)
        return self._skin_photographs

    def _shape(self, rng: np.random.Generator) -> np.ndarray:
        """Neutral head (V, 3) of a new identity, brows, lids and lips at rest as this person holds them."""
        kit = self.head.kit
        coefficients = np.clip(rng.standard_normal(len(kit.identity)) * 0.9, -2.2, 2.2).astype(np.float32)
        flat = coefficients @ kit.identity.reshape(len(kit.identity), -1)
        flat += rest_strengths(rng) @ kit.expression.reshape(len(kit.expression), -1)
        return kit.neutral + flat.reshape(-1, 3)

    def _amplitude(self, rng: np.random.Generator, landmarks_cm: np.ndarray) -> np.ndarray:
        """How strongly each action (A,) moves this person; a full blink always closes the eyes, and hardly more."""
        amplitude = rng.uniform(0.82, 1.15, len(SYNTH_AUS))
        blink = sum(self.head.kit.expression[EXPRESSIONS.index(f"eyeBlink_{side}")] for side in "LR")
        opening = _eye_openings(landmarks_cm)
        closing = opening - _eye_openings(landmarks_cm + landmarks_of(blink))
        # The place that closes last counts.
        amplitude[SYNTH_AUS.index(45)] = np.clip((opening / closing).max(), 0.5, 1.6)
        return amplitude.astype(np.float32)

    def _lashes(self, rng: np.random.Generator, most: float) -> np.ndarray:
        """Which triangles of the head are drawn (F,): the model's lash cards are opaque, so only some are kept.

        most: scales the share, since photographed lids show lashes of their own.
        """
        share = most * rng.choice([0.0, rng.uniform(0.05, 0.25), rng.uniform(0.25, 0.6)], p=[0.25, 0.6, 0.15])
        return (self.head.kind != raster.LASH) | (rng.random(len(self.head.kind)) < share)

    def _hair(self, rng: np.random.Generator, neutral: np.ndarray) -> np.ndarray:
        """Hair cover (V,); raises the scalp of `neutral` by the hair's thickness in place."""
        if rng.random() < 0.1:  # bald
            return np.zeros(len(neutral), np.float32)
        hairline = rng.normal(0.0, 0.5) - (rng.uniform(0, 2.0) if rng.random() < 0.2 else 0.0)
        # The hairline is irregular, and recedes most above the temples.
        wave = 0.3 * np.sin(self.hair_uv[:, 0] * 2 * np.pi * rng.integers(1, 4) + rng.uniform(0, 6))
        inside = self.scalp_cm + hairline + wave
        cover = np.clip(0.5 + inside / 2.2, 0, 1)
        cover[(self.scalp_cm < -9)] = 0
        self._raise_scalp(rng, neutral, inside, 2.8)
        return cover.astype(np.float32)

    def _grown_scalp(self, rng: np.random.Generator, neutral: np.ndarray, skin: Skin) -> np.ndarray:
        """No hair cover (V,), since the skin's texture shows the hair; it only gets its thickness."""
        if skin.hairy:
            self._raise_scalp(rng, neutral, self.scalp_cm, 1.8)
        return np.zeros(len(neutral), np.float32)

    def _raise_scalp(
        self, rng: np.random.Generator, neutral: np.ndarray, inside_cm: np.ndarray, most_cm: float
    ) -> None:
        """Raise the scalp of `neutral` (V, 3), as far as it lies inside the hairline (V,), in place."""
        thickness = np.clip(inside_cm / 5.0, 0, 1) ** 0.8 * rng.uniform(0.1, most_cm)
        lumps = 1 + 0.15 * np.sin(self.hair_uv[:, 0] * 2 * np.pi * 5 + rng.uniform(0, 6))
        outer = np.r_[FACE, HEAD_AND_NECK]
        neutral[outer] += (self.scalp_normals * (thickness * lumps)[:, None])[outer]


def _eye_openings(landmarks_cm: np.ndarray) -> np.ndarray:
    """Height of the gap between the lids (4,) at two places of each eye, of landmarks (68, 3), cm."""
    return landmarks_cm[[37, 38, 43, 44], 1] - landmarks_cm[[41, 40, 47, 46], 1]


def _assemble(head: Head, meshes: list[accessories.Mesh], lashes: np.ndarray) -> dict[str, np.ndarray]:
    """Triangles of the head and of the meshes behind it, with their attributes."""
    start = len(head.kit.neutral)
    triangles, kind = [head.triangles[lashes]], [head.kind[lashes]]
    body = [np.zeros(start, bool)]
    for mesh in meshes:
        triangles.append(mesh.triangles + start)
        kind.append(np.full(len(mesh.triangles), mesh.kind, np.uint8))
        body.append(np.full(len(mesh.vertices), mesh.kind == raster.CLOTH))
        start += len(mesh.vertices)
    kinds = np.concatenate(kind)
    all_triangles = np.vstack(triangles).astype(np.int32)
    uv = np.zeros((start, 2), np.float32)
    uv[: len(head.texture_uv)] = head.texture_uv
    bias = np.zeros(len(kinds), np.float32)
    bias[np.isin(kinds, (raster.EYE_L, raster.EYE_R))] = 0.12  # so that the lids cover the eyeball
    return {
        "triangles": all_triangles,
        "kind": kinds,
        "face_uv": np.ascontiguousarray(uv[all_triangles]),
        "bias": bias,
        "double_sided": np.isin(kinds, (raster.HAIR, raster.PLASTIC, raster.LASH)),
        "body": np.concatenate(body),
    }


def _strand_uv(vertices: np.ndarray) -> np.ndarray:
    around = np.arctan2(vertices[:, 0], vertices[:, 2]) / (2 * np.pi) + 0.5
    return np.stack([around * 4.0, (15.0 - vertices[:, 1]) / 60.0], axis=1)


def _strands(rng: np.random.Generator) -> np.ndarray:
    """Brightness of hair (256, 256), 0-1: thin streaks along the rows' direction, repeating at the edges."""
    noise = rng.standard_normal((256, 256)).astype(np.float32)
    spectrum = np.fft.rfft2(noise)
    across = np.fft.rfftfreq(256)[None] * 256
    along = np.fft.fftfreq(256)[:, None] * 256
    curl = rng.uniform(2.0, 14.0)
    field = np.fft.irfft2(spectrum * np.exp(-((along / curl) ** 2)) * np.exp(-((across / 60.0) ** 2)), s=(256, 256))
    return np.clip(0.5 + 0.22 * field / field.std(), 0, 1).astype(np.float32)


def _colours(rng: np.random.Generator, skin: Skin) -> np.ndarray:
    """Albedo (10, 3) of every material."""
    iris = np.array([(60, 38, 24), (84, 54, 30), (110, 84, 50), (92, 110, 84), (96, 124, 150), (120, 130, 136)])
    srgb = np.zeros((10, 3))
    srgb[raster.SKIN] = skin.tone_srgb
    srgb[raster.MOUTH] = (110, 44, 44)
    srgb[raster.GUMS] = (176, 90, 92)
    srgb[raster.TEETH] = np.array([236, 228, 208]) * rng.uniform(0.82, 1.0) * (1, 1, rng.uniform(0.85, 1.0))
    srgb[raster.EYE_L] = srgb[raster.EYE_R] = iris[rng.integers(len(iris))] * rng.uniform(0.8, 1.25)
    srgb[raster.LASH] = rng.uniform(12, 45)
    srgb[raster.PLASTIC] = rng.uniform(5, 90, 3) if rng.random() < 0.7 else rng.uniform(60, 240, 3)
    srgb[raster.CLOTH] = rng.uniform(10, 240, 3)
    srgb[raster.HAIR] = skin.hair_srgb
    return to_linear(srgb).astype(np.float32)


def _eye_angles(rng: np.random.Generator) -> np.ndarray:
    iris = rng.uniform(20.5, 24.0)
    pupil = rng.uniform(6.5, 13.0)
    degrees = np.array([iris, iris - 2.5, pupil])
    return np.append(np.cos(np.radians(degrees)), rng.uniform(0.5, 0.72)).astype(np.float32)
