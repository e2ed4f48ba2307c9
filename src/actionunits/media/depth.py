"""Grey levels of any depth on 0-255.

Cameras of 10, 12 or 14 bits store their values in 16-bit samples as they are. Scaled from 65535 such a picture would
be nearly black, so white is what the samples use.
"""

from __future__ import annotations

import numpy as np

DEEPEST_WHITE = 65535
_WHITES = (1023, 4095, 16383, DEEPEST_WHITE)
_ROWS_AT_ONCE = 256  # large pictures are scaled in strips: the numbers between take eight bytes each


def white_of(top: int) -> int:
    """The largest value of the fewest bits among 10, 12, 14 and 16 that hold `top`; `top` itself above those."""
    return next((white for white in _WHITES if top <= white), top)


def depth_note(white: int) -> str:
    """What is told of a picture or video whose 16-bit samples use fewer bits."""
    return f"16-bit samples hold values of {white.bit_length()} bits: {white} is shown as white"


def white_of_floats(values: np.ndarray) -> float:
    """White of samples that have no fixed one: the first of 1, 255, 65535 and their largest that none exceeds."""
    top = float(np.max(values, initial=0, where=np.isfinite(values)))
    return next((white for white in (1.0, 255.0, float(DEEPEST_WHITE)) if top <= white), top)


def to_8_bit(values: np.ndarray, white: float) -> np.ndarray:
    """Samples, rows first, as uint8: `white` and above become 255, what is below 0 or no number becomes 0."""
    levels = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _ROWS_AT_ONCE):
        strip = np.nan_to_num(values[row : row + _ROWS_AT_ONCE].astype(np.float64), posinf=0.0, neginf=0.0)
        levels[row : row + _ROWS_AT_ONCE] = np.clip(np.rint(strip * (255.0 / white)), 0, 255)
    return levels


class WhiteLevel:
    """What is white in the frames of one video; a frame that is brighter widens the scale for all behind it."""

    def __init__(self) -> None:
        self._from: dict[int, int] = {}  # index of the first frame -> white, both ascending

    def seen(self, index: int, top: int) -> int:
        """White of the frame `index`, the largest sample of which is `top`."""
        white = max(self._from.values(), default=0)
        if top > white:
            white = self._from[index] = white_of(top)
        return white or DEEPEST_WHITE

    @property
    def notes(self) -> list[str]:
        """One line for each scale that was used, none where that was all 16 bits from the start."""
        if set(self._from.values()) <= {DEEPEST_WHITE}:
            return []
        return [f"from frame {index + 1} on, {depth_note(white)}" for index, white in self._from.items()]
