"""Readers of photographs, pages and animated pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction

import numpy as np
from PIL import ImageSequence

from actionunits.errors import UserError
from actionunits.media.images import PictureSource, go_to, open_picture, page_numbers, to_rgb
from actionunits.media.reader import MediaReader
from actionunits.types import Frame

_DEFAULT_DURATION_MS = 100.0  # what browsers show for an animation that gives none


class ImageReader(MediaReader):
    """One or several picture files; of a file with several pages every page is a picture.

    Each photograph stands for itself, at time 0, unless `fps` says that they are the frames of a sequence.
    A file that cannot be read is left out and told in `damage`; when none can be read, UserError.
    """

    def __init__(
        self,
        sources: Sequence[PictureSource],
        fps: Fraction | float | None = None,
        has_pages: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        self.kind = "images" if len(sources) > 1 or has_pages else "image"
        self._pictures = list(sources)
        self._sequence_fps = fps
        super().__init__(tuple(map(str, sources)), notes)

    def _frames(self) -> Generator[Frame, None, None]:
        self.frame_count = None if self.kind == "images" and len(self._pictures) == 1 else len(self._pictures)
        self.fps = self._sequence_fps
        faults: list[str] = []
        told: dict[str, list[str]] = {}  # note -> pictures that it is about
        index = position = 0
        for source in self._pictures:
            try:
                for image_rgb, notes in _pages(source):
                    for note in notes:
                        told.setdefault(note, []).append(str(source))
                    time_s = float(position / self.fps) if self.fps else 0.0
                    yield Frame(image_rgb, index, time_s, str(source))
                    index, position = index + 1, position + 1
            except UserError as error:
                faults.append(str(error))
                position += 1
        for note, pictures in told.items():
            others = f", and {len(pictures) - 1} more" if len(pictures) > 1 else ""
            self.notes.append(f"{pictures[0]}{others}: {note}")
        if len(faults) == 1:
            self.damage = faults[0]
        elif faults:
            self.damage = f"{len(faults)} of {len(self._pictures)} pictures left out; first: {faults[0]}"


class AnimationReader(MediaReader):
    """An animated GIF, WebP, PNG or AVIF: its frames at the times the file gives."""

    kind = "video"

    def __init__(self, source: PictureSource) -> None:
        self._picture = source
        super().__init__((str(source),))

    def _frames(self) -> Generator[Frame, None, None]:
        time_ms, index = 0.0, 0
        try:
            with open_picture(self._picture) as image:
                self.frame_count = getattr(image, "n_frames", 1)
                for picture in ImageSequence.Iterator(image):
                    image_rgb, notes = to_rgb(picture)
                    if index == 0:
                        self.notes += [f"{self.sources[0]}: {note}" for note in notes]
                    yield Frame(image_rgb, index, time_ms / 1000.0, self.sources[0])
                    time_ms += picture.info.get("duration") or _DEFAULT_DURATION_MS
                    index += 1
        except UserError as error:
            fault = str(error).removeprefix(f"cannot read {self.sources[0]}: ")
            self.damage = f"{self.sources[0]} breaks off after {index} frames: {fault}"


def _pages(source: PictureSource) -> Iterator[tuple[np.ndarray, list[str]]]:
    with open_picture(source) as image:
        for number in page_numbers(image):
            go_to(image, number)
            yield to_rgb(image)
