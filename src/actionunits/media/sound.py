"""The sound of a video, for another one that shows the same frames: AAC, at the times that the frames have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from actionunits.errors import UserError
from actionunits.media.container import open_container

_LAYOUTS = {1: "mono"}  # others become stereo


class SoundTrack:
    """A sound track of a container that is written, filled from a file as the pictures go on.

    source: the file with the sound. Where it has none, or none that can be decoded, so has the other; where it
    breaks off, the other goes on in silence. start_s: the time in the source, from its first frame on, that becomes
    zero. Use `make`.
    """

    def __init__(self, source: Any, track: Any, container: Any, start_s: float, stack: ExitStack) -> None:
        rate, channels = track.codec_context.sample_rate, track.codec_context.channels
        self._container, self._stack = container, stack
        self._stream = container.add_stream("aac", rate=rate, layout=_LAYOUTS.get(channels, "stereo"))
        pictures = source.streams.video
        first = pictures[0].start_time if pictures and pictures[0].start_time is not None else 0
        self._zero_s = float(first * pictures[0].time_base if pictures else 0) + start_s
        self._rate = rate
        self._frames = _decoded(source, track)
        self._next = next(self._frames, None)

    @classmethod
    def make(cls, source: Path, container: Any, start_s: float) -> SoundTrack | None:
        """A track, added to a container before its first packet; None without sound."""
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(open_container(source))
            except UserError:
                return None
            tracks = [track for track in opened.streams.audio if track.codec_context is not None]
            if not tracks or not tracks[0].codec_context.sample_rate:
                return None
            return cls(opened, tracks[0], container, start_s, stack.pop_all())

    def go_on(self, until_s: float) -> None:
        """Write what is heard before a time of the container."""
        while self._next is not None and self._time_s(self._next) < until_s:
            frame, self._next = self._next, next(self._frames, None)
            time_s = self._time_s(frame)
            if time_s >= 0:
                frame.pts, frame.time_base = round(time_s * self._rate), Fraction(1, self._rate)
                self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        """Write what the encoder still holds. The source is closed by `close`."""
        self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        """Let go of the source."""
        self._next = None
        self._frames = iter(())
        self._stack.close()

    def _time_s(self, frame: Any) -> float:
        return float(frame.pts * frame.time_base) - self._zero_s


def _decoded(source: Any, track: Any) -> Iterator[Any]:
    """Frames of sound that have a time, until the end or to where the file is damaged."""
    import av

    try:
        yield from (frame for frame in source.decode(track) if frame.pts is not None)
    except (av.FFmpegError, OSError):
        return
