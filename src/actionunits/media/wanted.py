"""Some pictures of a video track, with no more decoding than they take.

Decoding begins at the last key frame before the first of them, and a picture that nobody asked for and that no other
one refers to is passed over. That takes a track in which all is as it should be: every packet is one picture with a
time stamp of its own, and none is damaged. With any other track `UnevenTrackError` is raised, and it is read in full.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

# A packet of these is one picture; the first ones say of a picture whether others, of whatever kind, refer to it.
_TELL_WHAT_IS_REFERRED_TO = frozenset(("h264", "mpeg4", "mpeg2video", "mpeg1video"))
_ONE_PICTURE_A_PACKET = _TELL_WHAT_IS_REFERRED_TO | {"hevc", "av1", "vp9", "mjpeg", "prores"}
_AHEAD = 64  # packets; one that is shown earlier than another is stored at most this far behind it


class UnevenTrackError(Exception):
    """The pictures of this track can only be numbered by decoding all of them."""


@dataclass(frozen=True)
class Start:
    """A key frame at which decoding can begin."""

    packet: int  # place among the packets, from 0
    number: int  # of its picture, in order of presentation


class _NumberedPackets:
    """Packets as they are stored, each with the number of its picture in order of presentation; None for one that is
    not shown.

    stamps  of the pictures whose packets have been read, ascending
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.stamps: list[int] = []
        self._container, self._stream = container, stream
        self._latest: int | None = None  # of the stamps whose number was given

    def __iter__(self) -> Iterator[tuple[int | None, Any]]:
        from av import FFmpegError

        ahead: deque[Any] = deque()
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:  # PyAV's mark of the end
                    break
                self._register(packet)
                ahead.append(packet)
                if len(ahead) > _AHEAD:
                    yield self._numbered(ahead.popleft())
        except FFmpegError as error:
            raise UnevenTrackError from error
        while ahead:
            yield self._numbered(ahead.popleft())

    def _register(self, packet: Any) -> None:
        if packet.is_discard:
            return
        if packet.is_corrupt or packet.pts is None or (self._latest is not None and packet.pts <= self._latest):
            raise UnevenTrackError
        insort(self.stamps, packet.pts)

    def _numbered(self, packet: Any) -> tuple[int | None, Any]:
        if packet.is_discard:
            return None, packet
        self._latest = packet.pts if self._latest is None else max(self._latest, packet.pts)
        number = bisect_left(self.stamps, packet.pts)
        if self.stamps[number + 1 : number + 2] == [packet.pts]:
            raise UnevenTrackError
        return number, packet


def start_before(container: Any, stream: Any, number: int) -> Start:
    """The last key frame from which the picture `number` can be decoded; packets up to there are read, none decoded.

    Raises UnevenTrackError.
    """
    if stream.codec_context.name not in _ONE_PICTURE_A_PACKET:
        raise UnevenTrackError
    start = None
    for place, (found, packet) in enumerate(_NumberedPackets(container, stream)):
        if packet.is_keyframe and found is not None and found <= number:
            start = Start(place, found)
        if found == number:
            break
    if start is None:
        raise UnevenTrackError
    return start


class WantedPictures:
    """Decoded pictures in order of presentation, each with its number from 0 and its time since picture 0, in units of
    the track's time base: the wanted ones, and what had to be decoded for them.

    Iterating raises UnevenTrackError.
    """

    def __init__(self, container: Any, stream: Any, wanted: Collection[int], start: Start) -> None:
        self._packets = _NumberedPackets(container, stream)
        self._codec = stream.codec_context
        self._passes_over = self._codec.name in _TELL_WHAT_IS_REFERRED_TO
        self._wanted, self._start = wanted, start
        self._due: dict[int, tuple[int, bool]] = {}  # time stamp -> number, and whether it may be passed over

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        held: deque[tuple[int, int, Any]] = (
            deque()
        )  # as long as a picture that is stored before them may turn out damaged
        for picture in self._decoded():
            held.append((self._number(picture), picture.pts - self._packets.stamps[0], picture))
            if len(held) > self._codec.reorder_depth:
                yield held.popleft()
        yield from held
        if len(self._packets.stamps) <= max(self._wanted):
            raise UnevenTrackError

    def _decoded(self) -> Iterator[Any]:
        from av import FFmpegError

        try:
            for place, (number, packet) in enumerate(self._packets):
                # What is shown before the key frame may refer to pictures in front of it.
                if place < self._start.packet or (number is not None and number < self._start.number):
                    continue
                passed_over = self._passes_over and number is not None and number not in self._wanted
                if number is not None:
                    self._due[packet.pts] = number, passed_over
                self._codec.skip_frame = "NONREF" if passed_over else "DEFAULT"
                yield from self._codec.decode(packet)
            yield from self._codec.decode(None)
        except FFmpegError as error:
            raise UnevenTrackError from error

    def _number(self, picture: Any) -> int:
        """The number of the next picture; all in front of it that were to be decoded have been given."""
        if picture.is_corrupt or picture.pts not in self._due:
            raise UnevenTrackError
        number, _ = self._due[picture.pts]
        earlier = [stamp for stamp in self._due if stamp <= picture.pts]
        if any(stamp < picture.pts and not self._due[stamp][1] for stamp in earlier):
            raise UnevenTrackError
        for stamp in earlier:
            del self._due[stamp]
        return number
