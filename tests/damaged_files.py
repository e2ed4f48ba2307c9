"""Pictures and videos damaged in many ways, seeded."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import av
import numpy as np
from PIL import Image

SIZE, FRAMES = 96, 4
NOTHING = zlib.compress(bytes(5_000_000))


def damaged_files(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many files, each with the way in which it was damaged; every way comes in its turn."""
    dice, sound = random.Random(seed), sound_files()
    for k in range(count):
        way = WAYS[k % len(WAYS)]
        yield way.__name__, way(dice, sound[dice.choice(sorted(sound))])


@cache
def sound_files() -> dict[str, bytes]:
    """A small file of each of some formats, by the name of the format."""
    pixels = np.random.default_rng(0).integers(0, 256, (FRAMES, SIZE, SIZE, 3), np.uint8)
    first, *others = map(Image.fromarray, pixels)
    files = {}
    for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        held = io.BytesIO()
        first.save(held, name, **({"save_all": True, "append_images": others} if name == "GIF" else {}))
        files[name] = held.getvalue()
    for name in ("mp4", "avi"):
        held = io.BytesIO()
        with av.open(held, "w", format=name) as container:
            stream = container.add_stream("mpeg4", rate=10, width=SIZE, height=SIZE, pix_fmt="yuv420p")
            for picture in pixels:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode())
        files[name] = held.getvalue()
    return files


def emptied(dice: random.Random, content: bytes) -> bytes:
    return b""


def cut(dice: random.Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content))]


def beheaded(dice: random.Random, content: bytes) -> bytes:
    return content[dice.randrange(1, 64) :]


def flipped(dice: random.Random, content: bytes) -> bytes:
    """Some bits are other ones."""
    changed = bytearray(content)
    for _ in range(dice.choice((1, 10, 100, 1000))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def flipped_in_head(dice: random.Random, content: bytes) -> bytes:
    head = bytearray(content[:256])
    for _ in range(dice.choice((1, 5, 25))):
        head[dice.randrange(len(head))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
    return bytes(head) + content[256:]


def overwritten(dice: random.Random, content: bytes) -> bytes:
    """A stretch is noise or nothing."""
    begin = dice.randrange(len(content))
    length = min(dice.randrange(1, 4096), len(content) - begin)
    return content[:begin] + dice.choice((bytes(length), dice.randbytes(length))) + content[begin + length :]


def shuffled(dice: random.Random, content: bytes) -> bytes:
    pieces = [content[k : k + 512] for k in range(0, len(content), 512)]
    return b"".join([pieces[0], *dice.sample(pieces[1:], len(pieces) - 1)])


def with_another_head(dice: random.Random, content: bytes) -> bytes:
    heads = (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"II*\x00",
        b"BM",
        b"OggS",
    )
    return dice.choice((*heads, b"\x1aE\xdf\xa3", b"\x00\x00\x00\x20ftypisom", b"#EXTM3U\n")) + content[8:]


def noise(dice: random.Random, content: bytes) -> bytes:
    return dice.randbytes(dice.randrange(1, 5000))


def huge_png(dice: random.Random, content: bytes) -> bytes:
    """A few thousand bytes that say they are up to four billion pixels wide and high, and partly are."""
    width, height = (dice.choice((15_000, 60_000, 2**31 - 1)) for _ in range(2))
    head = struct.pack(">IIBBBBB", width, height, 8, dice.choice((0, 2)), 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", NOTHING), (b"IEND", b""))
    packed = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def huge_others(dice: random.Random, content: bytes) -> bytes:
    """A JPEG, GIF or BMP that says it is very large."""
    jpeg, size = sound_files()["JPEG"], dice.choice((20_000, 65_500))
    frame = jpeg.index(b"\xff\xc0") + 5
    large = struct.pack("<i", 10 * size)
    return dice.choice(
        (
            jpeg[:frame] + struct.pack(">HH", size, size) + jpeg[frame + 4 :],
            b"GIF89a" + struct.pack("<HH", size, size) + b"\x80\x00\x00" + bytes(6) + b"," + bytes(4),
            b"BM" + bytes(8) + struct.pack("<II", 54, 40) + large * 2 + struct.pack("<HHI", 1, 24, 0) + bytes(20),
        )
    )


Way = Callable[[random.Random, bytes], bytes]
WAYS: tuple[Way, ...] = (
    *(emptied, cut, beheaded, flipped, flipped_in_head, overwritten, shuffled, with_another_head, noise),
    *(huge_png, huge_others),
)
