"""What faces do in a clip: how often each action and each expression occurs, how strong, and on which side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.aus import SYNTH_AUS

# Actions of muscles that cannot act on one side alone, or whose labels have no side.
MEDIAL_AUS: tuple[int, ...] = (17, 23, 24, 25, 26)

# Share of an action's occurrences that one side makes alone; the brows' muscles seldom do.
ONE_SIDED_SHARE, RARE_ONE_SIDED_SHARE = 0.125, 0.05
RARELY_ONE_SIDED: tuple[int, ...] = (1, 4, 5, 9)

# Pressed or tightened lips and an open mouth exclude each other.
EXCLUDED: dict[int, tuple[int, ...]] = {23: (26,), 24: (25, 26), 25: (24,), 26: (23, 24)}


@dataclass(frozen=True)
class Repertoire:
    """How often things happen; weights are expected shares of a clip's time, before overlaps and exclusions."""

    target_rate: dict[int, float]  # share of frames with intensity 1 or more that the weights were fitted to
    single_weight: dict[int, float]  # actions of one AU on its own; fitted
    emotion_weight: dict[str, float]  # by the names of PROTOTYPES
    speech_weight: float
    solo_share: float  # share of clips in which, blinks apart, a single AU acts


def _by_au(*values: float) -> dict[int, float]:
    return dict(zip(SYNTH_AUS, values, strict=True))


# Expression -> weight in "studio", "wild" and "balanced", chosen by hand, below what the targets leave room for.
_WEIGHTS: dict[str, tuple[float, float, float]] = {
    "happiness": (0.180, 0.130, 0.070),
    "laugh": (0.050, 0.040, 0.030),
    "suppressed smile": (0.030, 0.020, 0.025),
    "sadness": (0.040, 0.025, 0.040),
    "worry": (0.020, 0.020, 0.035),
    "cry": (0.010, 0.020, 0.040),
    "surprise": (0.030, 0.025, 0.040),
    "fear": (0.015, 0.015, 0.030),
    "anger": (0.030, 0.025, 0.035),
    "shout": (0.010, 0.020, 0.040),
    "concentration": (0.040, 0.030, 0.030),
    "disgust": (0.030, 0.025, 0.035),
    "open disgust": (0.010, 0.015, 0.030),
    "contempt": (0.040, 0.030, 0.030),
    "smirk": (0.030, 0.030, 0.030),
    "pain": (0.030, 0.015, 0.030),
    "open pain": (0.010, 0.015, 0.030),
    "scrunch": (0.010, 0.015, 0.035),
    "sun": (0.030, 0.030, 0.025),
    "doubt": (0.030, 0.030, 0.030),
    "grimace": (0.010, 0.015, 0.030),
    "wink": (0.010, 0.015, 0.025),
}
EMOTIONS_STUDIO, EMOTIONS_WILD, EMOTIONS_BALANCED = (
    {kind: weights[k] for kind, weights in _WEIGHTS.items()} for k in range(3)
)

# Chosen so that rates and correlations are near those of BP4D; single actions are few.
EMOTIONS_TOGETHER = {
    "full smile": 0.95,
    "raised brows": 0.29,
    "frown": 0.30,
    "pressed lips": 0.40,
    "shrugging mouth": 0.32,
    "open mouth": 0.18,
}

# Targets of "studio" are the base rates of BP4D (held at .43, so that not everything acts at once), those
# of "wild" lean on DISFA and GFT with a floor of .08, so that each AU can be learned; "balanced" is for training.
# Those of "together" are the base rates of BP4D, held at .50, and are met within .09.
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
            0.525, 0.491, 0.235, 0.346, 1.329, 1.620, 0.316, 2.150, 1.400,
            2.100, 0.671, 1.492, 0.325, 1.175, 1.541, 0.811, 0.634, 0.084,
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
            0.047, 0.152, 0.091, 0.176, 0.460, 0.560, 0.135, 0.498, 0.526,
            0.651, 0.229, 0.559, 0.153, 1.011, 1.113, 0.771, 0.469, 0.020,
        ),
        emotion_weight=EMOTIONS_WILD,
        speech_weight=0.15,
        solo_share=0.12,
    ),
    "balanced": Repertoire(
        target_rate=_by_au(
            0.220, 0.190, 0.250, 0.180, 0.250, 0.260, 0.180, 0.220, 0.250,
            0.210, 0.190, 0.210, 0.190, 0.190, 0.190, 0.280, 0.220, 0.180,
        ),
        single_weight=_by_au(
            0.401, 0.520, 0.195, 0.663, 0.500, 0.449, 0.474, 0.540, 0.660,
            0.645, 0.565, 0.684, 0.517, 1.189, 1.784, 0.573, 0.776, 0.304,
        ),
        emotion_weight=EMOTIONS_BALANCED,
        speech_weight=0.10,
        solo_share=0.12,
    ),
    "together": Repertoire(
        target_rate=_by_au(
            0.210, 0.170, 0.200, 0.050, 0.460, 0.500, 0.050, 0.500, 0.500,
            0.450, 0.170, 0.340, 0.050, 0.170, 0.150, 0.300, 0.200, 0.090,
        ),
        single_weight=_by_au(
            0.030, 0.020, 0.020, 0.140, 0.060, 0.150, 0.160, 0.200, 0.020,
            0.400, 0.020, 0.300, 0.160, 0.120, 0.150, 0.020, 0.020, 0.060,
        ),
        emotion_weight=EMOTIONS_TOGETHER,
        speech_weight=0.10,
        solo_share=0.0,
    ),
}
# fmt: on


def draw_levels(rng: np.random.Generator, count: int) -> np.ndarray:
    """Peak intensities (count,) in FACS units, 0.5-5; low levels are the more frequent, E is rare."""
    return 0.5 + 4.5 * rng.beta(1.15, 1.9, count)


def split_sides(rng: np.random.Generator, channel: np.ndarray, favoured: np.ndarray) -> np.ndarray:
    """Share (N, 2), 0-1, of its level that each of N actions reaches on the left and on the right.

    `channel` is the place of the action's AU in SYNTH_AUS; what lies beyond is unlabelled and symmetric. An action
    with `favoured` 1 is the left side's alone, with -1 the right side's; with 0, about half of all are nearly
    symmetric, the others visibly stronger on one side, and ONE_SIDED_SHARE unilateral. Medial actions are equal on
    both sides, and closing eyes nearly so.
    """
    count = len(channel)
    luck, amount, side = rng.random((3, count))
    rare = np.isin(channel, [SYNTH_AUS.index(au) for au in RARELY_ONE_SIDED])
    weaker = np.where(luck < 0.55, 0.9 + 0.1 * amount, 0.55 + 0.35 * amount)
    unilateral = luck > 1 - np.where(rare, RARE_ONE_SIDED_SHARE, ONE_SIDED_SHARE)
    lids = channel == SYNTH_AUS.index(45)
    weaker = np.where(lids, 0.94 + 0.06 * amount, weaker)
    weaker = np.where((unilateral & ~lids) | (favoured != 0), 0.3 * np.maximum(amount - 0.5, 0.0), weaker)
    medial = np.isin(channel, [SYNTH_AUS.index(au) for au in MEDIAL_AUS]) | (channel >= len(SYNTH_AUS))
    weaker = np.where(medial, 1.0, weaker)
    right = np.where(favoured == 0, side < 0.5, favoured < 0)
    return np.where(right[:, None], np.stack([weaker, np.ones(count)], 1), np.stack([np.ones(count), weaker], 1))
