"""One labelled clip on its way into somebody's folder layout, and what several layouts write alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from actionunits.errors import UserError
from actionunits.files import write_atomically

PRESENT_FROM = 1.0  # intensity of level A
JPEG_QUALITY = 92


@dataclass(frozen=True)
class LabelledClip:
    """One clip to be written in somebody's layout, T frames of one person."""

    subject: int  # from 0; the writer makes the official name
    task: int  # from 0
    fps: float
    aus: tuple[int, ...]
    au_intensity: np.ndarray  # (T, A) 0-5
    landmarks_px: np.ndarray  # (T, 68, 2)
    images: Callable[[], Iterator[np.ndarray]]  # gives T pictures, (H, W, 3) uint8 RGB

    def __len__(self) -> int:
        return len(self.au_intensity)

    def levels(self, au: int) -> np.ndarray:
        """FACS level of every frame, (T,) int64 0-5: the nearest one, and 0 for less than level A.

        Thus an AU is present exactly where its level is not 0, as in the renders' own tables.
        """
        intensity = np.asarray(self.au_intensity[:, self.aus.index(au)], np.float64).round(2)
        return np.where(intensity >= PRESENT_FROM, np.rint(intensity), 0).astype(np.int64)


def write_jpeg(path: Path, image_rgb: np.ndarray) -> None:
    """Write a picture, (H, W, 3) uint8 RGB; missing folders are made."""
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not encoded:
        raise UserError(f"cannot write {path}: the picture cannot be coded as JPEG")
    with write_atomically(path) as temporary:
        temporary.write_bytes(data.tobytes())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; missing folders are made."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="")
