"""What every source of frames has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

from actionunits.errors import UserError
from actionunits.types import Frame


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a source are given: those from `start_s` on and before `end_s`, and of them each `every`-th.

    Frames keep the number and the time that they have in the source; its first one counts as one of the every n-th.
    Raises UserError for a choice that holds no frame of any source.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if not self.start_s >= 0:
            raise UserError(f"the start is {self.start_s:g}; it must be a time in seconds from 0 on")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise UserError(f"the end, {self.end_s:g} s, does not lie behind the start, {self.start_s:g} s")
        if self.every < 1:
            raise UserError(f"each {self.every}-th frame cannot be taken; every must be at least 1")

    @property
    def is_of_time(self) -> bool:
        """Whether the times of frames decide."""
        return self.start_s > 0 or self.end_s is not None

    def ends_before(self, time_s: float) -> bool:
        """Whether neither the frame of this time nor a later one is given."""
        return self.end_s is not None and time_s >= self.end_s

    def takes(self, index: int, time_s: float) -> bool:
        """Whether the frame of this number and time, which lies before the end, is given."""
        return time_s >= self.start_s and index % self.every == 0


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
    choice       which of the frames are handed out; set it before the first
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
        self.choice = FrameChoice()
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
        while True:
            if self._first is not None:
                frame, self._first = self._first, None
            else:
                frame = next(self._stream)
            if self.choice.ends_before(frame.time_s):
                self.close()
                raise StopIteration
            if self.choice.takes(frame.index, frame.time_s):
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
