"""What faces do in a clip: emotion prototypes, how often each action occurs, and the actions it consists of.

The prototypes follow EMFACS (Friesen & Ekman, EMFACS-7: Emotional Facial Action Coding System, 1983), pain
follows Prkachin & Solomon, The structure, reliability and validity of pain expression, Pain 139, 2008.
Deviations: every member of a prototype is present by chance only and has its own strength, so that no action
unit is predictable from another; AU16 is left out, since it is not rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.aus import SYNTH_AUS

# Actions of muscles that cannot act on one side alone, or whose labels have no side.
MEDIAL_AUS: tuple[int, ...] = (17, 23, 24, 25, 26)

# Pressed or tightened lips and an open mouth exclude each other.
EXCLUDED: dict[int, tuple[int, ...]] = {23: (26,), 24: (25, 26), 25: (24,), 26: (23, 24)}

# (action unit, chance of taking part, strength relative to the expression's)
Member = tuple[int, float, float]

PROTOTYPES: dict[str, tuple[Member, ...]] = {
    "happiness": (
        (6, 0.75, 0.9),
        (12, 0.95, 1.1),
        (7, 0.25, 0.7),
        (10, 0.15, 0.6),
        (25, 0.5, 0.9),
        (26, 0.25, 0.6),
    ),
    "sadness": ((1, 0.8, 1.0), (4, 0.7, 0.8), (15, 0.85, 1.0), (17, 0.5, 0.9), (6, 0.15, 0.6)),
    "surprise": ((1, 0.85, 1.0), (2, 0.85, 1.0), (5, 0.7, 0.9), (26, 0.7, 1.0), (25, 0.6, 0.9)),
    "fear": (
        (1, 0.8, 1.0),
        (2, 0.6, 0.8),
        (4, 0.7, 0.8),
        (5, 0.7, 1.0),
        (7, 0.4, 0.7),
        (20, 0.75, 1.0),
        (25, 0.5, 0.7),
        (26, 0.45, 0.7),
    ),
    "anger": ((4, 0.9, 1.1), (5, 0.5, 0.8), (7, 0.7, 0.9), (23, 0.6, 1.0), (24, 0.45, 1.0), (17, 0.25, 0.7)),
    "disgust": (
        (9, 0.65, 1.1),
        (10, 0.6, 0.9),
        (15, 0.45, 0.7),
        (17, 0.5, 0.8),
        (4, 0.25, 0.6),
        (25, 0.2, 0.6),
    ),
    "contempt": ((14, 0.95, 1.1), (12, 0.3, 0.6)),
    "pain": (
        (4, 0.8, 1.0),
        (6, 0.55, 0.9),
        (7, 0.6, 0.9),
        (9, 0.4, 0.8),
        (10, 0.5, 0.9),
        (20, 0.2, 0.7),
        (25, 0.3, 0.7),
        (45, 0.4, 1.6),
    ),
}


@dataclass(frozen=True)
class Repertoire:
    """How often things happen; weights are expected shares of a clip's time, before overlaps and exclusions."""

    target_rate: dict[int, float]  # share of frames with intensity 1 or more that the weights were fitted to
    single_weight: dict[int, float]  # actions of one AU on its own; fitted
    emotion_weight: dict[str, float]  # chosen by hand, below what the targets leave room for
    speech_weight: float
    solo_share: float  # share of clips in which, blinks apart, a single AU acts


def _by_au(*values: float) -> dict[int, float]:
    return dict(zip(SYNTH_AUS, values, strict=True))


EMOTIONS_BALANCED = {
    "happiness": 0.08,
    "sadness": 0.05,
    "surprise": 0.05,
    "fear": 0.04,
    "anger": 0.05,
    "disgust": 0.05,
    "contempt": 0.05,
    "pain": 0.05,
}
EMOTIONS_STUDIO = {
    "happiness": 0.20,
    "sadness": 0.05,
    "surprise": 0.03,
    "fear": 0.02,
    "anger": 0.04,
    "disgust": 0.04,
    "contempt": 0.06,
    "pain": 0.04,
}
EMOTIONS_WILD = {
    "happiness": 0.15,
    "sadness": 0.03,
    "surprise": 0.025,
    "fear": 0.015,
    "anger": 0.03,
    "disgust": 0.03,
    "contempt": 0.04,
    "pain": 0.02,
}

# Targets of "studio" are the base rates of BP4D (held at .43, so that not everything acts at once), those
# of "wild" lean on DISFA and GFT with a floor of .08, so that each AU can be learned; "balanced" is for training.
# Single weights were found with tests/synth/fit_motion_rates.py (fixed-point iteration on simulated clips); they
# exceed the targets, since overlaps, exclusions, the limit on simultaneous AUs and trace levels take their part.
# fmt: off
REPERTOIRES: dict[str, Repertoire] = {
    "studio": Repertoire(
        target_rate=_by_au(
            0.210, 0.170, 0.200, 0.090, 0.420, 0.430, 0.100, 0.430, 0.430,
            0.420, 0.170, 0.330, 0.090, 0.170, 0.150, 0.300, 0.190, 0.100,
        ),
        single_weight=_by_au(
            0.684, 0.643, 0.563, 0.349, 1.604, 1.903, 0.373, 1.954, 1.606,
            2.000, 0.662, 1.554, 0.404, 1.187, 1.479, 0.968, 0.785, 0.157,
        ),
        emotion_weight=EMOTIONS_STUDIO,
        speech_weight=0.12,
        solo_share=0.12,
    ),
    "wild": Repertoire(
        target_rate=_by_au(
            0.110, 0.120, 0.180, 0.090, 0.280, 0.300, 0.090, 0.240, 0.310,
            0.270, 0.110, 0.220, 0.090, 0.200, 0.140, 0.340, 0.200, 0.090,
        ),
        single_weight=_by_au(
            0.132, 0.209, 0.336, 0.202, 0.562, 0.719, 0.183, 0.535, 0.620,
            0.666, 0.225, 0.552, 0.211, 0.958, 0.986, 0.899, 0.616, 0.067,
        ),
        emotion_weight=EMOTIONS_WILD,
        speech_weight=0.15,
        solo_share=0.12,
    ),
    "balanced": Repertoire(
        target_rate=_by_au(
            0.220, 0.200, 0.230, 0.180, 0.230, 0.240, 0.180, 0.220, 0.250,
            0.200, 0.190, 0.220, 0.180, 0.180, 0.180, 0.270, 0.220, 0.180,
        ),
        single_weight=_by_au(
            0.472, 0.544, 0.478, 0.615, 0.644, 0.670, 0.549, 0.628, 0.757,
            0.645, 0.578, 0.719, 0.619, 1.036, 1.522, 0.856, 0.969, 0.403,
        ),
        emotion_weight=EMOTIONS_BALANCED,
        speech_weight=0.10,
        solo_share=0.12,
    ),
}
# fmt: on


def draw_levels(rng: np.random.Generator, count: int) -> np.ndarray:
    """Peak intensities (count,) in FACS units, 0.5-5; low levels are the more frequent, E is rare."""
    return 0.5 + 4.5 * rng.beta(1.15, 1.9, count)


def split_sides(rng: np.random.Generator, channel: np.ndarray, one_sided: np.ndarray) -> np.ndarray:
    """Share (N, 2), 0-1, of its level that each of N actions reaches on the left and on the right.

    `channel` is the place of the action's AU in SYNTH_AUS; what lies beyond is unlabelled and symmetric. About
    half of all actions are nearly symmetric, the others visibly stronger on one side; one in twelve is
    unilateral, as is every action with `one_sided` set. Medial actions are equal on both sides, and closing eyes
    nearly so.
    """
    count = len(channel)
    luck, amount, side = rng.random((3, count))
    weaker = np.where(luck < 0.55, 0.9 + 0.1 * amount, 0.55 + 0.35 * amount)
    weaker = np.where(one_sided | (luck > 0.92), 0.3 * np.maximum(amount - 0.5, 0.0), weaker)
    lids = channel == SYNTH_AUS.index(45)
    weaker = np.where(lids & (luck < 0.97), 0.94 + 0.06 * amount, weaker)
    medial = np.isin(channel, [SYNTH_AUS.index(au) for au in MEDIAL_AUS]) | (channel >= len(SYNTH_AUS))
    weaker = np.where(medial, 1.0, weaker)
    return np.where(
        (side < 0.5)[:, None], np.stack([weaker, np.ones(count)], 1), np.stack([np.ones(count), weaker], 1)
    )
