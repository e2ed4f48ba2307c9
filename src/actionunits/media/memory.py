"""Pictures in memory: arrays and Pillow images, alone, in a list, or from a generator."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sized
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from actionunits.errors import UserError
from actionunits.media.images import fault_of, read_image, to_rgb
from actionunits.media.reader import MediaReader
from actionunits.types import Frame

Picture = np.ndarray | Image.Image
ACCEPTED = "a path, an address, a PIL image, an array of uint8 (H, W, 3) in RGB, or a list or generator of these"


class MemoryReader(MediaReader):
    """Pictures that a program holds; paths among them are read as picture files.

    pictures: uint8 arrays (H, W, 3) in RGB, Pillow images of any mode, paths. As with files, each stands for itself
    at time 0 unless `fps` says that they are the frames of a sequence. A generator is drawn from as frames are asked
    for, and cannot be read twice. Raises UserError for what is no picture, when its turn comes.
    """

    def __init__(self, pictures: Iterable[Picture | str | Path], fps: Fraction | float | None = None) -> None:
        self._pictures = pictures
        self._sequence_fps = fps
        count = len(pictures) if isinstance(pictures, Sized) else None
        self.kind = "image" if count == 1 else "images"
        self.can_repeat = count is not None
        super().__init__(("picture",) if count == 1 else ("pictures",))

    def _frames(self) -> Generator[Frame, None, None]:
        self.frame_count = len(self._pictures) if isinstance(self._pictures, Sized) else None
        self.fps = self._sequence_fps
        for index, picture in enumerate(self._pictures):
            name = str(picture) if isinstance(picture, str | Path) else f"picture {index + 1}"
            yield Frame(_as_rgb(picture, name), index, float(index / self.fps) if self.fps else 0.0, name)


def check_rgb(picture: Any, name: str) -> None:
    """Raises UserError, with what to do, for anything but an array of uint8, (H, W, 3)."""
    if not isinstance(picture, np.ndarray):
        told, hint = type(picture).__name__, "numpy.asarray(x) makes arrays of tensors"
    elif picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size:
        return
    else:
        told, hint = f"{picture.dtype} {picture.shape}", _hint(picture)
    raise UserError(f"{name}: a picture is an array of uint8, (H, W, 3), RGB, and not {told}; {hint}")


def _hint(picture: np.ndarray) -> str:
    """How an array becomes a picture."""
    if not picture.size:
        return "it is empty"
    if picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 1):
        return "repeat grey values with numpy.dstack([x] * 3)"
    if picture.ndim == 3 and picture.shape[2] == 4:
        return "leave the alpha channel out with x[..., :3]"
    if picture.ndim == 3 and picture.shape[0] == 3 != picture.shape[2]:
        return "channels come last, as with x.transpose(1, 2, 0)"
    if picture.ndim == 4:
        return "give several pictures as a list, as with list(x)"
    if picture.ndim == 3 and picture.shape[2] == 3:
        return "bring its values to 0-255, then x.astype('uint8')"
    return "it has another shape"


def _as_rgb(picture: Any, name: str) -> np.ndarray:
    """A picture of any accepted kind as (H, W, 3) uint8."""
    if isinstance(picture, Image.Image):
        try:
            return to_rgb(picture)[0]
        except Exception as error:  # a file that Pillow has opened is decoded here, and may be damaged
            raise UserError(f"{name}: the picture is damaged ({fault_of(error)})") from error
    if isinstance(picture, str | Path):
        return read_image(picture)
    check_rgb(picture, name)
    return picture
