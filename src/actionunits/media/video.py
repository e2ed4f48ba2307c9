"""Videos through PyAV: upright RGB frames with their true presentation times."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.media.container import VideoSource, announced_frames, open_container, picture_track, picture_tracks
from actionunits.media.decoding import Packets, Pictures
from actionunits.media.depth import DEEPEST_WHITE, WhiteLevel, to_8_bit
from actionunits.media.reader import MediaReader
from actionunits.media.standard_input import StandardInput
from actionunits.media.wanted import UnevenTrackError, WantedPictures, start_before
from actionunits.types import Frame

_RESTART_S = 1.0  # a time stamp this far back is a new count, a smaller step back a slip of one stamp
_WHITE_FRAMES = 10  # that decide what is white in 16-bit samples; they are held in memory
_GAPS_TOLD = 3


@dataclass(frozen=True)
class VideoTiming:
    """When the frames of a video are shown; row k is the frame to which `VideoReader` gives index k."""

    time_s: np.ndarray  # (T,) float64 from the first frame, not descending
    fps: float | None  # nominal
    damage: str | None  # what is wrong with the file's end, None if nothing is


def read_timing(path: Path) -> VideoTiming:
    """Number and presentation times of a video's frames, from its packets, without decoding a picture.

    Packets whose data are damaged inside are not noticed; a file that breaks off is. Raises UserError if the file
    cannot be opened or holds no picture.
    """
    stamps, whole = [], 0
    with open_container(path) as container:
        stream = picture_track(container, path)
        packets = Packets(container, stream)
        for packet in packets:
            if not packet.is_discard:
                stamps.append((packet.pts, packet.dts))
                whole = whole if packet.is_corrupt else len(stamps)
        rate = stream.average_rate or stream.guessed_rate
        time_base = float(stream.time_base)
    stamps, damage = stamps[:whole], packets.fault
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

    Damage: a frame whose packet is cut short or refused is left out, as is one that the decoder had to conceal, since
    what it shows was not filmed, and what may have been predicted from them, up to the next key frame. The frames
    behind have the index and the time that they would have without the damage. A file that ends before the length
    it announces is damaged as well. What cannot be noticed: a hole that the container format skips (the frames'
    times show the gap), the cut end of a stream that announces no length (MPEG-TS), changed bytes that decode
    without an error.

    source: a file, standard input, or an address, which is opened as it is. file_format: see `open_container`.
    only: indices of the frames to give, all by default. The others are not turned into RGB, and decoded only where
    one of these may refer to them; nothing behind the last one is read.
    glance: with `only`, is shown the time and the brightness, (H, W) uint8 upright, of every other frame that was
    decoded on the way, and says whether it is wanted too.
    """

    kind = "video"

    def __init__(
        self,
        source: VideoSource,
        file_format: str | None = None,
        only: Iterable[int] | None = None,
        glance: Callable[[float, np.ndarray], bool] | None = None,
    ) -> None:
        self._video, self._file_format = source, file_format
        self._only = None if only is None else {int(index) for index in only}
        self._last = math.inf if self._only is None else max(self._only, default=-1)
        self._glance = glance
        self._given = -1  # index of the last frame that was given
        super().__init__((str(source),))

    def _frames(self) -> Generator[Frame, None, None]:
        if self._only and isinstance(self._video, Path):
            try:
                yield from self._some_frames(self._video, self._only)
                return
            except UnevenTrackError:
                pass  # what was given so far is right
        name, seen = self.sources[0], 0
        with open_container(self._video, self._file_format) as container:
            stream = picture_track(container, self._video)
            tracks = len(picture_tracks(container))
            if tracks > 1:
                self.notes.append(f"{name} has {tracks} picture tracks: the first was read")
            self.fps = stream.average_rate or stream.guessed_rate
            self.frame_count = announced_frames(container, stream)
            clock = _Clock(stream.time_base, float(1 / self.fps) if self.fps else 0.04)
            converter = _RgbConverter()
            pictures = Pictures(container, stream)
            for index, picture in converter.prepared(pictures):
                if index and not seen:
                    clock.start(pictures.first_pts)
                seen += 1
                yield from self._frame(converter, index, picture, clock.time_s(picture))
                if index >= self._last:
                    return
            self.notes += [f"{name}: {note}" for note in converter.notes]
        if pictures.fault and not seen:
            advice = "" if _can_go_back(self._video) else "; where its format needs to go back, save it to a file"
            raise UserError(f"cannot read {name}: {pictures.fault}{advice}")
        self.damage = _damage(name, pictures, seen)

    def _some_frames(self, path: Path, only: set[int]) -> Iterator[Frame]:
        """The wanted frames of an undamaged file. Raises UnevenTrackError for one that has to be read in full."""
        with open_container(path, self._file_format) as container:
            start = start_before(container, picture_track(container, path), min(only))
        with open_container(path, self._file_format) as container:
            stream = picture_track(container, path)
            self.fps = stream.average_rate or stream.guessed_rate
            self.frame_count = announced_frames(container, stream)
            converter = _RgbConverter()
            for index, ticks, picture in WantedPictures(container, stream, only, start):
                yield from self._frame(converter, index, picture, float(ticks * stream.time_base))
                if index >= self._last:
                    return

    def _frame(self, converter: _RgbConverter, index: int, picture: Any, time_s: float) -> Iterator[Frame]:
        """The picture as a frame, if it is wanted and was not given yet."""
        if index <= self._given:
            return
        # The first frame is made before the choice is; one behind the end ends the reading.
        if index and not self.choice.ends_before(time_s) and not self.choice.takes(index, time_s):
            return
        if self._only is None or index in self._only or self._is_worth_it(converter, picture, time_s):
            self._given = index
            yield Frame(converter.upright_rgb(picture, index), index, time_s, self.sources[0])

    def _is_worth_it(self, converter: _RgbConverter, picture: Any, time_s: float) -> bool:
        """What `glance` says; frames before the first wanted one are not shown to it."""
        if self._glance is None or self._given < 0:
            return False
        return self._glance(time_s, converter.upright_grey(picture))


def _can_go_back(source: VideoSource) -> bool:
    return not isinstance(source, StandardInput) or source.is_whole


def _damage(name: str, pictures: Pictures, given: int) -> str | None:
    """One line on what is missing of a video, None if nothing is."""
    if not pictures.gaps:
        shown = "1 frame" if given == 1 else f"{given} frames"
        return f"{name} is damaged after {shown}: {pictures.fault}" if pictures.fault else None
    gaps = pictures.gaps
    places = ", ".join(map(str, gaps[:_GAPS_TOLD]))
    lost = sum(gap.length for gap in gaps)
    more = f" and more, {lost} in all," if len(gaps) > _GAPS_TOLD else ""
    line = (
        f"{name} is damaged: {'frame' if lost == 1 else 'frames'} {places}{more} cannot be shown ({gaps[0].reason})"
    )
    return f"{line}; its end is missing too: {pictures.fault}" if pictures.fault else line


class _Clock:
    """Seconds since the first frame that never stand still or run backwards."""

    def __init__(self, time_base: Fraction, interval_s: float) -> None:
        self._time_base = time_base
        self._interval_s = interval_s
        self._start: Fraction | None = None
        self._last_s = -math.inf

    def start(self, pts: int | None) -> None:
        """Count from a stamp, of a frame that cannot be shown."""
        self._start = None if pts is None else pts * self._time_base

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


class _RgbConverter:
    """Decoded pictures as upright RGB.

    Where 16-bit samples use fewer bits, the first pictures tell what is white.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._converter = VideoReformatter()
        self._white = WhiteLevel()

    def prepared(self, pictures: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The same pictures, once the first ones have told what white is, where 16-bit samples leave that open."""
        rest = iter(pictures)
        first = list(islice(rest, 1))
        if first and _is_deep(first[0][1]):
            first += islice(rest, _WHITE_FRAMES - 1)
            self._white.seen(first[0][0], max(int(_deep_values(picture).max()) for _, picture in first))
        return chain(first, rest)

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the pictures were made."""
        return self._white.notes

    def upright_rgb(self, picture: Any, index: int) -> np.ndarray:
        """(H, W, 3) uint8 of a decoded picture, turned and mirrored as its display matrix says."""
        values = _deep_values(picture) if _is_deep(picture) else None
        white = DEEPEST_WHITE if values is None else self._white.seen(index, int(values.max()))
        if values is not None and white < DEEPEST_WHITE:
            image = to_8_bit(values, white)
            image = np.broadcast_to(image[:, :, None], (*image.shape, 3)) if image.ndim == 2 else image
        else:
            reformatted = self._converter.reformat(
                picture, format="rgb24", src_color_range=picture.color_range, threads=1
            )
            image = reformatted.to_ndarray()
        return np.ascontiguousarray(_upright(image, picture))

    def upright_grey(self, picture: Any) -> np.ndarray:
        """(H, W) uint8, the brightness of a decoded picture on a scale of its own; where it can be, as it lies in the
        decoder's memory."""
        layout, plane = picture.format, picture.planes[0]
        if layout.is_planar and not layout.is_rgb and layout.components[0].bits == 8:
            image = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        else:
            image = picture.reformat(format="gray").to_ndarray()
        return _upright(image, picture)


def _upright(image: np.ndarray, picture: Any) -> np.ndarray:
    """The pixels of a picture, rows first, turned and mirrored as its display matrix says."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    return _apply_display_matrix(image, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3))


def _is_deep(picture: Any) -> bool:
    """Whether a picture has 16-bit samples, grey or RGB, from 0 for black."""
    layout = picture.format
    return layout.components[0].bits == 16 and (layout.is_rgb or len(layout.components) == 1)


def _deep_values(picture: Any) -> np.ndarray:
    """(H, W) or (H, W, 3) uint16."""
    return picture.reformat(format="rgb48le" if picture.format.is_rgb else "gray16le").to_ndarray()


def _apply_display_matrix(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Nearest of the eight upright orientations; the x axis of the stored picture points along row 0, y along 1."""
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if abs(int(a)) < abs(int(b)):
        image, along_x, along_y = image.swapaxes(0, 1), c, b
    else:
        along_x, along_y = a, d
    return image[:: -1 if along_y < 0 else 1, :: -1 if along_x < 0 else 1]
