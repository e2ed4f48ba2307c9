"""Shapes of our own beside those of the face model, for what FACS describes and the model lacks; and resting faces.

Each is a small field of offsets around places of the mean face, after the appearance changes that FACS lists
(Ekman, Friesen & Hager, 2002): frontal x, y in cm, the person's own left; the right side is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actionunits.synth.facekit import (
    EXPRESSIONS,
    EYE_SOCKETS,
    EYELASHES,
    FACE,
    HEAD_AND_NECK,
    MOUTH_SOCKET,
    FaceKit,
)

_SKIN = np.r_[FACE, HEAD_AND_NECK, MOUTH_SOCKET, EYE_SOCKETS, EYELASHES]  # eyeballs, teeth and gums keep still
_FRONT_CM = 5.0  # depth z behind which nothing moves
_LIP_LINE_CM = -3.4  # height y at which the lips meet


@dataclass(frozen=True)
class Pull:
    """Offset of the skin at a place, fading around it like a Gaussian."""

    place_cm: tuple[float, float]
    reach_cm: tuple[float, float]
    offset_cm: tuple[float, float, float]


PULLS: dict[str, tuple[Pull, ...]] = {
    # AU1: the inner end of the brow rises above the outer one, so that the brow slants.
    "browOblique": (
        Pull((1.2, 6.0), (1.3, 1.4), (0.02, 0.42, 0.0)),
        Pull((4.8, 6.0), (1.2, 1.1), (0.0, -0.18, 0.0)),
    ),
    # AU4: the inner end comes down and toward the other one, and the skin between them bulges.
    "browKnit": (
        Pull((1.4, 5.8), (1.5, 1.4), (-0.48, -0.42, 0.0)),
        Pull((0.9, 5.2), (0.7, 0.8), (0.0, -0.12, 0.14)),
        Pull((2.6, 5.0), (1.4, 0.6), (0.0, -0.18, 0.12)),
    ),
    # AU6: the cheek rises, bulges under the eye, and draws the skin of the temple toward the eye.
    "cheekLift": (
        Pull((3.7, 1.0), (1.7, 1.2), (0.0, 0.36, 0.30)),
        Pull((5.7, 3.3), (0.9, 1.2), (-0.16, 0.0, 0.05)),
        Pull((3.4, 2.2), (1.5, 0.5), (0.0, 0.04, 0.12)),
    ),
    # AU10: the lip is drawn up beside its middle, which squares it; its corner stays.
    "lipSquare": (
        Pull((1.6, -2.7), (0.7, 0.6), (0.05, 0.20, 0.0)),
        Pull((2.6, -3.5), (0.6, 0.6), (0.0, -0.28, 0.0)),
        Pull((2.6, -0.6), (0.8, 1.0), (0.0, 0.05, 0.18)),
    ),
    # AU14: the corner sinks in, narrows, and the skin beyond it is drawn toward it.
    "cornerTuck": (
        Pull((2.5, -3.5), (0.6, 0.7), (0.10, -0.22, -0.35)),
        Pull((3.4, -3.4), (0.6, 1.1), (-0.28, 0.0, 0.30)),
    ),
    # AU20: the corner goes straight to the side.
    "cornerWide": (Pull((2.6, -3.6), (1.1, 0.9), (0.38, 0.14, 0.0)),),
}
SHAPES: tuple[str, ...] = (
    *EXPRESSIONS,
    *(f"{name}_{side}" for name in (*PULLS, "noseWrinkle") for side in "LR"),
    "lipsThin",
)

# Shape -> most that a resting face may have: of brows about the strength of the action at intensity 1.2, of lids 0.8,
# of the mouth 0.3, so that an action of full strength is still told from other people's resting faces.
REST_LIMIT: dict[str, float] = {
    "browDown": 0.42,
    "browInnerUp": 0.34,
    "browOuterUp": 0.30,
    "eyeSquint": 0.28,
    "eyeWide": 0.15,
    "mouthSmile": 0.10,
    "mouthFrown": 0.12,
    "mouthPress": 0.10,
}


def with_own_shapes(kit: FaceKit) -> FaceKit:
    """The model with the offsets of all of SHAPES (S, V, 3)."""
    own = [_pulled(kit, pulls, sign) for pulls in PULLS.values() for sign in (1, -1)]
    own += [*(_nose_wrinkle(kit, side) for side in "LR"), _lips_thin(kit)]
    return replace(kit, expression=np.concatenate([kit.expression, np.stack(own)]).astype(np.float32))


def rest_strengths(rng: np.random.Generator) -> np.ndarray:
    """Strength of every shape (S,) in one person's neutral face: brows, lids and lips rest higher or lower.

    Mostly alike on both sides. It belongs to the person's look: no label counts it.
    """
    strengths = np.zeros(len(SHAPES), np.float32)
    for name, limit in REST_LIMIT.items():
        common, *own = 0.5 * limit * rng.standard_normal(3)
        # Lips that are pressed less than closed lips would part.
        least = 0.0 if name == "mouthPress" else -limit
        for side, extra in zip("LR", own, strict=True):
            strengths[SHAPES.index(f"{name}_{side}")] = np.clip(common + 0.25 * extra, least, limit)
    return strengths


def _pulled(kit: FaceKit, pulls: tuple[Pull, ...], sign: int) -> np.ndarray:
    """Field (V, 3) of pulls on the own left (sign 1) or right (-1)."""
    x, y, z = kit.neutral[_SKIN].T
    offsets = np.zeros((len(x), 3))
    for pull in pulls:
        (column, row), (width, height) = pull.place_cm, pull.reach_cm
        weight = np.exp(-(((np.abs(x) - column) / width) ** 2) - ((y - row) / height) ** 2)
        offsets += (weight * np.clip((z - _FRONT_CM) / 1.5, 0.0, 1.0))[:, None] * pull.offset_cm
    # What moves to the side stands still in the middle; the rest fades across it, so that both sides add up to one.
    offsets[:, 0] *= sign * np.clip(sign * x / 0.8, 0.0, 1.0)
    offsets[:, 1:] *= np.clip(0.5 + sign * x, 0.0, 1.0)[:, None]
    field = np.zeros_like(kit.neutral)
    field[_SKIN] = offsets
    return field


def _nose_wrinkle(kit: FaceKit, side: str) -> np.ndarray:
    """The model's sneer (V, 3) without most of what it does to the mouth, which is AU10."""
    share = np.clip((kit.neutral[:, 1] + 2.4) / 1.6, 0.12, 1.0)
    return kit.expression[EXPRESSIONS.index(f"noseSneer_{side}")] * share[:, None]


def _lips_thin(kit: FaceKit) -> np.ndarray:
    """Lips (V, 3) that roll in toward the line where they meet, and get a little shorter."""
    x, y, z = kit.neutral[_SKIN].T
    above = y - _LIP_LINE_CM
    weight = np.exp(-((x / 2.4) ** 4) - (above / 1.15) ** 2) * np.clip((z - _FRONT_CM) / 1.5, 0.0, 1.0)
    field = np.zeros_like(kit.neutral)
    field[_SKIN] = weight[:, None] * np.stack([-0.07 * x, -0.42 * above, np.full_like(x, -0.18)], axis=1)
    return field
