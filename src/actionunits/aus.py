"""Action units: numbers, names, muscles, the sets that data sets code, and label codes.

Source of names and muscles: Ekman, Friesen & Hager, Facial Action Coding System, 2002.
This is the only place where they are written.
"""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError


@dataclass(frozen=True)
class ActionUnit:
    """One action unit of FACS."""

    number: int
    name: str
    muscles: str
    appearance: str  # what is seen of it

    @property
    def label(self) -> str:
        """Two-digit label used in column names, for instance `AU06`."""
        return au_label(self.number)


def au_label(number: int) -> str:
    """Column label of an AU number.

    >>> au_label(6)
    'AU06'
    """
    return f"AU{number:02d}"


AUS: dict[int, ActionUnit] = {
    number: ActionUnit(number, name, muscles, appearance)
    for number, name, muscles, appearance in (
        (1, "inner brow raiser", "frontalis, pars medialis", "inner ends of the brows go up"),
        (2, "outer brow raiser", "frontalis, pars lateralis", "outer ends of the brows go up and arch"),
        (4, "brow lowerer", "corrugator supercilii, depressor supercilii, procerus", "brows go down and together"),
        (5, "upper lid raiser", "levator palpebrae superioris", "upper lids go up, more white of the eye shows"),
        (6, "cheek raiser", "orbicularis oculi, pars orbitalis", "cheeks go up, folds beside the eyes"),
        (7, "lid tightener", "orbicularis oculi, pars palpebralis", "lids tighten and narrow the eyes"),
        (9, "nose wrinkler", "levator labii superioris alaeque nasi", "wrinkles along the nose, its wings go up"),
        (10, "upper lip raiser", "levator labii superioris", "upper lip goes up, squarish, over the teeth"),
        (11, "nasolabial deepener", "zygomaticus minor", "middle of the fold beside the nose deepens"),
        (12, "lip corner puller", "zygomaticus major", "corners of the lips go up and outwards"),
        (14, "dimpler", "buccinator", "corners of the lips are pressed in, with dimples"),
        (15, "lip corner depressor", "depressor anguli oris", "corners of the lips go down"),
        (16, "lower lip depressor", "depressor labii inferioris", "lower lip goes down, lower teeth may show"),
        (17, "chin raiser", "mentalis", "chin boss goes up and wrinkles, lower lip is pushed up"),
        (18, "lip pucker", "incisivii labii", "lips are drawn together and forward"),
        (20, "lip stretcher", "risorius", "lips are stretched sideways"),
        (22, "lip funneler", "orbicularis oris", "lips are turned out like a funnel"),
        (23, "lip tightener", "orbicularis oris", "lips become narrow and tight"),
        (24, "lip pressor", "orbicularis oris", "lips are pressed together"),
        (25, "lips part", "depressor labii inferioris, or relaxed mentalis or orbicularis oris", "lips are apart"),
        (26, "jaw drop", "masseter, relaxed temporalis and internal pterygoid", "jaw is open, relaxed"),
        (27, "mouth stretch", "pterygoids, digastric", "mouth is opened wide"),
        (28, "lip suck", "orbicularis oris", "lips are sucked in over the teeth"),
        (43, "eyes closed", "relaxed levator palpebrae superioris", "eyes are closed"),
        (45, "blink", "relaxed levator palpebrae superioris, orbicularis oculi", "eyes close and open again"),
    )
}

# The AUs that renders carry and that the released detector reports.
SYNTH_AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 45)

# The AUs that papers evaluate: BP4D 12, DISFA 8 for occurrence and 12 for intensity, GFT 10.
DATASET_AUS: dict[str, tuple[int, ...]] = {
    "bp4d": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "bp4d_intensity": (6, 10, 12, 14, 17),
    "disfa": (1, 2, 4, 6, 9, 12, 25, 26),
    "disfa_intensity": (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
    "gft": (1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
    "synthau": SYNTH_AUS,
}

INTENSITY_MAX = 5.0  # FACS levels A-E are 1-5; 0 is absent
INTENSITY_LETTERS = "-ABCDE"  # index = rounded intensity
UNKNOWN_CODE = 9  # BP4D, BP4D+ and GFT write 9 for "cannot be scored"


def parse_aus(text: str) -> tuple[int, ...]:
    """AU numbers of a comma-separated list such as `1,AU02,12`, in ascending order.

    Raises UserError for a number that is not an action unit of this table.

    >>> parse_aus("AU12, 4")
    (4, 12)
    """
    numbers = []
    for word in text.split(","):
        word = word.strip().upper().removeprefix("AU")
        if not word.isdigit() or int(word) not in AUS:
            known = ", ".join(map(str, AUS))
            raise UserError(f"'{word}' is not a known action unit; known are {known}")
        numbers.append(int(word))
    return tuple(sorted(set(numbers)))
