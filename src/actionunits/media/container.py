"""Video files, standard input and addresses, opened with FFmpeg in this one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from actionunits.errors import UserError
from actionunits.media.standard_input import StandardInput

# What files of videos are called; whether one is a video is told by its content.
VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .mpe .m1v .m2v .mjpeg .mjpg .wmv .asf .flv .f4v .3gp .3g2 .mts .m2ts"
    " .ts .mxf .ogv .vob .divx .y4m .nut".split()
)

# A file may name others that are to be read in its place, a playlist for instance: never from a network unasked.
_LOCAL_PROTOCOLS = "file,crypto,data"
_NETWORK_WAIT_S = 30.0
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://.")

VideoSource = Path | StandardInput | str  # a str is an address


def is_address(text: str) -> bool:
    """Whether a text names something on a network, such as rtsp://camera/stream."""
    return _ADDRESS.match(text) is not None


@contextmanager
def open_container(source: VideoSource, file_format: str | None = None) -> Iterator[Any]:
    """PyAV's container of a video. Tags may be in any encoding.

    file_format: FFmpeg's name of it, where a file's own name would mislead. Raises UserError where it cannot be
    opened.
    """
    import av

    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_opened(source, file_format, stack))
        except (av.FFmpegError, OSError) as error:
            raise UserError(f"cannot read {source}: {_open_fault(source, error)}") from error
        yield opened


def picture_track(container: Any, source: VideoSource) -> Any:
    """The video stream to read, its decoder ready. Raises UserError where there is none."""
    tracks = picture_tracks(container)
    if tracks:
        if tracks[0].codec_context is None:
            raise UserError(f"cannot read {source}: there is no decoder for its video format")
        # With several threads FFmpeg neither marks concealed pictures nor tells which packet was at fault.
        tracks[0].codec_context.thread_count = 1
        return tracks[0]
    if not container.streams:
        raise UserError(f"cannot read {source}: {_open_fault(source, ValueError())}")
    raise UserError(f"cannot read {source}: it has no picture track")


def picture_tracks(container: Any) -> list[Any]:
    """The video streams; cover pictures of music files do not count."""
    return [s for s in container.streams.video if "attached_pic" not in (s.disposition.name or "")]


def announced_frames(container: Any, stream: Any) -> int | None:
    """Number of frames that the file tells or that its length and rate make likely, None if it tells neither."""
    if stream.frames:
        return int(stream.frames)
    length_s = announced_length_s(stream)
    if length_s is None and container.duration:
        length_s = container.duration / 1e6
    rate = stream.average_rate or stream.guessed_rate
    return round(length_s * rate) if length_s and rate else None


def announced_length_s(stream: Any) -> float | None:
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


def _opened(source: VideoSource, file_format: str | None, stack: ExitStack) -> Any:
    import av

    if isinstance(source, str):
        return av.open(source, metadata_errors="replace", timeout=_NETWORK_WAIT_S)
    file: Any = source
    if isinstance(source, StandardInput):
        source.seek(0)
    else:
        try:
            str(source).encode()
            file = f"file:{source}"  # the prefix keeps a colon in a name from being taken for a protocol
        except UnicodeEncodeError:  # FFmpeg takes names in UTF-8 alone
            file = stack.enter_context(source.open("rb"))
    return av.open(
        file,
        format=file_format,
        metadata_errors="replace",
        container_options={"protocol_whitelist": _LOCAL_PROTOCOLS},
    )


def _open_fault(source: VideoSource, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(source, str):
        return f"it cannot be reached or is no video ({getattr(error, 'strerror', None) or error})"
    if isinstance(source, StandardInput):
        return "not a video, or one that needs its end at the beginning; save it to a file"
    if source.is_file() and source.stat().st_size == 0:
        return "the file is empty"
    with source.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return "the video is cut short; its index, which is at the end of the file, is missing"
    return "not a video, or damaged from its very beginning"
