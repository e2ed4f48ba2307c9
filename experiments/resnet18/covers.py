"""Things before a face, drawn on its picture: a mask, sunglasses, hair, a mug, a microphone, and a hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

MASKS = ((150, 190, 215), (230, 230, 232), (30, 30, 34), (60, 80, 120), (190, 120, 130), (120, 150, 90))
LENSES = ((15, 15, 18), (35, 25, 20), (20, 30, 45))
HAIR = ((25, 18, 14), (60, 40, 25), (110, 80, 45), (190, 160, 110), (90, 90, 90))
SKIN = (1, 2, 3, 13, 14, 15, 31, 35, 27)  # landmarks around the cheeks
SUBPIXELS = 16  # OpenCV draws at these fractions with a shift of 4


class Layout:
    """Where the parts of a face are. landmarks_px: (68, 2). Lengths below are in units of the eyes' distance."""

    def __init__(self, landmarks_px: np.ndarray) -> None:
        self.points = landmarks_px
        self.right_eye, self.left_eye = landmarks_px[36:42].mean(0), landmarks_px[42:48].mean(0)
        self.unit_px = float(np.linalg.norm(self.left_eye - self.right_eye))
        self.angle = float(np.arctan2(*(self.left_eye - self.right_eye)[::-1]))
        self.across = np.array([np.cos(self.angle), np.sin(self.angle)])
        self.down = np.array([-np.sin(self.angle), np.cos(self.angle)])
        self.mouth = landmarks_px[48:60].mean(0)

    def region(self, shape: Sequence[int], points: np.ndarray) -> np.ndarray:
        """(H, W) bool: the smallest convex region around points."""
        filled = np.zeros(tuple(shape[:2]), np.uint8)
        cv2.fillConvexPoly(filled, cv2.convexHull(np.round(points).astype(np.int32)), 1)
        return filled.astype(bool)


def mask(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """A mask over nose, mouth and chin."""
    colour, points = np.array(MASKS[rng.integers(len(MASKS))]), face.points
    top = points[28] + (points[29] - points[28]) * rng.uniform(0, 1)
    sides = points[2:15] + (points[2:15] - points[30]) * 0.04
    edge = [points[14] * 0.4 + points[28] * 0.6, top, points[2] * 0.4 + points[28] * 0.6]
    return _laid(image, [np.concatenate([sides, edge])], rng, colour)


def sunglasses(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """Two dark lenses and their bridge."""
    colour, unit = np.array(LENSES[rng.integers(len(LENSES))]), face.unit_px
    half = 0.42 * unit * rng.uniform(0.9, 1.15), 0.33 * unit * rng.uniform(0.85, 1.2)
    low, side = face.down * 0.05 * unit, face.across * 0.03 * unit
    ends = [face.right_eye + low, face.left_eye + low]
    above, below = face.down * 0.06 * unit, face.down * 0.03 * unit
    bridge = np.array([ends[0] - above, ends[1] - above, ends[1] + below, ends[0] + below])
    lenses = [_ellipse(ends[0] - side, *half, face.angle), _ellipse(ends[1] + side, *half, face.angle)]
    return _laid(image, [*lenses, bridge], rng, colour)


def hair(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """Strands from the forehead over one eye."""
    colour, unit = np.array(HAIR[rng.integers(len(HAIR))]), face.unit_px
    side = rng.choice([-1, 1])
    eye = face.right_eye if side < 0 else face.left_eye
    strands = []
    for _ in range(rng.integers(10, 22)):
        x = rng.normal(0, 0.28) * unit
        places = ((-1.1, x * 0.4), (-0.4, x), (0.3, x + side * 0.12 * unit))
        line = [eye + face.down * y * unit + face.across * place for y, place in places]
        end = face.down * rng.uniform(0.6, 1.6) * unit + face.across * (x + side * 0.35 * unit)
        line = np.array([*line, eye + end])
        half = face.across * rng.uniform(0.03, 0.07) * unit
        strands.append(np.concatenate([line - half, (line + half)[::-1]]))
    for strand in strands:
        image = _laid(image, [strand], rng, colour * rng.uniform(0.7, 1.25))
    return image


def mug(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """A mug at the mouth."""
    colour = rng.uniform(15, 245, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(20, 245))
    unit = face.unit_px
    half, height = rng.uniform(0.4, 0.6) * unit, rng.uniform(1.0, 1.6) * unit
    rim = face.mouth + face.across * rng.normal(0, 0.15) * unit + face.down * rng.uniform(-0.05, 0.25) * unit
    side, foot = face.across * half, face.across * half * 0.9
    body = np.array([rim - side, rim + side, rim + foot + face.down * height, rim - foot + face.down * height])
    return _laid(image, [body, _ellipse(rim, half, 0.16 * unit, face.angle)], rng, colour)


def microphone(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """A microphone below the mouth or before it."""
    colour, unit = np.full(3, rng.uniform(15, 70)), face.unit_px
    head = face.mouth + face.down * rng.uniform(0.05, 0.4) * unit + face.across * rng.normal(0, 0.25) * unit
    radius, lean = rng.uniform(0.22, 0.34) * unit, rng.normal(0, 0.3) * unit
    along = face.down * 2.5 * unit
    top, feet = face.across * radius * 0.5, (face.across * (radius * 0.4 + lean), face.across * (lean - radius * 0.4))
    stick = np.array([head - top, head + top, head + feet[0] + along, head + feet[1] + along])
    return _laid(image, [_ellipse(head, radius, radius * 1.15, face.angle), stick], rng, colour)


def hand(image: np.ndarray, face: Layout, rng: np.random.Generator) -> np.ndarray:
    """A hand in the face's own skin colour, over the mouth, the chin, a cheek or an eye."""
    skin = np.median(image[face.region(image.shape, face.points[list(SKIN)])], 0) * rng.uniform(0.75, 1.1)
    angle = rng.uniform(np.radians(20), np.radians(160))
    out = face.across * np.cos(angle) + face.down * np.sin(angle)
    across, unit, length = np.array([-out[1], out[0]]), face.unit_px, 2.2 * face.unit_px
    nose, aside = face.points[30], face.across * 0.5 * unit
    targets = (face.mouth, face.mouth + face.down * 0.3 * unit, nose + aside, nose - aside)
    target = (*targets, face.right_eye, face.left_eye)[rng.integers(6)]
    wrist = [(0.3, -0.13), (0.3, 0.13), (1.5, 0.12), (1.5, -0.12)]
    arm = np.array([target + (out * far + across * aside) * length for far, aside in wrist])
    image = _laid(
        image, [_ellipse(target + out * 0.28 * length, 0.17 * length, 0.19 * length, angle), arm], rng, skin
    )
    for k in range(4):
        foot = target + (out * 0.2 + across * (k - 1.5) * 0.085) * length
        tip = foot - out * rng.uniform(0.24, 0.34) * length + across * rng.uniform(-0.04, 0.04) * length
        for shade, half in ((0.72, 0.042 * length), (1.0, 0.042 * 0.78 * length)):
            side = across * half
            finger = np.array([foot - side, foot + side, tip + side, tip - side])
            image = _laid(image, [finger, _ellipse(tip, half, half)], rng, skin * shade)
    return image


Cover = Callable[[np.ndarray, Layout, np.random.Generator], np.ndarray]
COVERS: dict[str, Cover] = {
    "mask": mask,
    "sunglasses": sunglasses,
    "hair": hair,
    "mug": mug,
    "microphone": microphone,
    "hand": hand,
}


def _ellipse(centre: np.ndarray, half_across: float, half_down: float, angle: float = 0.0) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 40)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.stack([half_across * np.cos(turn), half_down * np.sin(turn)], 1) @ axes.T + centre


def _laid(
    image: np.ndarray, outlines: Sequence[np.ndarray], rng: np.random.Generator, colour: np.ndarray
) -> np.ndarray:
    """A picture with cloth of a colour within the outlines, unevenly lit, as bright as the picture is."""
    shape = image.shape[:2]
    inside = np.zeros(shape, np.float32)
    for outline in outlines:
        cv2.fillPoly(inside, [np.round(outline * SUBPIXELS).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    inside = cv2.GaussianBlur(inside, (0, 0), max(0.5, 0.6 * shape[0] / 160))[..., None]
    folds = rng.standard_normal((shape[0] // 12 + 2, shape[1] // 12 + 2)).astype(np.float32)
    grain = rng.standard_normal(shape).astype(np.float32)
    light = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), shape[1], dtype=np.float32)[None]
    woven = light * (1 + 0.08 * cv2.resize(folds, shape[::-1])) + 0.02 * grain
    cloth = np.clip(colour * woven[..., None], 0, 255) * np.clip(image.mean() / 120, 0.35, 1.4)
    return np.clip(image * (1 - inside) + cloth * inside, 0, 255).astype(np.uint8)
