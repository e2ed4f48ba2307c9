"""Videos through PyAV: upright RGB frames with their true presentation times."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actionunits.errors import UserError
from actionunits.media.reader import MediaReader
from actionunits.types import Frame

if TYPE_CHECKING:
    import av

# A recording that starts in the middle of a broadcast begins with packets that refer to pictures before it.
_BROADCAST_FORMATS = ("mpegts", "mpeg")
_RESTART_S = 1.0  # a time stamp this far back is a new count, a smaller step back a slip of one stamp
_END_TOLERANCE_S = 0.25  # announced lengths are rounded, and recorders differ on how long the last frame lasts


@dataclass(frozen=True)
class VideoTiming:
    """When the frames of a video are shown; row k is the k-th frame that `VideoReader` gives."""

    time_s: np.ndarray  # (T,) float64 from the first frame, not descending
    fps: float | None  # nominal
    damage: str | None  # what is wrong with the file's end, None if nothing is


def read_timing(path: Path) -> VideoTiming:
    """Number and presentation times of a video's frames, from its packets, without decoding a picture.

    Packets whose data are damaged inside are not noticed; a file that breaks off is. Raises UserError if the file
    cannot be opened or holds no picture.
    """
    with _open_container(path) as container:
        stream = _picture_track(container, path)
        pictures = _Pictures(container, stream)
        stamps = [(packet.pts, packet.dts) for packet in pictures.packets() if not packet.is_discard]
        damage = pictures.fault or pictures.missing_end()
        rate = stream.average_rate or stream.guessed_rate
        time_base = float(stream.time_base)
    if not stamps:
        raise UserError(f"cannot read {path}: {damage or 'it holds no picture'}")
    for kind in (0, 1):  # some formats, AVI among them, do not say when a picture is shown, only its place
        ticks = [stamp[kind] for stamp in stamps]
        if None not in ticks:
            time_s = np.sort(np.array(ticks, np.float64)) * time_base
            break
    else:
        time_s = np.arange(len(stamps)) / float(rate or 25)
    return VideoTiming(time_s - time_s[0], float(rate) if rate else None, damage)


class VideoReader(MediaReader):
    """Frames of the main picture track of a video file.

    Times come from the file's time stamps, relative to the first frame, whatever the nominal rate. A frame without
    a time stamp, or with one that does not lie after its predecessor's, follows it by one nominal interval.
    The rotation or mirroring that a camera noted is applied; pixels are not rescaled to a pixel aspect ratio.

    Damage: reading ends at the first packet that is cut short or refused, and at the first frame that the decoder
    had to conceal, since what it shows there was not filmed. A file that ends before the length it announces is
    damaged as well. What cannot be noticed: a hole that the container format skips (the frames' times show
    the gap), the cut end of a stream that announces no length (MPEG-TS), changed bytes that decode without
    an error.
    """

    kind = "video"

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__((str(path),))

    def _frames(self) -> Generator[Frame, None, None]:
        from av.video.reformatter import VideoReformatter

        with _open_container(self._path) as container:
            stream = _picture_track(container, self._path)
            self.fps = stream.average_rate or stream.guessed_rate
            self.frame_count = _announced_frames(container, stream)
            clock = _Clock(stream.time_base, float(1 / self.fps) if self.fps else 0.04)
            converter = VideoReformatter()
            pictures = _Pictures(container, stream)
            index = 0
            for picture in pictures:
                yield Frame(_upright_rgb(picture, converter), index, clock.time_s(picture), str(self._path))
                index += 1
        if pictures.fault and not index:
            raise UserError(f"cannot read {self._path}: {pictures.fault}")
        if pictures.fault:
            shown = "1 frame" if index == 1 else f"{index} frames"
            self.damage = f"{self._path} is damaged after {shown}: {pictures.fault}"


class _Pictures:
    """Decoded pictures of a track in order of presentation, up to the first fault, which is told in `fault`."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.fault: str | None = None
        self._fault_pts: int | None = None
        self._container, self._stream = container, stream
        self._packets_read = 0
        self._end = 0  # of the last packet, in units of the track's time base
        self._any = False

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self.packets():
            yield from self._decode(packet)
            if self.fault is not None:
                break
        if not self.fault or self._fault_pts is not None:
            yield from self._decode(None)  # pictures that were held back to be put in order
        self.fault = self.fault or self.missing_end()

    def packets(self) -> Iterator[Any]:
        """Whole packets; ends at the end of the file or at a packet that is cut short."""
        from av import FFmpegError

        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    self.fault, self._fault_pts = "a packet is incomplete", packet.pts
                    return
                if packet.size == 0:  # PyAV's mark of the end
                    return
                self._packets_read += 1
                self._end = max(self._end, (packet.pts or packet.dts or 0) + (packet.duration or 0))
                yield packet
        except FFmpegError as error:
            self.fault, self._fault_pts = _words(error), self._end

    def _decode(self, packet: Any) -> Iterator[av.VideoFrame]:
        """Sound pictures that a packet (None: the end) brings out, none at or after the fault."""
        from av import FFmpegError

        try:
            pictures = self._stream.codec_context.decode(packet)
        except FFmpegError as error:
            if packet is not None and (self._any or self._container.format.name not in _BROADCAST_FORMATS):
                self.fault, self._fault_pts = _words(error), packet.pts
            return
        for picture in pictures:
            if picture.is_corrupt:
                self.fault, self._fault_pts = self.fault or "the picture data is damaged", None
                return
            if self._fault_pts is not None and (picture.pts is None or picture.pts >= self._fault_pts):
                return
            self._any = True
            yield picture

    def missing_end(self) -> str | None:
        """What is missing of a track that was read to its end without an error, None if nothing is.

        MP4 lists all its packets beforehand; other formats tell how long the track is.
        """
        stream = self._stream
        if self._container.format.name.startswith("mov"):
            missing = len(stream.index_entries) - self._packets_read
            return f"{missing} frames are missing at the end" if missing > 0 else None
        length_s = _announced_length_s(stream)
        if length_s is None:
            return None
        missing_s = length_s - float((self._end - (stream.start_time or 0)) * stream.time_base)
        rate = stream.average_rate or stream.guessed_rate or 25
        is_short = missing_s > max(_END_TOLERANCE_S, 3 / rate)
        return f"{missing_s:.1f} s are missing at the end" if is_short else None


class _Clock:
    """Seconds since the first frame that never stand still or run backwards."""

    def __init__(self, time_base: Fraction, interval_s: float) -> None:
        self._time_base = time_base
        self._interval_s = interval_s
        self._start: Fraction | None = None
        self._last_s = -math.inf

    def time_s(self, picture: Any) -> float:
        """Presentation time of the next picture."""
        stamp = None if picture.pts is None else picture.pts * self._time_base
        if self._start is None:
            self._start = stamp
            time_s = 0.0 if self._last_s == -math.inf else self._last_s + self._interval_s
        elif stamp is None:
            time_s = self._last_s + self._interval_s
        else:
            time_s = float(stamp - self._start)
            if time_s <= self._last_s:
                time_s = self._last_s + self._interval_s
                if float(stamp - self._start) < self._last_s - _RESTART_S:
                    self._start = stamp - Fraction(time_s)  # the recorder set its clock anew
        self._last_s = time_s
        return time_s


def _open_container(path: Path) -> Any:
    import av

    try:
        return av.open(f"file:{path}")  # the prefix keeps a colon in a name from being taken for a protocol
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read {path}: {_open_fault(path, error)}") from error


def _open_fault(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return "the video is cut short; its index, which is at the end of the file, is missing"
    return "not a video, or damaged from its very beginning"


def _picture_track(container: Any, path: Path) -> Any:
    """The video stream to read, its decoder ready; cover pictures of music files do not count."""
    for stream in container.streams.video:
        if "attached_pic" in (stream.disposition.name or ""):
            continue
        if stream.codec_context is None:
            raise UserError(f"cannot read {path}: there is no decoder for its video format")
        # With several threads FFmpeg neither marks concealed pictures nor tells which packet was at fault.
        stream.codec_context.thread_count = 1
        return stream
    if not container.streams:
        raise UserError(f"cannot read {path}: {_open_fault(path, ValueError())}")
    raise UserError(f"cannot read {path}: it has no picture track")


def _announced_frames(container: Any, stream: Any) -> int | None:
    if stream.frames:
        return int(stream.frames)
    length_s = _announced_length_s(stream)
    if length_s is None and container.duration:
        length_s = container.duration / 1e6
    rate = stream.average_rate or stream.guessed_rate
    return round(length_s * rate) if length_s and rate else None


def _announced_length_s(stream: Any) -> float | None:
    """Time of the end of the track according to the file, None if it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    clock = stream.metadata.get("DURATION", "")  # Matroska: 00:00:10.010000000
    parts = clock.split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _upright_rgb(picture: Any, converter: Any) -> np.ndarray:
    """(H, W, 3) uint8 of a decoded picture, turned and mirrored as its display matrix says."""
    picture_rgb = converter.reformat(picture, format="rgb24", src_color_range=picture.color_range, threads=1)
    image = picture_rgb.to_ndarray()
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        image = _apply_display_matrix(image, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3))
    return np.ascontiguousarray(image)


def _apply_display_matrix(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Nearest of the eight upright orientations; the x axis of the stored picture points along row 0, y along 1."""
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if abs(int(a)) < abs(int(b)):
        image, along_x, along_y = image.swapaxes(0, 1), c, b
    else:
        along_x, along_y = a, d
    return image[:: -1 if along_y < 0 else 1, :: -1 if along_x < 0 else 1]


def _words(error: Exception) -> str:
    from av.error import InvalidDataError

    if isinstance(error, InvalidDataError):
        return "the picture data is damaged"
    return str(getattr(error, "strerror", None) or error)
