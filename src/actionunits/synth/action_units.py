"""Action units to the face model's shapes, and back from its geometry for AU25.

The pairing follows the model's authors (ICT-FaceKit documentation) and Apple's ARKit shape definitions, with the
companions that FACS describes for an action; shapes.py has what FACS describes and the model lacks.
"""

from __future__ import annotations

import numpy as np

from actionunits.aus import INTENSITY_MAX, SYNTH_AUS
from actionunits.synth.shapes import SHAPES

# AU -> (shape, strength at intensity 5); a shape with _S has one version for each side.
SHAPES_OF_AU: dict[int, tuple[tuple[str, float], ...]] = {
    1: (("browInnerUp_S", 0.95), ("browOblique_S", 0.9)),
    2: (("browOuterUp_S", 1.05),),
    4: (("browDown_S", 1.45), ("browKnit_S", 1.0)),
    5: (("eyeWide_S", 1.85),),
    6: (("cheekSquint_S", 0.85), ("cheekRaiser_S", 0.3), ("cheekLift_S", 1.0)),
    7: (("eyeSquint_S", 1.5), ("eyeBlink_S", 0.22)),
    9: (("noseWrinkle_S", 1.15), ("browDown_S", 0.2), ("browKnit_S", 0.25)),
    10: (("mouthUpperUp_S", 0.9), ("lipSquare_S", 1.0)),
    12: (("mouthSmile_S", 1.0),),
    14: (("mouthDimple_S", 1.5), ("cornerTuck_S", 0.8)),
    15: (("mouthFrown_S", 1.6),),
    17: (("mouthShrugLower", 1.1), ("mouthShrugUpper", 0.55)),
    20: (("mouthStretch_S", 1.15), ("cornerWide_S", 1.0)),
    23: (("lipsThin", 1.1), ("mouthPucker", 0.15), ("mouthPress_S", 0.15)),
    24: (("mouthPress_S", 1.35), ("lipsThin", 1.0), ("mouthRollLower", 0.12), ("mouthRollUpper", 0.12)),
    25: (("mouthLowerDown_S", 0.8), ("mouthUpperUp_S", 0.22), ("jawOpen", 0.06)),
    26: (("jawOpen", 0.8),),
    45: (("eyeBlink_S", 1.0),),
}
# How far a shape of strength 1 closes the eye, as a share of eyeBlink.
SQUINT_CLOSES = 0.3
CHEEK_CLOSES = {"cheekSquint": 0.28, "cheekRaiser": 0.26, "cheekLift": 0.03, "noseWrinkle": 0.15}
LIPS_PART_FULL_CM = 1.2  # inner-lip gap, beyond the neutral one, that counts as AU25 of intensity 5


def shape_strengths(au_left: np.ndarray, au_right: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Strength of every shape of SHAPES, (T, S), for FACS intensities of both sides.

    au_left, au_right: (T, A), 0-5; amplitude: (A,), how far this person moves at intensity 5. A shape without
    sides takes the mean of both.
    """
    result = np.zeros((len(au_left), len(SHAPES)), np.float32)
    # Slightly concave: a trace is visible, as FACS demands of level A.
    left, right = ((side / INTENSITY_MAX) ** 0.85 * amplitude for side in (au_left, au_right))
    for k, au in enumerate(SYNTH_AUS):
        for shape, gain in SHAPES_OF_AU[au]:
            if shape.endswith("_S"):
                result[:, SHAPES.index(shape[:-1] + "L")] += gain * left[:, k]
                result[:, SHAPES.index(shape[:-1] + "R")] += gain * right[:, k]
            else:
                result[:, SHAPES.index(shape)] += gain * (left[:, k] + right[:, k]) / 2
    full = float(amplitude[SYNTH_AUS.index(45)])
    for side in "LR":
        _limit_brow(result, side)
        _limit_lids(result, side, full)
    _limit_lips(result)
    return result


def _limit_brow(strengths: np.ndarray, side: str) -> None:
    """A brow that is raised and lowered at once (AU1 and AU4) slants instead of staying where it was."""
    down, up = (SHAPES.index(f"{name}_{side}") for name in ("browDown", "browOblique"))
    strengths[:, down] *= 1 - 0.6 * np.clip(strengths[:, up], 0, 1)


def _limit_lids(strengths: np.ndarray, side: str, full: float) -> None:
    """Shapes add up; without this a closed eye that is tightened too would close past the other lid.

    full: the strength of eyeBlink that closes this person's eyes; narrowed ones keep a slit.
    """
    blink, squint, wide = (SHAPES.index(f"{name}_{side}") for name in ("eyeBlink", "eyeSquint", "eyeWide"))
    closed = np.clip(strengths[:, blink] / full, 0, 1)
    cheek = sum(share * strengths[:, SHAPES.index(f"{name}_{side}")] for name, share in CHEEK_CLOSES.items())
    lids = strengths[:, blink] + SQUINT_CLOSES * strengths[:, squint]
    room = (0.7 + 0.3 * closed) * full - cheek
    share = np.clip(room / np.maximum(lids, 1e-6), 0, 1)
    strengths[:, [blink, squint]] *= share[:, None]
    strengths[:, wide] *= 1 - closed


def _limit_lips(strengths: np.ndarray) -> None:
    """Lips that the chin pushes up (AU17) are hardly pressed or rolled as well, or the lower would pass the upper."""
    pushed = np.clip(strengths[:, SHAPES.index("mouthShrugLower")], 0, 1)
    for name in ("mouthPress_L", "mouthPress_R", "mouthRollLower", "mouthRollUpper", "lipsThin"):
        strengths[:, SHAPES.index(name)] *= 1 - 0.8 * pushed
    thin = SHAPES.index("lipsThin")
    strengths[:, thin] = np.minimum(strengths[:, thin], 1.0)  # tightened and pressed lips share what there is to thin


def lips_part_intensity(landmarks_cm: np.ndarray, neutral_landmarks_cm: np.ndarray) -> np.ndarray:
    """AU25 intensity (T,), 0-5, from the gap between the inner lips beyond the neutral gap.

    landmarks_cm: (T, 68, 3), neutral_landmarks_cm: (68, 3), head space. Lips part with AU10, 12, 16, 20 and 26 too,
    so the geometry, not the drive, is what a coder would see.
    """

    def gap(points: np.ndarray) -> np.ndarray:
        return (points[..., 61:64, 1] - points[..., [67, 66, 65], 1]).mean(-1)

    opened = gap(landmarks_cm) - gap(neutral_landmarks_cm)
    return np.clip(opened / LIPS_PART_FULL_CM, 0, 1) * INTENSITY_MAX
