"""Skins from photographs: pictures of a folder of assets, varied in tone, mixed in pairs, given hair and brows."""

from __future__ import annotations

import cv2
import numpy as np

from actionunits.synth.assets import Assets
from actionunits.synth.head import TEXTURE_HALF_ANGLE_DEG, TEXTURE_HEIGHT_CM
from actionunits.synth.skin import HAIR_SRGB, TEXTURE_SIZE, TONES_SRGB, Skin, SkinPainter, to_linear

MIXED_SHARE, HAIR_SHARE = 0.3, 0.85
CROWN = np.s_[5:40, 180:268]  # texture pixels of the crown, where hair shows as contrast
BROW_HEIGHT_CM, BROW_BAND_CM = 5.28, (4.4, 6.7)  # where brows lie on a resting mean face, and are looked for
_LUMA = np.array([0.3, 0.6, 0.1], np.float32)


class SkinPhotographs:
    """Draws skins of one folder of assets for one painter."""

    def __init__(self, painter: SkinPainter, assets: Assets) -> None:
        self.painter, self.assets = painter, assets
        angle = np.abs((np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE - 0.5) * 2 * TEXTURE_HALF_ANGLE_DEG
        height = painter.height_cm
        # Where hair may be taken from: above a line over brows, temples and ears, down to the neck.
        line = np.interp(angle, [0, 47, 56, 66, 75, 95, 102, 110], [6.7, 6.5, 4.4, 2.4, 5.0, 4.6, 1.0, -5.0])
        self.scalp = np.clip((height - line[None]) / 0.8 + 0.5, 0, 1)
        # Where brows may be taken from: above the lids, from the root of the nose to the temples.
        tall = np.clip((height - 4.3) / 0.5, 0, 1) * np.clip((6.5 - height) / 0.4, 0, 1)
        self.brows = (tall * np.clip((46 - angle) / 5, 0, 1) * np.clip(angle / 5, 0, 1))[..., None].astype(np.float32)
        self.brow_columns = (angle > 10) & (angle < 34)
        self.brow_width = np.clip((62 - angle) / 15, 0, 1)[None]
        across, down = angle[None] / 58.0, (height - 1.0) / 7.0
        self.face = np.clip((1.0 - np.hypot(across, down)) / 0.25, 0, 1)[..., None].astype(np.float32)

    def sample(self, rng: np.random.Generator) -> Skin:
        """Draw the skin of one person."""
        name = self.assets.skins[rng.integers(len(self.assets.skins))]
        used = [name]
        colour = self._picture(name)
        group = [other for other in self.assets.skins if _source_and_sex(other) == _source_and_sex(name)]
        if rng.random() < MIXED_SHARE:
            mate = group[rng.integers(len(group))]
            used.append(mate)
            self._mix(colour, self._picture(mate), float(rng.uniform(0.25, 0.6)))
        tone = self._tone(colour)
        self._take_shine_off(colour, tone)
        hairy = _is_hairy(colour)
        colour *= _shift(rng, tone)
        if not hairy and rng.random() < HAIR_SHARE:
            donors = [n for n in self.assets.skins if _sex(n) == _sex(name) and _is_hairy(self._picture(n))]
            if donors:
                used.append(donors[rng.integers(len(donors))])
                self._lend_hair(colour, self._picture(used[-1]))
                hairy = True
        if name.startswith("makehuman"):  # its faces have next to no brows
            donors = [other for other in self.assets.skins if other.startswith("valid") and _sex(other) == _sex(name)]
            if donors:
                used.append(donors[rng.integers(len(donors))])
                self._lend_brows(colour, self._picture(used[-1]))
            else:
                self.painter.add_brows(rng, colour, HAIR_SRGB[rng.integers(3)])
        self._set_brows(rng, colour)
        tone = self._tone(colour)
        if hairy:
            hair = colour[CROWN].reshape(-1, 3).mean(0)
        else:
            hair = HAIR_SRGB[rng.integers(2 if tone @ _LUMA < 130 else len(HAIR_SRGB))]
        self.painter.add_spots(rng, colour)
        if rng.random() < 0.5:
            self.painter.add_blood(rng, colour)
        if _sex(name) == "F" and rng.random() < 0.5:
            self.painter.add_eye_region(rng, colour)
        eye = self._eye(rng, name, dark=bool(tone @ _LUMA < 150))
        albedo_gloss = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 4), np.float32)
        albedo_gloss[..., :3] = to_linear(colour)
        albedo_gloss[..., 3] = np.clip(self.painter.gloss(rng), 0, 1.5)
        return Skin(
            albedo_gloss,
            tone,
            hair,
            hairy=hairy,
            female=_sex(name) == "F",
            drawn_folds=0.35 if "old" in name or "middleage" in name else 0.6,
            eye_disc=np.clip(self.assets.eye(eye) * rng.uniform(0.75, 1.05), 0, 0.58).astype(np.float32),
            sources=(*(f"skins_cyl/{n}" for n in used), f"eyes/{eye}"),
        )

    def _picture(self, name: str) -> np.ndarray:
        return self.assets.skin(name, TEXTURE_SIZE).astype(np.float32)

    def _tone(self, colour: np.ndarray) -> np.ndarray:
        """Skin colour (3,): the median of the middle of the face."""
        return np.median(colour[self.face[..., 0] > 0.6][::7], axis=0)

    def _mix(self, colour: np.ndarray, other: np.ndarray, weight: float) -> None:
        """Mix the middle of another face, brought to the same tone, into this one."""
        colour += weight * self.face * (other * (self._tone(colour) / self._tone(other)) - colour)

    def _take_shine_off(self, colour: np.ndarray, tone: np.ndarray) -> None:
        """Pull highlights that the picture holds toward the skin's tone; they show most on dark skin."""
        strength = 0.15 + 0.6 * np.clip((170 - tone @ _LUMA) / 60, 0, 1)
        colour -= strength * self.face * np.maximum(colour - tone * 1.04, 0)

    def _lend_hair(self, colour: np.ndarray, donor: np.ndarray) -> None:
        """Lay the hair of another person's picture over a bald scalp."""
        dark = (donor @ _LUMA) / (self._tone(donor) @ _LUMA)
        cover = self.scalp * np.clip((0.72 - dark) / 0.3, 0, 1)
        # Strands shine: what lies well above the hairline is hair, bright or dark.
        cover = np.maximum(cover, np.clip((self.painter.height_cm - 10.0) / 1.0, 0, 1))[..., None]
        colour += cover.astype(np.float32) * (donor - colour)

    def _lend_brows(self, colour: np.ndarray, donor: np.ndarray) -> None:
        """Darken the skin where another person's brows are, as much as they darken theirs."""
        shade = np.minimum(donor / self._tone(donor), 1.0)
        colour *= 1 + self.brows * (shade - 1)

    def _set_brows(self, rng: np.random.Generator, colour: np.ndarray) -> None:
        """Move the brows to where a resting face has them.

        On the pictures some lie so high or low that a reader of expressions takes the neutral face for one that
        raises or lowers its brows (correlation of height and reading .87 over the skins of VALID).
        """
        height = self.painter.height_cm[:, 0]
        band = (height > BROW_BAND_CM[0]) & (height < BROW_BAND_CM[1])
        grey = (colour @ _LUMA)[band][:, self.brow_columns]
        dark = np.clip(1 - grey / np.percentile(grey, 75, axis=0) - 0.12, 0, None)
        if not 0.005 < dark.mean() < 0.22:  # no brows, or hair before them
            return
        place = float((dark * height[band, None]).sum() / dark.sum())
        move = np.clip(rng.normal(BROW_HEIGHT_CM, 0.09) - place, -0.6, 0.45)
        rise = np.interp(height, [3.95, 4.7, 6.6, 7.6], [0, 1, 1, 0])[:, None] * self.brow_width
        rows = np.arange(TEXTURE_SIZE)[:, None] + move * rise * (TEXTURE_SIZE / TEXTURE_HEIGHT_CM)
        columns = np.broadcast_to(np.arange(TEXTURE_SIZE, dtype=np.float32), rows.shape)
        colour[:] = cv2.remap(colour, columns, rows.astype(np.float32), cv2.INTER_LINEAR)

    def _eye(self, rng: np.random.Generator, name: str, dark: bool) -> str:
        """Name of an eye: the person's own or one of any colour; brown ones for people of dark skin."""
        own = name.rsplit(".", 1)[0]
        mine = [eye for eye in self.assets.eyes if eye.rsplit(".", 1)[0] == own]
        if mine and rng.random() < 0.5:
            return mine[0]
        fitting = [eye for eye in self.assets.eyes if "brown" in eye or (not dark and eye.startswith("makehuman"))]
        eyes = fitting or self.assets.eyes
        return eyes[rng.integers(len(eyes))]


def _sex(name: str) -> str:
    return "F" if "_F_" in name or "female" in name else "M"


def _source_and_sex(name: str) -> tuple[str, str]:
    return name.split("_")[0], _sex(name)


def _is_hairy(colour: np.ndarray) -> bool:
    """Whether the crown of a picture is covered with strands."""
    crown = colour[CROWN] @ _LUMA
    neighbours = (crown[:-4] + crown[4:]) / 2
    across = (crown[:, :-4] + crown[:, 4:]) / 2
    contrast = np.abs(crown[2:-2] - neighbours).mean() + np.abs(crown[:, 2:-2] - across).mean()
    return bool(contrast > 0.2 * crown.mean())


def _shift(rng: np.random.Generator, tone: np.ndarray) -> np.ndarray:
    """Factors (3,) that make a skin lighter or darker, redder or yellower, within what skins are."""
    luma = TONES_SRGB @ _LUMA
    light = np.exp(np.clip(rng.normal(0, 0.09), -0.2, 0.2))
    wanted = np.clip(light * (tone @ _LUMA), luma[-1], luma[0])
    # The pictures are redder than skins are, dark ones most: that shows when they are exposed as bright.
    natural = np.array([np.interp(wanted, luma[::-1], TONES_SRGB[::-1, k]) for k in range(3)])
    colour = tone * (wanted / (tone @ _LUMA))
    return (natural**0.65 * colour**0.35 / tone * np.exp(rng.normal(0, 0.025, 3))).astype(np.float32)
