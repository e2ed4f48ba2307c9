"""Damaged files of many formats either give frames or one clear error, within a time, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered_video import encode, numbered
from PIL import Image

from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.media.video import read_timing

LONGEST_S = 20.0
PICTURES = (
    "a.jpg progressive.jpg a.png grey16.png a.gif a.webp a.tif stack.tif a.bmp a.avif a.heic a.jp2 a.tga a.ppm a.qoi"
    " moving.gif moving.webp moving.png".split()
)
VIDEOS = {
    "a.mp4": {"options": {"g": "6", "bf": "2"}, "container_options": {"movflags": "+faststart"}},
    "a.mov": {"codec": "mpeg4"},
    "a.mkv": {"options": {"g": "6"}},
    "grey16.mkv": {"codec": "ffv1", "pixel_format": "gray16le"},
    "a.webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
    "a.avi": {"codec": "mpeg4"},
    "jpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "a.ts": {"options": {"g": "6"}},
    "a.mpg": {"codec": "mpeg2video", "rate": 25},
    "a.flv": {"codec": "flv"},
    "a.wmv": {"codec": "wmv2"},
    "a.mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "a.m2v": {"codec": "mpeg2video", "rate": 25},
    "a.h264": {"options": {"g": "6"}},
}


def picture(path: Path) -> Path:
    """A small sound file of the format that the name tells."""
    image = Image.fromarray(numbered(5))
    if path.stem in ("moving", "stack"):
        others = [Image.fromarray(numbered(k)) for k in range(1, 4)]
        image.save(path, save_all=True, append_images=others)
    elif path.stem == "grey16":
        Image.fromarray(numbered(5)[..., 0].astype(np.uint16) * 16).save(path)
    elif path.suffix == ".heic":
        pytest.importorskip("pillow_heif").from_pillow(image).save(path)
    elif path.stem == "progressive":
        image.save(path, progressive=True)
    else:
        image.save(path)
    return path


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(len(data) * rng.uniform(0, 1))]


def bits_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, len(data), rng.choice([1, 8, 60]))
    np.bitwise_xor.at(changed, places, (1 << rng.integers(0, 8, len(places))).astype(np.uint8))
    return changed.tobytes()


def head_zeroed(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(0, 64)), int(rng.integers(1, 200))
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def head_changed(data: bytes, rng: np.random.Generator) -> bytes:
    head = bytearray(data[:128])
    for place in rng.integers(0, len(head), 6):
        head[place] = rng.integers(0, 256)
    return bytes(head) + data[128:]


def junk_inside(data: bytes, rng: np.random.Generator) -> bytes:
    start = int(len(data) * rng.uniform(0.1, 0.9))
    return data[:start] + rng.bytes(int(rng.integers(1, 400))) + data[start + int(rng.integers(0, 400)) :]


def doubled(data: bytes, rng: np.random.Generator) -> bytes:
    return data + data[int(len(data) * rng.choice([0, 0.5])) :]


def random_behind_head(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, 40))] + rng.bytes(2000)


DAMAGES = (truncated, truncated, bits_flipped, bits_flipped, bits_flipped, head_zeroed, head_changed, head_changed,
           junk_inside, doubled, random_behind_head)  # fmt: skip


def outcome(path: Path, read: Callable[[Path], str]) -> str:
    """What came of a damaged file; any other error than a UserError of one line fails the test."""
    started_s = time.monotonic()
    try:
        result = read(path)
    except UserError as error:
        assert str(error) and "\n" not in str(error), path.name
        result = "refused"
    assert time.monotonic() - started_s < LONGEST_S, path.name
    return result


def frames_read(path: Path) -> str:
    with open_media(path) as reader:
        last = (-1, -1.0)
        for frame in reader:
            assert frame.image_rgb.dtype == np.uint8 and frame.image_rgb.shape[2] == 3
            assert frame.index > last[0] and np.isfinite(frame.time_s) and frame.time_s >= last[1]
            last = frame.index, frame.time_s
        assert reader.decoded > 0
    return "damage told" if reader.damage else "read"


def timing_read(path: Path) -> str:
    timing = read_timing(path)
    assert len(timing.time_s) and np.isfinite(timing.time_s).all()
    return "damage told" if timing.damage else "read"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*PICTURES, *VIDEOS])
def test_damaged_files_are_read_or_refused(tmp_path, name, record_property):
    sound = encode(tmp_path / name, 16, **VIDEOS[name]) if name in VIDEOS else picture(tmp_path / name)
    assert outcome(sound, frames_read) == "read"
    data, rng = sound.read_bytes(), np.random.default_rng(sum(name.encode()))
    counts: Counter[str] = Counter()
    for number, damage in enumerate(DAMAGES):
        path = tmp_path / f"{number}_{damage.__name__}{sound.suffix}"
        path.write_bytes(damage(data, rng))
        counts[outcome(path, frames_read)] += 1
        if name in VIDEOS:
            outcome(path, timing_read)
    print(f"{name}: {dict(counts)}")
    for result, count in counts.items():
        record_property(result, count)
