"""Colours of every picture: Okabe-Ito for people, one perceptually even ramp for intensity.

Source: Okabe & Ito, Color Universal Design, 2008 (colours that people with any colour vision tell apart).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from skimage.color import lab2rgb

RGB = tuple[int, int, int]

SKY_BLUE: RGB = (86, 180, 233)
ORANGE: RGB = (230, 159, 0)
BLUISH_GREEN: RGB = (0, 158, 115)
YELLOW: RGB = (240, 228, 66)
REDDISH_PURPLE: RGB = (204, 121, 167)
VERMILLION: RGB = (213, 94, 0)
BLUE: RGB = (0, 114, 178)

# Light colours first: the first people are drawn on photographs and on dark panels.
PERSON_COLOURS: tuple[RGB, ...] = (
    SKY_BLUE,
    ORANGE,
    BLUISH_GREEN,
    YELLOW,
    REDDISH_PURPLE,
    VERMILLION,
    BLUE,
)

# CIELAB ends of the intensity ramp: paper white to navy. A straight line in CIELAB is perceptually even, and
# its steadily falling lightness keeps the order of intensities for every colour vision and in a grey print.
RAMP_LIGHT_LAB = (97.0, -1.0, -2.0)
RAMP_DARK_LAB = (28.0, 15.0, -50.0)


def person_colour(face_id: int) -> RGB:
    """Colour of a person, the same in every picture; the colours repeat after seven people."""
    return PERSON_COLOURS[face_id % len(PERSON_COLOURS)]


def ink_on(colour: RGB) -> RGB:
    """Black or white, whichever has the higher contrast (WCAG 2 relative luminance) on a colour.

    >>> ink_on((240, 228, 66)), ink_on((0, 114, 178))
    ((0, 0, 0), (255, 255, 255))
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    black_contrast, white_contrast = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
    return (0, 0, 0) if black_contrast > white_contrast else (255, 255, 255)


@cache
def intensity_colormap() -> LinearSegmentedColormap:
    """Matplotlib colour map of intensity: white is absent, navy is the maximum."""
    position = np.linspace(0.0, 1.0, 256)[:, None]
    lab = np.array(RAMP_LIGHT_LAB) * (1 - position) + np.array(RAMP_DARK_LAB) * position
    return LinearSegmentedColormap.from_list("au_intensity", lab2rgb(lab), N=256)
