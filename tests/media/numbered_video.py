"""Small videos made with PyAV itself, independent of the package's writer."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from actionunits.media import open_media

SIZE = (160, 120)


def numbered(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture that carries its number as 8 black or white blocks in its top row, on a moving texture."""
    width, height = size
    noise = np.random.default_rng(0).integers(60, 200, (height // 4, width // 4, 3), dtype=np.uint8)
    image = np.roll(np.kron(noise, np.ones((4, 4, 1), np.uint8)), index * 2, axis=1)
    for bit in range(8):
        image[:16, bit * 16 : bit * 16 + 16] = 255 if index >> bit & 1 else 0
    return np.ascontiguousarray(image)


def number_of(image: np.ndarray) -> int:
    return sum(int(image[8, bit * 16 + 8].mean() > 127) << bit for bit in range(8))


def numbers(path: Path) -> tuple[list[int], str | None]:
    """The numbers of the frames that are read, and the damage that is told."""
    with open_media(path) as reader:
        seen = [number_of(frame.image_rgb) for frame in reader]
    assert reader.decoded == len(seen)
    return seen, reader.damage


def encode(
    path: Path,
    frames: int = 40,
    *,
    rate: Fraction | int = 30,
    pts: list[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.options = options or {}
        if time_base is not None:
            stream.codec_context.time_base = time_base
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(index, size), format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[index], time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
