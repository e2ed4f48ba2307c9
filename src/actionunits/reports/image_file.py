"""A picture → a PNG or JPEG file; a figure → one of these, or SVG or PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from actionunits.errors import UserError
from actionunits.files import write_atomically

if TYPE_CHECKING:  # pictures are also written where no figure is drawn
    from matplotlib.figure import Figure

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
VECTOR_FORMATS = {".svg": "SVG", ".pdf": "PDF"}  # of figures, with letters as text where the format has it
ENDINGS = tuple(suffix[1:] for suffix in FORMATS | VECTOR_FORMATS)  # of figures
JPEG_OPTIONS = {"quality": 92, "subsampling": 0}
DOTS_PER_INCH = 150  # of figures


def image_format(path: Path) -> str:
    """Pillow's name of the format that the suffix asks for.

    Raises UserError for a suffix other than .png, .jpg and .jpeg.

    >>> image_format(Path("face.JPG"))
    'JPEG'
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UserError(f"cannot write {path}: pictures end in {', '.join(FORMATS)}") from None


def figure_format(path: Path) -> str:
    """Name of the format of a figure that the suffix asks for.

    Raises UserError for a suffix other than those of pictures, .svg and .pdf.

    >>> figure_format(Path("timeline.pdf")), figure_format(Path("timeline.png"))
    ('PDF', 'PNG')
    """
    known = FORMATS | VECTOR_FORMATS
    try:
        return known[path.suffix.lower()]
    except KeyError:
        raise UserError(f"cannot write {path}: figures end in {', '.join(known)}") from None


def save_image(image_rgb: np.ndarray, path: Path) -> None:
    """Write a picture, (H, W, 3) or grey (H, W), uint8; the suffix chooses PNG or JPEG.

    Raises UserError for an unknown suffix and for a file that cannot be written.
    """
    kind = image_format(path)
    options = JPEG_OPTIONS if kind == "JPEG" else {"compress_level": 4}
    with write_atomically(path) as temporary:
        Image.fromarray(image_rgb).save(temporary, kind, **options)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path; the suffix chooses PNG, JPEG, SVG or PDF.

    The same figure gives the same bytes. Raises UserError for another suffix and for a file that cannot be written.
    """
    from matplotlib import rc_context

    kind = figure_format(path)
    options: dict[str, Any] = {"pil_kwargs": JPEG_OPTIONS} if kind == "JPEG" else {}
    if kind in VECTOR_FORMATS.values():
        options["metadata"] = {"Date" if kind == "SVG" else "CreationDate": None}
    with (
        write_atomically(path) as temporary,
        rc_context({"svg.hashsalt": "actionunits", "svg.fonttype": "none", "pdf.fonttype": 42}),
    ):
        figure.savefig(temporary, dpi=DOTS_PER_INCH, format=kind.lower(), **options)
    return path
