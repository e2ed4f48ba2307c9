"""Picture files, opened with Pillow in this one place and read as upright 8-bit RGB."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
from pi_heif import register_heif_opener
from PIL import Image, ImageOps, UnidentifiedImageError

from actionunits.errors import UserError
from actionunits.media.depth import DEEPEST_WHITE, depth_note, to_8_bit, white_of, white_of_floats
from actionunits.media.jpeg_run import is_jpeg_run
from actionunits.media.standard_input import StandardInput

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .gif .tif .tiff .webp .avif .avifs .heic .heif .hif .heics"
    " .heifs .jp2 .j2k .jpx .ppm .pgm .pbm .pnm .pfm .tga .pcx .sgi .ico .dds .qoi .psd".split()
)
REDUCED_ABOVE_PIXELS = 50_000_000  # a face of 1/100 of the width still has 80 pixels

# All that is opened, whatever a file is called. Pillow knows more formats, and hands one to another program:
# PostScript to Ghostscript. TGA comes last, since it has no mark by which it is known.
_FORMATS = "JPEG PNG GIF WEBP TIFF BMP DIB AVIF HEIF JPEG2000 PPM PCX SGI ICO DDS QOI PSD TGA".split()
_ANIMATED_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")
_MOST_PIXELS = 250_000_000  # a gigabyte while it is decoded
_MOST_PIXELS_JPEG = 500_000_000  # JPEG is reduced while it is decoded
_GROUND = (128, 128, 128)  # behind transparent pixels: neither a dark nor a bright edge around the face
_EXIF_ORIENTATION = 0x0112
_TIFF_SUBFILE = 254  # a page with one of these bits is a smaller copy or a mask of another page
_TIFF_NO_PAGE = 1 | 4
_REASONS = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EISDIR: "it is a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "it is a link that leads back to itself",
    errno.ENAMETOOLONG: "the name is too long",
}

register_heif_opener()
_size_check = threading.Lock()  # which is one for all threads

PictureSource = Path | StandardInput


class Content(Enum):
    """What is in a file that Pillow can open."""

    PICTURE = "picture"
    PAGES = "pages"  # several pictures that stand for themselves
    ANIMATION = "animation"
    JPEG_RUN = "JPEGs one after another"  # a video


@contextmanager
def open_picture(source: PictureSource) -> Iterator[Image.Image]:
    """The picture in a file, not yet decoded. Raises UserError for whatever goes wrong there and in the block."""
    try:
        with _identified(source) as image:
            width, height = image.size
            most = _MOST_PIXELS_JPEG if image.format in ("JPEG", "MPO") else _MOST_PIXELS
            if width * height > most:
                raise UserError(
                    f"cannot read {source}: {width}x{height} are more than {most:,} pixels; make it smaller"
                )
            yield image
    except UserError:
        raise
    except Exception as error:  # damaged files make decoders raise anything
        raise UserError(f"cannot read {source}: {_fault(source, error)}") from error


def read_image(path: str | Path) -> np.ndarray:
    """One picture file as upright RGB, (H, W, 3) uint8; the first picture if it holds several.

    The EXIF orientation is applied, transparency is laid on mid-grey, grey becomes RGB. 16-bit values are scaled
    from the range that they use: 10, 12, 14 or 16 bits. A picture of more than 50 million pixels is reduced to
    1/2, 1/4, ... of its width. Raises UserError if the file is not a picture that can be read.
    """
    with open_picture(Path(path)) as image:
        return to_rgb(image)[0]


def read_image_reduced(path: str | Path, factor: int) -> tuple[np.ndarray, int]:
    """`read_image` at 1 / factor of the size, and the factor that was used.

    factor: 1, 2, 4 or 8. An upright JPEG is decoded at that size, which skips most of the work; anything else comes
    whole, which is factor 1, or reduced as `read_image` does. Point (x, y) of the whole picture lies at
    (x + 0.5) / factor - 0.5, and likewise for y. Sides are rounded up. Raises UserError if the file is not a
    picture that can be read.
    """
    with open_picture(Path(path)) as image:
        longest = max(image.size)
        if factor > 1 and image.format == "JPEG" and image.getexif().get(_EXIF_ORIENTATION, 1) == 1:
            width, height = image.size
            if min(width, height) >= 8 * factor:
                image.draft(None, (width // factor, height // factor))
        image_rgb = to_rgb(image)[0]
        return image_rgb, round(longest / max(image_rgb.shape))


def contents(source: PictureSource) -> Content | None:
    """What a file holds, whatever its name; None if it is nothing that Pillow can open."""
    if isinstance(source, StandardInput) and not source.is_whole:
        return None
    try:
        with open_picture(source) as image:
            if image.format in _ANIMATED_FORMATS and getattr(image, "is_animated", False):
                return Content.ANIMATION
            if image.format == "TIFF" and len(page_numbers(image)) > 1:
                return Content.PAGES
            if image.format == "JPEG" and isinstance(source, Path) and is_jpeg_run(source):
                return Content.JPEG_RUN
            return Content.PICTURE
    except UserError:
        return None


def page_numbers(image: Image.Image) -> list[int]:
    """Which pictures of a file stand for themselves: the pages of a TIFF, the main picture of others."""
    if image.format != "TIFF":
        return [image.tell()]
    numbers = []
    for number in range(getattr(image, "n_frames", 1)):
        go_to(image, number)
        if not getattr(image, "tag_v2", {}).get(_TIFF_SUBFILE, 0) & _TIFF_NO_PAGE:
            numbers.append(number)
    go_to(image, 0)
    return numbers or [0]


def to_rgb(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Upright RGB of a Pillow image, (H, W, 3) uint8, and what a user should know of how it was made."""
    notes = []
    whole, deep_colour = image.size, _deep_colour_file(image)
    _reduce_in_decoder(image)
    image.load()  # which turns TIFFs upright
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    image, white = _as_8_bit(image) if deep_colour is None else _deep_colour_as_8_bit(image, deep_colour)
    if white is not None and white < DEEPEST_WHITE:
        notes.append(depth_note(white))
    if image.mode in ("P", "PA", "1") or (image.mode == "RGB" and image.has_transparency_data):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if (factor := _reduction(image.size)) > 1:
        image = image.reduce(factor)
    if sorted(image.size) != sorted(whole):
        notes.append("reduced from {}x{} to {}x{} pixels".format(*whole, *image.size))
    if orientation != 1:
        image.getexif()[_EXIF_ORIENTATION] = orientation
        image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*_GROUND, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB")), notes


def go_to(image: Image.Image, number: int) -> None:
    """Make another picture of a file the current one."""
    if image.tell() != number:
        with _without_size_check():
            image.seek(number)


def _identified(source: PictureSource) -> Image.Image:
    if isinstance(source, Path) and not stat.S_ISREG(os.stat(source).st_mode):
        raise IsADirectoryError(errno.EISDIR, "") if source.is_dir() else UserError(f"{source} is not a plain file")
    with _without_size_check():
        return Image.open(source, formats=_FORMATS)  # type: ignore[arg-type]


@contextmanager
def _without_size_check() -> Iterator[None]:
    """Pillow warns of, and refuses, large pictures of any format; `open_picture` has a limit of its own."""
    with _size_check:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _reduction(size: tuple[int, int]) -> int:
    """1, 2, 4, ...: by how much a picture is to be reduced."""
    factor = 1
    while size[0] * size[1] > REDUCED_ABOVE_PIXELS * factor**2:
        factor *= 2
    return factor


def _reduce_in_decoder(image: Image.Image) -> None:
    """Have a JPEG that is too large decoded at a smaller size."""
    width, height = image.size
    factor = _reduction(image.size)
    if factor > 1 and image.format in ("JPEG", "MPO"):
        image.draft(None, (width // factor, height // factor))


def _as_8_bit(image: Image.Image) -> tuple[Image.Image, int | None]:
    """The picture with samples of 8 bits, and the white of samples that were deeper integers."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.asarray(image)
        is_float = values.dtype.kind == "f"
        white = white_of_floats(values) if is_float else white_of(int(values.max(initial=0)))
        return Image.fromarray(to_8_bit(values, white)), None if is_float else int(white)
    return image, None


def _deep_colour_file(image: Image.Image) -> str | None:
    """The name of a file with colours of 16 bits, of which Pillow keeps the upper 8."""
    is_deep = image.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    is_single = getattr(image, "n_frames", 1) == 1
    return (getattr(image, "filename", "") or None) if is_deep and is_single else None


def _deep_colour_as_8_bit(image: Image.Image, file: str) -> tuple[Image.Image, int | None]:
    """Where the upper 8 bits of colours hold little, OpenCV reads all 16."""
    if max(high for _, high in image.getextrema()[:3]) > white_of(DEEPEST_WHITE // 4) >> 8:  # type: ignore[misc]
        return image, None
    values = cv2.imdecode(np.fromfile(os.fsencode(file), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if values is None or values.dtype != np.uint16:
        return image, None
    white = white_of(int(values.max(initial=0)))
    return Image.fromarray(np.ascontiguousarray(to_8_bit(values, white)[:, :, ::-1])), white


def _fault(source: PictureSource, error: Exception) -> str:
    """Why a picture file could not be read, in a few words."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        return fault_of(error)
    if isinstance(source, Path) and source.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format that can be read"
    return f"the picture is damaged ({fault_of(error)})"


def fault_of(error: Exception) -> str:
    """What a system or decoder error says, in a few words."""
    known = _REASONS.get(getattr(error, "errno", None) or 0)
    return known or getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
