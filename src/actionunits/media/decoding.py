"""Sound pictures of a video track, and what is missing between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from actionunits.media.container import announced_length_s

# A recording that starts in the middle of a broadcast begins with packets that refer to pictures before it.
_BROADCAST_FORMATS = ("mpegts", "mpeg")
_END_TOLERANCE_S = 0.25  # announced lengths are rounded, and recorders differ on how long the last frame lasts
_DAMAGED = "the picture data is damaged"
_INCOMPLETE = "a packet is incomplete"


@dataclass
class Gap:
    """Pictures in a row that cannot be shown."""

    start: int  # number of the first one
    length: int
    reason: str

    def __str__(self) -> str:
        """The numbers as a user counts, from 1."""
        return f"{self.start + 1}" if self.length == 1 else f"{self.start + 1}-{self.start + self.length}"


class Packets:
    """The packets of a track up to the end of what can be read; what is wrong there is told in `fault`."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.fault: str | None = None
        self._container, self._stream = container, stream
        self._read = 0
        self._end = 0  # of the last packet, in units of the track's time base

    def __iter__(self) -> Iterator[Any]:
        from av import FFmpegError

        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:  # PyAV's mark of the end
                    break
                self._read += 1
                if not packet.is_corrupt:
                    self._end = max(self._end, (packet.pts or packet.dts or 0) + (packet.duration or 0))
                self.fault = _INCOMPLETE if packet.is_corrupt else None
                yield packet
        except FFmpegError as error:
            self.fault = words(error)
        self.fault = self.fault or self._missing_end()

    def _missing_end(self) -> str | None:
        """What is missing of a track that was read to its end without an error, None if nothing is.

        MP4 lists all its packets beforehand; other formats tell how long the track is.
        """
        stream = self._stream
        if self._container.format.name.startswith("mov"):
            missing = len(stream.index_entries) - self._read
            return f"{missing} frames are missing at the end" if missing > 0 else None
        length_s = announced_length_s(stream)
        if length_s is None:
            return None
        missing_s = length_s - float((self._end - (stream.start_time or 0)) * stream.time_base)
        rate = stream.average_rate or stream.guessed_rate or 25
        is_short = missing_s > max(_END_TOLERANCE_S, 3 / rate)
        return f"{missing_s:.1f} s are missing at the end" if is_short else None


class Pictures:
    """Decoded pictures of a track in order of presentation, each with its number from 0.

    A picture that was concealed by the decoder is not given, nor one that may have been predicted from what is
    missing: behind a fault decoding goes on at the next key frame. What is left out has numbers too.

    gaps       what is missing between the pictures given so far, and before the first
    fault      after the last picture: what is wrong with the end of the track, None if nothing is
    first_pts  of the first packet, in units of the track's time base
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.gaps: list[Gap] = []
        self.fault: str | None = None
        self.first_pts: int | None = None
        self._codec = stream.codec_context
        self._packets = Packets(container, stream)
        self._may_start_late = container.format.name in _BROADCAST_FORMATS
        self._number = 0  # of the next picture
        self._held: list[Any] = []  # sound, as long as no picture that is stored before them turns out damaged
        self._in_gap = False
        self._awaits_key = False
        self._key_pts: int | None = None  # of the key frame behind a fault, while pictures before it may come

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        from av import FFmpegError

        for packet in self._packets:
            self.first_pts = packet.pts if self.first_pts is None else self.first_pts
            if self._is_cut_off(packet) and not packet.is_discard:
                self._lose(1, _DAMAGED)
                continue
            if packet.is_corrupt:
                yield from self._broken_at(packet, _INCOMPLETE)
                continue
            try:
                pictures = self._codec.decode(packet)
            except FFmpegError as error:
                if not self._is_before_start():
                    yield from self._broken_at(packet, words(error))
                continue
            yield from self._sound(pictures)
        yield from self._sound(self._drained())
        yield from self._released(0)
        # What is missing at the end is no gap.
        self.fault = self.gaps.pop().reason if self._in_gap else self._packets.fault

    def _is_before_start(self) -> bool:
        return self._may_start_late and not self._number and not self._held

    def _is_cut_off(self, packet: Any) -> bool:
        """Whether the picture of a packet may refer to one that is missing."""
        if self._awaits_key:
            self._awaits_key = not packet.is_keyframe
            self._key_pts = packet.pts
            return self._awaits_key
        if self._key_pts is not None and packet.pts is not None and packet.pts < self._key_pts:
            return True
        self._key_pts = None
        return False

    def _sound(self, pictures: list[Any]) -> Iterator[tuple[int, Any]]:
        """The pictures that no damaged one can have been part of."""
        for place, picture in enumerate(pictures):
            if not picture.is_corrupt:
                self._held.append(picture)
                yield from self._released(self._codec.reorder_depth)
            elif not self._is_before_start():
                lost = len(self._held) + len(pictures) - place + len(self._drained())
                self._held.clear()
                self._lose(lost, _DAMAGED)
                self._restart()
                return

    def _broken_at(self, packet: Any, reason: str) -> Iterator[tuple[int, Any]]:
        """The pictures that the decoder still holds and that are shown before a packet that it cannot use."""
        pictures, limit = self._drained(), packet.pts
        before = [p for p in pictures if limit is None or (p.pts is not None and p.pts < limit)]
        yield from self._sound(before)
        yield from self._released(0)
        self._lose(len(pictures) - len(before) + 1, reason)
        self._restart()

    def _released(self, held: int) -> Iterator[tuple[int, Any]]:
        """The oldest pictures, all but `held`."""
        while len(self._held) > held:
            self._in_gap = False
            self._number += 1
            yield self._number - 1, self._held.pop(0)

    def _lose(self, count: int, reason: str) -> None:
        if not self._in_gap:
            self.gaps.append(Gap(self._number, 0, reason))
            self._in_gap = True
        self.gaps[-1].length += count
        self._number += count

    def _drained(self) -> list[Any]:
        """The pictures that the decoder held back to put them in order."""
        from av import FFmpegError

        try:
            return list(self._codec.decode(None))
        except FFmpegError:
            return []

    def _restart(self) -> None:
        depth = self._codec.reorder_depth
        self._codec.flush_buffers()
        self._codec.reorder_depth = depth  # which it forgets, and then drops pictures that come out of order
        self._awaits_key = True


def words(error: Exception) -> str:
    """What FFmpeg says of a failure, for a user."""
    from av.error import InvalidDataError

    if isinstance(error, InvalidDataError):
        return _DAMAGED
    return str(getattr(error, "strerror", None) or error)
