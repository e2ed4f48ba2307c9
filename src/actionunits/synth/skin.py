"""Skin: colour, lips, brows, beard and the folds of folds.py, painted on the cylinder texture of head.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from actionunits.synth.facekit import LANDMARK_VERTICES
from actionunits.synth.folds import FOLD_GROUPS
from actionunits.synth.head import TEXTURE_HALF_ANGLE_DEG, TEXTURE_HEIGHT_CM, TEXTURE_TOP_CM, Head

TEXTURE_SIZE = 448
TONES_SRGB = np.array(
    [(246, 222, 206), (236, 200, 176), (220, 176, 146), (196, 144, 112), (158, 108, 80), (116, 76, 55), (82, 52, 39)],
    np.float32,
)
HAIR_SRGB = np.array(
    [(28, 24, 22), (50, 36, 28), (84, 58, 40), (122, 88, 56), (176, 138, 90), (120, 62, 36), (150, 148, 146)],
    np.float32,
)


@dataclass(frozen=True)
class Skin:
    """Texture of one person. N is TEXTURE_SIZE."""

    albedo_gloss: np.ndarray  # (N, N, 4) float32: linear RGB albedo, gloss 0-1
    tone_srgb: np.ndarray  # (3,) 0-255: the plain skin colour
    hair_srgb: np.ndarray  # (3,) 0-255
    hairy: bool = False  # the texture shows hair on the scalp
    female: bool = False
    drawn_folds: float = 1.0  # share of the drawn folds that is laid over the texture's own
    # (D, D, 3) float32 linear: a photographed eyeball along its axis; D is 0 for painted eyes.
    eye_disc: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    sources: tuple[str, ...] = ()  # the assets that it is made of; none for a painted skin

    @property
    def photographed(self) -> bool:
        """Whether it is a picture of a person."""
        return bool(self.sources)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light 0-1 of sRGB values 0-255 (power law 2.2)."""
    return (np.clip(srgb, 0, 255) / 255.0) ** 2.2


@lru_cache(maxsize=1)
def _noise_bank() -> np.ndarray:
    """A fixed bank (8, N, N) of smooth noise at falling scales, zero mean, unit variance; people mix and shift it."""
    rng = np.random.default_rng(20240229)
    bank = []
    for cells in (4, 8, 16, 32, 64, 128, TEXTURE_SIZE // 2, TEXTURE_SIZE):
        # Two cells of the opposite edge around the grid make the field repeat without a seam.
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        step = TEXTURE_SIZE / cells
        side, margin = round((cells + 4) * step), round(2 * step)
        noise = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        noise = noise[margin : margin + TEXTURE_SIZE, margin : margin + TEXTURE_SIZE]
        bank.append((noise - noise.mean()) / noise.std())
    return np.stack(bank)


def _noise(rng: np.random.Generator, scale: int) -> np.ndarray:
    """One field of the bank, flipped and shifted at random, (N, N)."""
    field = _noise_bank()[scale]
    if rng.random() < 0.5:
        field = field[:, ::-1]
    return np.roll(field, tuple(rng.integers(0, TEXTURE_SIZE, 2)), axis=(0, 1))


class SkinPainter:
    """Paints skins and fold maps for one head model."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.landmarks_cm = head.kit.neutral[LANDMARK_VERTICES]  # (68, 3)
        self.height_cm, self.side_cm = self._grid()

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Height y of each row (N, 1) and approximate frontal x of each column (1, N), cm."""
        step = (np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE
        angle = np.radians((step - 0.5) * 2 * TEXTURE_HALF_ANGLE_DEG)
        height = TEXTURE_TOP_CM - step * TEXTURE_HEIGHT_CM
        return height[:, None].astype(np.float32), (9.6 * np.sin(angle) / (0.55 + 0.45 * np.cos(angle)))[None].astype(
            np.float32
        )

    def _pixels(self, points_cm: np.ndarray) -> np.ndarray:
        """Texture pixels (n, 2) of frontal places (n, 2)."""
        uv = self.head.texture_position(np.asarray(points_cm, np.float32))
        return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1) * TEXTURE_SIZE - 0.5

    def _stroke(self, canvas: np.ndarray, points_cm: np.ndarray, width_px: float, strength: float) -> None:
        """Add an anti-aliased line through the points (n, 2), tapering at both ends."""
        points = np.round(self._pixels(points_cm) * 16).astype(np.int32)
        layer = np.zeros_like(canvas)
        count = len(points) - 1
        for k in range(count):
            taper = np.sin(np.pi * (k + 0.75) / (count + 0.5))
            cv2.line(
                layer,
                tuple(int(v) for v in points[k]),
                tuple(int(v) for v in points[k + 1]),
                (float(strength * (0.25 + 0.75 * taper)),),
                max(1, round(width_px)),
                cv2.LINE_AA,
                4,
            )
        np.maximum(canvas, layer, out=canvas)

    def _blob(self, x_cm: float, y_cm: float, width_cm: float, height_cm: float) -> np.ndarray:
        """Gaussian spots at (x, y) and (-x, y), (N, N)."""
        across = np.exp(-(((np.abs(self.side_cm) - abs(x_cm)) / width_cm) ** 2))
        return across * np.exp(-(((self.height_cm - y_cm) / height_cm) ** 2))

    def paint(self, rng: np.random.Generator) -> Skin:
        """Draw the skin of one person."""
        tone = rng.random() * (len(TONES_SRGB) - 1)
        low = int(tone)
        base = TONES_SRGB[low] + (tone - low) * (TONES_SRGB[min(low + 1, len(TONES_SRGB) - 1)] - TONES_SRGB[low])
        base = base * (1 + 0.05 * rng.standard_normal(3)).astype(np.float32)
        # Darker skin goes with darker hair; grey comes with age, whatever the tone.
        dark_only = rng.random() < tone / 4.5
        hair = HAIR_SRGB[rng.integers(2) if dark_only else rng.integers(len(HAIR_SRGB))]
        if rng.random() < 0.1:
            hair = HAIR_SRGB[6]
        hair = hair * (1 + 0.1 * rng.standard_normal(3)).astype(np.float32)
        colour = np.repeat(base[None, None], TEXTURE_SIZE, 0).repeat(TEXTURE_SIZE, 1).astype(np.float32)
        mottle = 0.025 * _noise(rng, 1) + 0.015 * _noise(rng, 3) + 0.012 * _noise(rng, 5) + 0.012 * _noise(rng, 6)
        colour *= 1 + rng.uniform(0.4, 1.5) * mottle[..., None]
        self.add_blood(rng, colour)
        self.add_spots(rng, colour)
        self.add_eye_region(rng, colour)
        gloss = self.gloss(rng)
        self._add_lips(rng, colour, gloss)
        self.add_brows(rng, colour, hair)
        self._add_beard(rng, colour, hair)
        albedo_gloss = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 4), np.float32)
        albedo_gloss[..., :3] = to_linear(colour)
        albedo_gloss[..., 3] = np.clip(gloss, 0, 1.5)
        return Skin(albedo_gloss, base, hair)

    def gloss(self, rng: np.random.Generator) -> np.ndarray:
        """How oily the skin is, (N, N): most on forehead, nose and cheekbones."""
        gloss: np.ndarray = np.clip(0.25 + 0.08 * _noise(rng, 2) + 0.06 * _noise(rng, 6), 0, 1)
        gloss += 0.35 * (self._blob(0, 7.0, 3.0, 2.0) + self._blob(0, 1.5, 1.0, 2.5) + self._blob(4.6, 1.0, 1.5, 1.0))
        return gloss

    def add_blood(self, rng: np.random.Generator, colour: np.ndarray) -> None:
        """Redden cheeks, nose and chin of a skin (N, N, 3), 0-255, in place."""
        red = rng.uniform(0, 1) * (self._blob(4.8, -0.3, 2.2, 1.8) + 0.8 * self._blob(0, 0.6, 1.2, 1.2))
        red += rng.uniform(0, 0.4) * self._blob(0, -6.0, 2.0, 1.2) + 0.15 * np.clip(_noise(rng, 2), 0, 2)
        colour *= 1 - red[..., None] * np.array([0.02, 0.14, 0.12], np.float32)

    def add_spots(self, rng: np.random.Generator, colour: np.ndarray) -> None:
        """Add freckles and moles to a skin (N, N, 3), 0-255, in place."""
        if rng.random() < 0.3:
            freckles = np.clip(_noise(rng, 6) * 0.6 + _noise(rng, 5) * 0.6 - 1.0, 0, 1.2)
            freckles *= self._blob(3.0, 1.0, 4.5, 3.5) * rng.uniform(0.1, 0.35)
            colour *= 1 - freckles[..., None] * np.array([0.6, 0.9, 1.0], np.float32)
        for _ in range(rng.poisson(2.5)):
            centre = rng.uniform((0.2, 0.12), (0.8, 0.75)) * TEXTURE_SIZE
            dark = tuple(float(v) for v in colour[int(centre[1]), int(centre[0])] * rng.uniform(0.45, 0.8))
            cv2.circle(colour, (int(centre[0]), int(centre[1])), int(rng.integers(1, 4)), dark, -1, cv2.LINE_AA)

    def add_eye_region(self, rng: np.random.Generator, colour: np.ndarray) -> None:
        """Add shade around the eyes, or make-up, to a skin (N, N, 3), 0-255, in place."""
        shade = rng.uniform(0, 0.28) * self._blob(3.1, 2.3, 1.5, 0.6) + rng.uniform(0, 0.2) * self._blob(
            3.1, 4.1, 1.8, 0.7
        )
        colour *= 1 - shade[..., None] * np.array([0.8, 1.0, 0.9], np.float32)
        if rng.random() < 0.2:  # eye make-up
            tint = rng.uniform(20, 200, 3).astype(np.float32)
            cover = (rng.uniform(0.1, 0.5) * self._blob(3.2, 4.1, 1.5, 0.5))[..., None]
            colour += cover * (tint - colour)

    def _add_lips(self, rng: np.random.Generator, colour: np.ndarray, gloss: np.ndarray) -> None:
        outline = self._pixels(self.landmarks_cm[48:60, :2])
        mask: np.ndarray = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, 4)
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 2.0))
        if rng.random() < 0.25:  # lipstick
            tint = np.array([rng.uniform(110, 210), rng.uniform(20, 90), rng.uniform(40, 110)], np.float32)
            cover = rng.uniform(0.4, 0.9)
        else:
            tint = colour[0, 0] * np.array(
                [rng.uniform(0.82, 0.98), rng.uniform(0.58, 0.8), rng.uniform(0.6, 0.82)], np.float32
            )
            cover = rng.uniform(0.3, 0.95)
        texture = 1 + 0.06 * _noise(rng, 6)[..., None]
        colour += (mask * cover)[..., None] * (tint * texture - colour)
        gloss += mask * rng.uniform(0.0, 0.7)

    def add_brows(self, rng: np.random.Generator, colour: np.ndarray, hair_srgb: np.ndarray) -> None:
        """Draw the hairs of both brows onto a skin (N, N, 3), 0-255, in place."""
        if rng.random() < 0.03:
            return
        # The hair lies below the model's brow landmarks, which follow the upper edge of the bone.
        drop_cm = rng.normal(0.72, 0.13)
        thickness = rng.uniform(0.35, 0.8)
        arch = rng.normal(0.0, 0.12)
        density = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
        for sign in (-1, 1):
            points = self.landmarks_cm[22:27, :2].copy()
            t = np.linspace(0, 1, 5)
            points[:, 1] += -drop_cm + arch * np.sin(np.pi * t)
            points[0, 0] -= rng.uniform(0.0, 0.35)  # toward the middle
            path = np.stack([np.interp(np.linspace(0, 1, 24), t, points[:, k]) for k in (0, 1)], axis=1)
            path[:, 0] *= sign
            for k, (x, y) in enumerate(path):
                along = k / 23
                width = thickness * (0.75 + 0.5 * along) * (1 - max(0.0, along - 0.45) / 0.55 * 0.75)
                for _ in range(8):
                    foot = np.array([x, y + width * rng.uniform(-0.5, 0.4)])
                    lean = np.array([sign * (0.12 + 0.3 * along), 0.3 * (1 - along) + 0.02])
                    ends = np.round(self._pixels(np.stack([foot, foot + lean])) * 16).astype(np.int32)
                    cv2.line(
                        density,
                        tuple(map(int, ends[0])),
                        tuple(map(int, ends[1])),
                        (float(rng.uniform(0.5, 1.0)),),
                        1,
                        cv2.LINE_AA,
                        4,
                    )
        density = cv2.GaussianBlur(density, (0, 0), 0.9) * rng.uniform(1.0, 2.6)
        brow = hair_srgb * rng.uniform(0.5, 0.95)
        colour += np.clip(density, 0, 0.95)[..., None] * (brow - colour)

    def _add_beard(self, rng: np.random.Generator, colour: np.ndarray, hair_srgb: np.ndarray) -> None:
        kind = rng.choice(5, p=[0.62, 0.14, 0.08, 0.08, 0.08])  # none, stubble, moustache, goatee, full
        if kind == 0:
            return
        side, height = np.abs(self.side_cm), self.height_cm
        moustache = np.exp(-(((height + 1.85) / 0.55) ** 2)) * (side < 2.9)
        chin = np.exp(-((side / 1.9) ** 4)) * np.clip((-4.5 - height) / 0.5, 0, 1) * (height > -9.5)
        edge = -1.2 - 0.25 * np.maximum(0, 6.5 - side) ** 1.5
        jaw = np.clip((edge - height) / 0.8, 0, 1) * np.clip((height + 11.0) / 1.0, 0, 1) * (side > 2.4) * (side < 10)
        mask = {1: np.maximum(np.maximum(moustache, chin), jaw), 2: moustache, 3: np.maximum(moustache, chin)}.get(
            int(kind), np.maximum(np.maximum(moustache, chin), jaw)
        )
        mask = cv2.GaussianBlur((mask * np.ones_like(colour[..., 0])).astype(np.float32), (0, 0), 2.5)
        cover = rng.uniform(0.12, 0.35) if kind == 1 else rng.uniform(0.55, 0.95)
        strands = np.clip(0.75 + 0.35 * _noise(rng, 6) + 0.25 * _noise(rng, 7), 0, 1.3)
        lips = np.zeros_like(mask)
        cv2.fillPoly(lips, [np.round(self._pixels(self.landmarks_cm[48:60, :2])).astype(np.int32)], (1.0,))
        amount = np.clip(mask * cover * strands * (1 - cv2.GaussianBlur(lips, (0, 0), 1.0)), 0, 0.97)
        colour += amount[..., None] * (hair_srgb * rng.uniform(0.6, 1.0) * (0.7 + 0.3 * strands[..., None]) - colour)

    def folds(
        self, strokes: Mapping[str, Sequence[tuple[np.ndarray, float, float]]], breadth: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """A fold map: signed profile (N, N) float32, dark line with a bright ridge, and its group (N, N) uint8.

        strokes: see `fold_strokes`. breadth: width of the folds, about 1; broad ones are deep as well.
        """
        profile = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
        winner = np.zeros_like(profile)
        index = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
        for group, of_group in strokes.items():
            canvas = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
            for points, width, strength in of_group:
                self._stroke(canvas, points, breadth * width, strength)
            dark = cv2.GaussianBlur(canvas, (0, 0), 1.1)
            ridge = cv2.GaussianBlur(canvas, (0, 0), 2.6)
            # Light from above: the lower side of a fold is brighter than its upper side, its ground always dark.
            signed = -1.25 * dark + (0.75 * np.roll(ridge, 3, axis=0) - 0.1 * ridge) * np.clip(1 - 2 * dark, 0, 1)
            reach = cv2.GaussianBlur(canvas, (0, 0), 5.0)
            better = reach > winner
            profile = np.where(better, signed, profile)
            index = np.where(better, np.uint8(FOLD_GROUPS.index(group)), index)
            winner = np.maximum(winner, reach)
        return profile.astype(np.float32), index
