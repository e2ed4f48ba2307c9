"""A person's resting face among the frames of a clip, and how outputs are measured from it.

The frames in which a face does least as a whole are taken to be its rest. A person who does something in all of them
never rests, and is left alone; so is an action unit that is strong in them. An action unit may act in these frames
and no other: of what it reads there, no more counts as rest than it reads nearly always. What a face reads at rest is
only ever taken off, and only from action units that read more than resting faces do, their intensity and probability
together: an action unit that reads lower than a resting face should, as lip tighteners do in an open mouth, is no
evidence that it is present elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.aus import INTENSITY_MAX

MIN_FRAMES = 25  # a shorter clip says little about its person
QUIETEST, FEWEST = 0.1, 3  # share of the frames that are taken for rest, and how many at least
LOWEST = 0.02  # what an action unit reads nearly always: more than in all but this share of the frames
# How much a face does is the mean over action units of the intensity and of a tenth of the log-odds above neutral.
LOGIT_WEIGHT = 0.1
MOST_ACTIVITY = 0.17  # of a face at rest
MOST_INTENSITY = 1.5  # of an action unit at rest, which acts otherwise
REST_PROB = 0.05  # what a resting face reads at most is left as it is
STRENGTH_OF_PRESENT = 3.0  # intensity of a probability of 1, for models without intensities
NEWS = 0.04  # share of new frames that is worth another look at a face that is still being seen


# The limits above are chosen on renders of people of their own; docs/detect.md has what they bring on others.


@dataclass(frozen=True)
class RestingFace:
    """What a person reads at rest, of action units that read more than on a resting face; 0 for the others."""

    excess_logit: np.ndarray  # (A,) float, 0 or more
    intensities: np.ndarray  # (A, ...) float, 0-5: columns as given


def above_rest(intensity: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Intensities 0-5 measured from those of a resting face: the room above rest is stretched to 0-5."""
    # A reference of 5 leaves no room above it: everything then reads 0.
    room = np.maximum(INTENSITY_MAX - rest, 1e-6)
    return np.clip((intensity - rest) * INTENSITY_MAX / room, 0, INTENSITY_MAX)


def next_look(seen: int) -> int:
    """How many frames are to be seen, after a look at `seen` of them, before the resting face is sought again."""
    return max(MIN_FRAMES, seen + max(1, round(NEWS * seen)))


def resting_face(logit: np.ndarray, intensities: np.ndarray, neutral_logit: np.ndarray) -> RestingFace | None:
    """The resting face of one person's frames, (T, A) and (T, A, ...); None where it is not seen.

    intensities: the first of further columns is that of the whole face; NaN where the model has none.
    neutral_logit: (A,), the model's mean log-odds on resting faces.
    """
    if len(logit) < MIN_FRAMES:
        return None
    whole = intensities.reshape(*logit.shape, -1)[..., 0]
    strength = np.where(np.isfinite(whole), whole, STRENGTH_OF_PRESENT / (1 + np.exp(-logit)))
    activity = (strength + LOGIT_WEIGHT * np.maximum(logit - neutral_logit, 0)).mean(1)
    quietest = np.argsort(activity, kind="stable")[: max(FEWEST, round(QUIETEST * len(logit)))]
    if activity[quietest].mean() > MOST_ACTIVITY:
        return None
    expected = np.maximum(neutral_logit, np.log(REST_PROB / (1 - REST_PROB)))
    excess = np.maximum(_at_rest(logit, quietest) - expected, 0)
    reads_more = (excess > 0) & (np.median(strength[quietest], 0) < MOST_INTENSITY)
    at_rest = _at_rest(intensities, quietest)
    columns = reads_more.reshape(-1, *[1] * (at_rest.ndim - 1))
    return RestingFace(np.where(reads_more, excess, 0), np.where(columns, at_rest, 0))


def _at_rest(values: np.ndarray, quietest: np.ndarray) -> np.ndarray:
    """What frames (T, A, ...) read at rest, (A, ...)."""
    return np.minimum(np.median(values[quietest], 0), np.quantile(values, LOWEST, 0))
