"""What every source of frames has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from types import TracebackType

from actionunits.errors import UserError
from actionunits.types import Frame


class MediaReader(Iterator[Frame]):
    """Frames of one source, read once, in order, one in memory at a time.

    The first frame is decoded when the reader is made, so that unusable input is reported before any work.

    kind         "image", "images", "video" (animated pictures too) or "webcam"
    sources      names of the files, or ("webcam:0",)
    frame_count  number of frames the source announces; an estimate for videos, None when unknown
    fps          nominal frames per second, None when there is none; the frames' own times are what counts
    size         width and height of the first frame, upright
    decoded      frames handed out so far
    damage       None, or after the last frame one line on what could not be read
    can_repeat   whether the source can be opened once more
    notes        after the last frame: lines on what was not read as it is, though nothing is wrong with it
    """

    kind: str
    can_repeat = True

    def __init__(self, sources: tuple[str, ...], notes: Sequence[str] = ()) -> None:
        self.sources = sources
        self.frame_count: int | None = None
        self.fps: Fraction | float | None = None
        self.decoded = 0
        self.damage: str | None = None
        self.notes = list(notes)
        self._stream = self._frames()
        self._first: Frame | None = next(self._stream, None)
        if self._first is None:
            raise UserError(self.damage or f"{', '.join(sources)} holds no frame")
        height, width = self._first.image_rgb.shape[:2]
        self.size = (width, height)

    @abstractmethod
    def _frames(self) -> Generator[Frame, None, None]:
        """Decode the source; sets `damage` before ending early, and `frame_count` and `fps` before the start."""

    def __next__(self) -> Frame:
        if self._first is not None:
            frame, self._first = self._first, None
        else:
            frame = next(self._stream)
        self.decoded += 1
        return frame

    def close(self) -> None:
        """Let go of the file or device; no more frames come."""
        self._first = None
        self._stream.close()

    def __enter__(self) -> MediaReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
