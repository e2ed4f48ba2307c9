"""Expressions as sets of action units: the emotions of EMFACS, and mixtures that photographs of real life show.

Emotions: Friesen & Ekman, EMFACS-7: Emotional Facial Action Coding System, 1983. Pain: Prkachin & Solomon, The
structure, reliability and validity of pain expression, Pain 139, 2008. The others are described in words by Ekman,
Friesen & Hager, FACS, 2002, or seen in pictures.
Deviations: every member is present by chance only and has its own strength, so that no action unit is predictable
from another; AU16 and AU27 are left out, since they are not rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

# (action unit, chance of taking part, strength relative to the expression's)
Member = tuple[int, float, float]

# Expressions of the rates "together": their members nearly always act together, as in the labels of BP4D.
# fmt: off
BOUND: dict[str, tuple[Member, ...]] = {
    "full smile": (
        (6, 0.82, 1.3), (12, 0.98, 1.5), (10, 0.85, 1.2), (7, 0.75, 1.1), (14, 0.6, 1.2), (25, 0.45, 1.3),
        (26, 0.3, 1.2),
    ),
    "raised brows": ((1, 0.95, 1.4), (2, 0.9, 1.4), (5, 0.15, 1.0)),
    "frown": ((4, 0.98, 1.4), (7, 0.95, 1.3)),
    "pressed lips": ((23, 0.85, 1.3), (24, 0.8, 1.3), (17, 0.5, 1.1), (14, 0.3, 1.0)),
    "shrugging mouth": ((17, 0.95, 1.3), (15, 0.8, 1.2)),
    "open mouth": ((25, 0.98, 1.5), (26, 0.9, 1.4)),
}
PROTOTYPES: dict[str, tuple[Member, ...]] = {
    "happiness": ((6, 0.75, 0.9), (12, 0.95, 1.1), (7, 0.25, 0.7), (10, 0.15, 0.6), (25, 0.5, 0.9), (26, 0.25, 0.6)),
    "laugh": ((6, 0.9, 1.5), (7, 0.55, 1.1), (12, 0.95, 1.7), (25, 0.9, 1.6), (26, 0.8, 1.3), (45, 0.2, 1.6)),
    "suppressed smile": (
        (12, 0.9, 0.9), (14, 0.7, 0.9), (24, 0.5, 1.0), (23, 0.3, 0.9), (17, 0.35, 0.8), (6, 0.3, 0.7),
    ),
    "sadness": ((1, 0.8, 1.0), (4, 0.7, 0.8), (15, 0.85, 1.0), (17, 0.5, 0.9), (6, 0.15, 0.6)),
    "worry": ((1, 0.95, 1.2), (4, 0.75, 1.0), (2, 0.2, 0.7), (7, 0.25, 0.7), (25, 0.25, 0.7)),
    "cry": (
        (1, 0.6, 1.1), (4, 0.85, 1.3), (6, 0.65, 1.3), (7, 0.55, 1.1), (10, 0.45, 1.0), (15, 0.5, 1.2),
        (20, 0.55, 1.4), (17, 0.35, 1.0), (25, 0.75, 1.4), (26, 0.4, 1.1), (45, 0.25, 1.6),
    ),
    "surprise": ((1, 0.85, 1.0), (2, 0.85, 1.0), (5, 0.7, 0.9), (26, 0.7, 1.0), (25, 0.6, 0.9)),
    "fear": (
        (1, 0.8, 1.0), (2, 0.6, 0.8), (4, 0.7, 0.8), (5, 0.7, 1.0), (7, 0.4, 0.7),
        (20, 0.75, 1.0), (25, 0.5, 0.7), (26, 0.45, 0.7),
    ),
    "anger": ((4, 0.9, 1.1), (5, 0.5, 0.8), (7, 0.7, 0.9), (23, 0.6, 1.0), (24, 0.45, 1.0), (17, 0.25, 0.7)),
    "shout": (
        (4, 0.9, 1.6), (5, 0.35, 1.2), (7, 0.6, 1.2), (6, 0.25, 1.0), (9, 0.4, 1.2), (10, 0.5, 1.2),
        (20, 0.2, 1.0), (25, 0.9, 1.6), (26, 0.85, 1.7),
    ),
    "concentration": ((4, 0.9, 1.0), (7, 0.6, 0.9), (23, 0.35, 1.0), (24, 0.35, 1.0)),
    "disgust": ((9, 0.65, 1.1), (10, 0.6, 0.9), (15, 0.45, 0.7), (17, 0.5, 0.8), (4, 0.25, 0.6)),
    "open disgust": (
        (9, 0.8, 1.3), (10, 0.7, 1.1), (4, 0.4, 0.9), (7, 0.35, 0.8), (17, 0.25, 0.8),
        (25, 0.8, 1.1), (26, 0.35, 0.9),
    ),
    "contempt": ((14, 0.95, 1.1), (12, 0.3, 0.6)),
    "smirk": ((12, 0.8, 1.0), (14, 0.6, 1.0), (6, 0.2, 0.6), (2, 0.2, 0.8)),
    "pain": (
        (4, 0.8, 1.0), (6, 0.55, 0.9), (7, 0.6, 0.9), (9, 0.4, 0.8), (10, 0.5, 0.9),
        (20, 0.2, 0.7), (25, 0.3, 0.7), (45, 0.4, 1.6),
    ),
    "open pain": (
        (4, 0.85, 1.4), (6, 0.6, 1.2), (7, 0.65, 1.2), (9, 0.4, 1.1), (10, 0.5, 1.1),
        (20, 0.4, 1.1), (25, 0.9, 1.3), (26, 0.7, 1.2), (45, 0.4, 1.8),
    ),
    "scrunch": (
        (4, 0.9, 1.4), (6, 0.8, 1.3), (7, 0.85, 1.3), (9, 0.65, 1.2), (10, 0.5, 1.0), (45, 0.75, 2.6),
        (12, 0.2, 0.8), (17, 0.35, 0.9), (20, 0.2, 0.9), (24, 0.2, 1.0), (25, 0.3, 1.0),
    ),
    "sun": ((4, 0.8, 1.0), (6, 0.75, 1.1), (7, 0.85, 1.1), (10, 0.1, 0.5)),
    "doubt": ((2, 0.95, 1.2), (1, 0.5, 1.0), (4, 0.6, 0.9), (7, 0.2, 0.7), (14, 0.2, 0.7)),
    "grimace": ((20, 0.95, 1.4), (25, 0.8, 1.0), (15, 0.2, 0.8), (4, 0.3, 0.8), (7, 0.3, 0.8), (1, 0.25, 0.9)),
    "wink": ((45, 1.0, 2.4), (6, 0.7, 1.1), (7, 0.3, 1.0), (12, 0.5, 0.9), (25, 0.15, 0.7)),
} | BOUND
# fmt: on


@dataclass(frozen=True)
class OneSided:
    """How an expression goes to one side of the face."""

    chance: float
    own: tuple[int, ...]  # act on that side alone
    opposite: tuple[int, ...] = ()  # act on the other side alone


ONE_SIDED: dict[str, OneSided] = {
    "contempt": OneSided(0.7, own=(12, 14)),
    "smirk": OneSided(0.85, own=(6, 12, 14)),
    "doubt": OneSided(0.75, own=(1, 2), opposite=(4,)),
    "wink": OneSided(1.0, own=(6, 7, 12, 45)),
}
SPOKEN = ("happiness", "anger", "worry", "concentration", "disgust", "surprise")  # expressions of people who talk
