"""Videos through PyAV: upright RGB frames with their true presentation times."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
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


class VideoReader(MediaReader):
    """Frames of the main picture track of a video file.

    Times come from the file's time stamps, relative to the first frame, whatever the nominal rate. A frame without
    a time stamp, or with one that does not lie after its predecessor's, follows it by one nominal interval.
    The rotation or mirroring that a camera noted is applied; pixels are not rescaled to a pixel aspect ratio.

    Damage: reading ends at the first packet that is cut short or refused and at the first frame that the decoder
    marks as concealed, since what it shows there was not filmed. `damage` then tells where. A file that ends
    before the length it announces is damaged as well. Decoding uses no frame threads: with them, an error could
    not be told to one packet, and frames before it would be lost.
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
            for index, picture in enumerate(self._pictures(container, stream)):
                image_rgb = _upright_rgb(picture, converter)
                yield Frame(image_rgb, index, clock.time_s(picture), str(self._path))

    def _pictures(self, container: Any, stream: Any) -> Iterator[av.VideoFrame]:
        """Decoded pictures in order of presentation, up to the damage if there is any."""
        from av import FFmpegError

        shown, packets, end = 0, 0, 0
        queue = container.demux(stream)
        fault = None
        while fault is None:
            try:
                packet = next(queue, None)
            except FFmpegError as error:
                fault = _words(error)
                break
            if packet is None or packet.size == 0:  # the end: ask for the pictures that wait for reordering
                packet = None
            elif packet.is_corrupt:
                fault = "the data is cut short"
                packet = None
            else:
                packets += 1
                end = max(end, (packet.pts or packet.dts or 0) + (packet.duration or 0))
            try:
                pictures = stream.codec_context.decode(packet)
            except FFmpegError as error:
                if packet is not None and shown == 0 and container.format.name in _BROADCAST_FORMATS:
                    continue
                fault, pictures = fault or _words(error), []
            for picture in pictures:
                if picture.is_corrupt:
                    fault = "the picture data is damaged"
                    break
                yield picture
                shown += 1
            if packet is None:
                break
        fault = fault or _missing_end(container, stream, packets, end)
        if fault and shown:
            self.damage = f"{self._path} is damaged after {shown} frames: {fault}"
        elif fault:
            raise UserError(f"cannot read {self._path}: {fault}")


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
    from av.codec.context import ThreadType

    for stream in container.streams.video:
        if "attached_pic" in (stream.disposition.name or ""):
            continue
        if stream.codec_context is None:
            raise UserError(f"cannot read {path}: there is no decoder for its video format")
        stream.codec_context.thread_type = ThreadType.SLICE
        return stream
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


def _missing_end(container: Any, stream: Any, packets: int, end: int) -> str | None:
    """What is missing of a file that was read to its end without an error, None if nothing is.

    MP4 lists all its packets beforehand; other formats tell how long the track is.
    """
    if container.format.name.startswith("mov"):
        listed = len(stream.index_entries)
        return f"{listed - packets} frames are missing at the end" if packets < listed else None
    length_s = _announced_length_s(stream)
    if length_s is None:
        return None
    missing_s = length_s - float((end - (stream.start_time or 0)) * stream.time_base)
    return f"{missing_s:.1f} s are missing at the end" if missing_s > _END_TOLERANCE_S else None


def _upright_rgb(picture: Any, converter: Any) -> np.ndarray:
    """(H, W, 3) uint8 of a decoded picture, turned and mirrored as its display matrix says."""
    picture_rgb = converter.reformat(
        picture, format="rgb24", src_color_range=picture.color_range, threads=1
    )
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
    return str(getattr(error, "strerror", None) or error)
