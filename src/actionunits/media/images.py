"""Photographs and animated pictures, read with Pillow as upright 8-bit RGB."""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from actionunits.errors import UserError
from actionunits.media.reader import MediaReader
from actionunits.types import Frame

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .gif .tif .tiff .webp .avif .avifs .jp2 .j2k .jpx"
    " .ppm .pgm .pbm .pnm .pfm .tga .pcx .sgi .ico .dds .qoi .psd".split()
)
_ANIMATED_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")  # others hold pages or thumbnails; their first picture counts
_GROUND = (128, 128, 128)  # behind transparent pixels: neither a dark nor a bright edge around the face
_DEFAULT_DURATION_MS = 100.0  # what browsers show for an animation that gives none
_EXIF_ORIENTATION = 0x0112
# What Pillow's decoders raise on broken files.
_READ_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error,
                Image.DecompressionBombError)  # fmt: skip


def read_image(path: str | Path) -> np.ndarray:
    """One picture file as upright RGB, (H, W, 3) uint8; the first picture if it holds several.

    The EXIF orientation is applied, transparency is laid on mid-grey, grey becomes RGB, 16-bit values are
    scaled from their full range. Raises UserError if the file is not a picture that Pillow can read.
    """
    try:
        with Image.open(path) as image:
            return to_rgb(image)
    except _READ_ERRORS as error:
        raise UserError(f"cannot read {path}: {image_fault(path, error)}") from error


def read_image_reduced(path: str | Path, factor: int) -> tuple[np.ndarray, int]:
    """`read_image` at 1 / factor of the size, and the factor that was used: the one asked or 1.

    factor: 1, 2, 4 or 8. An upright JPEG is decoded at that size, which skips most of the work; anything else comes
    whole. Point (x, y) of the whole picture lies at (x + 0.5) / factor - 0.5, and likewise for y. Sides are rounded
    up. Raises UserError if the file is not a picture that Pillow can read.
    """
    try:
        with Image.open(path) as image:
            used = 1
            if factor > 1 and image.format == "JPEG" and image.getexif().get(_EXIF_ORIENTATION, 1) == 1:
                width, height = image.size
                if min(width, height) >= 8 * factor:
                    image.draft(None, (width // factor, height // factor))
                    used = round(width / image.size[0])
            return to_rgb(image), used
    except _READ_ERRORS as error:
        raise UserError(f"cannot read {path}: {image_fault(path, error)}") from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """Upright RGB of a Pillow image, (H, W, 3) uint8."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (*_GROUND, 255))
        image = Image.alpha_composite(ground, image)
    return np.array(image.convert("RGB"))


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    """Grey levels of any depth on 0-255.

    White is 65535 for 16-bit pictures. 32-bit integers and floats have no fixed white: it is the first of
    1 (floats only), 255 (floats only), 65535 and the largest value that no pixel exceeds.
    """
    is_float = values.dtype.kind == "f"
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0))
    whites = [1.0, 255.0, 65535.0] if is_float else [65535.0]
    white = next((white for white in whites if top <= white), top)
    return np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8)


def image_fault(path: str | Path, error: Exception) -> str:
    """Why a picture file could not be read, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    if Path(path).stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format that Pillow knows"
    return "the picture is damaged (" + (str(error).splitlines() or [type(error).__name__])[0] + ")"


class ImageReader(MediaReader):
    """One or several picture files.

    Each photograph stands for itself, at time 0, unless `fps` says that they are the frames of a sequence.
    A file that cannot be read is left out and told in `damage`; when none can be read, UserError.
    """

    def __init__(self, paths: Sequence[Path], fps: Fraction | float | None = None) -> None:
        self.kind = "image" if len(paths) == 1 else "images"
        self._paths = list(paths)
        self._sequence_fps = fps
        super().__init__(tuple(str(path) for path in paths))

    def _frames(self) -> Generator[Frame, None, None]:
        self.frame_count, self.fps = len(self._paths), self._sequence_fps
        faults: list[str] = []
        index = 0
        for position, path in enumerate(self._paths):
            try:
                image_rgb = read_image(path)
            except UserError as error:
                faults.append(str(error))
                continue
            time_s = float(position / self.fps) if self.fps else 0.0
            yield Frame(image_rgb, index, time_s, str(path))
            index += 1
        if len(faults) == 1:
            self.damage = faults[0]
        elif faults:
            self.damage = f"{len(faults)} of {len(self._paths)} pictures left out; first: {faults[0]}"


class AnimationReader(MediaReader):
    """An animated GIF, WebP, PNG or AVIF: its frames at the times the file gives."""

    kind = "video"

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__((str(path),))

    def _frames(self) -> Generator[Frame, None, None]:
        time_ms, index = 0.0, 0
        try:
            with Image.open(self._path) as image:
                self.frame_count = getattr(image, "n_frames", 1)
                for picture in ImageSequence.Iterator(image):
                    image_rgb = to_rgb(picture)
                    yield Frame(image_rgb, index, time_ms / 1000.0, str(self._path))
                    time_ms += picture.info.get("duration") or _DEFAULT_DURATION_MS
                    index += 1
        except _READ_ERRORS as error:
            self.damage = f"{self._path} breaks off after {index} frames: {image_fault(self._path, error)}"


def is_animated(path: Path) -> bool:
    """Whether a picture file is an animation; False for a file that cannot be read."""
    try:
        with Image.open(path) as image:
            return image.format in _ANIMATED_FORMATS and getattr(image, "n_frames", 1) > 1
    except _READ_ERRORS:
        return False


def is_picture(path: Path) -> bool:
    """Whether Pillow recognises the file's content, whatever its name."""
    try:
        with Image.open(path):
            return True
    except Image.DecompressionBombError:
        return True
    except _READ_ERRORS:
        return False
