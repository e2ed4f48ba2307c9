"""Videos written as H.264 in MP4, or as VP9 where PyAV has no x264, each frame at the time it is given."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.files import write_atomically
from actionunits.media.sound import SoundTrack

_X264, _VP9 = "libx264", "libvpx-vp9"
_ENCODERS = (_X264, _VP9)  # the first that PyAV has; x264 is under the GPL, and builds for products leave it out
_BT601 = 6  # AVCOL_SPC_SMPTE170M: what readers that ignore the tag, OpenCV among them, assume
_SWS_BT601 = 5  # the same matrix in the scaler's own numbering
_LIMITED_RANGE = 1
_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION: keep the durations that frames carry
_EXACT_SCALING = 2 | 0x40000 | 0x80000  # bilinear, accurate rounding, the same bits on every processor


class VideoWriter:
    """Context manager that writes RGB frames to an MP4 which appears under its name only when all went well.

    With `fps`, frame k lies at k / fps. Without, every `write` brings its `time_s`, kept to one tick of
    `time_base`; times must increase, and one that does not is put one tick after its predecessor. The first time
    becomes the zero of the file.

    4:2:0 needs even sizes: an odd width or height gets its last column or row twice. With one thread (the
    default) the file's bytes depend on frames and options alone; `threads=0` uses all cores and is faster for
    large frames. crf: x264's, 0 lossless to 51, 18 is hard to tell from the source; VP9 takes the number as it is.
    sound_of: a video whose sound goes with the frames, which have its times. frames: written so far.

    Raises UserError when the file cannot be written or frames of another size come.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int] | None = None,
        *,
        fps: Fraction | float | None = None,
        time_base: Fraction = Fraction(1, 90000),
        crf: float = 18,
        preset: str = "veryfast",
        threads: int = 1,
        sound_of: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames = 0
        self._size = size
        self._rate = None if fps is None else Fraction(fps).limit_denominator(100_000)
        self._time_base = time_base if self._rate is None else 1 / self._rate
        # Look-ahead makes x264's choices differ from run to run. B-frames go too: with uneven times they make MP4
        # announce a wrong length, and players stop early.
        exact = "bframes=0:rc-lookahead=0:mbtree=0"
        self._options = {
            _X264: {"crf": str(crf), "preset": preset, "x264-params": exact},
            _VP9: {"crf": str(crf), "b": "0", "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
        }
        self._threads = threads
        self._sound_of = sound_of
        self._sound: SoundTrack | None = None
        self._start_s = 0.0
        self._last_pts = -1
        self._interval = 1 if self._rate else max(1, round(Fraction(1, 30) / time_base))
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        import av

        with ExitStack() as stack:  # undone if anything below fails
            self._temporary = stack.enter_context(write_atomically(self.path))
            self._container: Any = av.open(
                str(self._temporary), "w", format="mp4", options={"movflags": "+faststart"}
            )
            stack.callback(self._container.close)
            self._stream: Any = None
            self._converter = av.video.reformatter.VideoReformatter()
            self._stack = stack.pop_all()
        return self

    def write(self, image_rgb: np.ndarray, time_s: float | None = None) -> None:
        """Add a frame, (H, W, 3) uint8; `time_s` is required without `fps` and unused with it."""
        import av

        height, width = image_rgb.shape[:2]
        if self._stream is None:
            self._start(width, height, time_s)
        if (width, height) != self._size:
            raise UserError(f"cannot write {self.path}: a frame of {width}x{height} among {self._size} frames")
        frame = av.VideoFrame.from_ndarray(_padded_to_even(image_rgb), format="rgb24")
        frame = self._converter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=_SWS_BT601,
            dst_color_range=_LIMITED_RANGE,
            interpolation=_EXACT_SCALING,
            threads=1,
        )
        frame.pts, frame.time_base = self._next_pts(time_s), self._time_base
        frame.duration = self._interval  # only the last frame's counts: how long the video goes on after it
        if self._sound is not None:
            self._sound.go_on(float(frame.pts * self._time_base))
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def _start(self, width: int, height: int, time_s: float | None) -> None:
        """Set up the encoder for the size of the first frame."""
        self._size = self._size or (width, height)
        self._start_s = time_s or 0.0
        encoder = next((name for name in _ENCODERS if _has_encoder(name)), None)
        if encoder is None:
            raise UserError(f"cannot write {self.path}: this PyAV has no encoder of {' or '.join(_ENCODERS)}")
        # The rate is a hint for the encoder alone; where it is unknown, 30 does no harm.
        self._stream = self._container.add_stream(encoder, rate=self._rate or 30)
        self._stream.width, self._stream.height = (side + side % 2 for side in self._size)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = self._options[encoder]
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.thread_count = self._threads
        context.flags |= _FRAME_DURATION
        context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
        if self._sound_of is not None:
            self._sound = SoundTrack.make(self._sound_of, self._container, self._start_s)
            if self._sound is not None:
                self._stack.callback(self._sound.close)

    def _next_pts(self, time_s: float | None) -> int:
        if self._rate is not None:
            self._last_pts = self.frames
            return self.frames
        if time_s is None:
            raise ValueError("a writer without fps needs the time of every frame")
        pts = max(round((time_s - self._start_s) / self._time_base), self._last_pts + 1)
        if self.frames:
            self._interval = pts - self._last_pts
        self._last_pts = pts
        return pts

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._stream is None:
                raise UserError(f"cannot write {self.path}: there are no frames")
            if self._sound is not None:
                self._sound.go_on(float((self._last_pts + self._interval) * self._time_base))
                self._sound.end()
            self._container.mux(self._stream.encode(None))


def _has_encoder(name: str) -> bool:
    import av

    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


def _padded_to_even(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
