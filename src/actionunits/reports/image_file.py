"""A picture → a PNG or JPEG file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from actionunits.errors import UserError
from actionunits.files import write_atomically

if TYPE_CHECKING:  # pictures are also written where no figure is drawn
    from matplotlib.figure import Figure

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
VECTOR_FORMATS = {".svg": "SVG", ".pdf": "PDF"}  # of figures, with letters as text where the format has it
JPEG_QUALITY = 92
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


def save_image(image_rgb: np.ndarray, path: Path) -> None:
    """Write a picture, (H, W, 3) or grey (H, W), uint8; the suffix chooses PNG or JPEG.

    Raises UserError for an unknown suffix and for a file that cannot be written.
    """
    kind = image_format(path)
    options = {"quality": JPEG_QUALITY, "subsampling": 0} if kind == "JPEG" else {"compress_level": 4}
    with write_atomically(path) as temporary:
        Image.fromarray(image_rgb).save(temporary, kind, **options)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path; the suffix chooses PNG, JPEG, SVG or PDF. Raises UserError as `save_image`.

    The same figure gives the same bytes.
    """
    from matplotlib import rc_context

    suffix = path.suffix.lower()
    kind = VECTOR_FORMATS.get(suffix) or image_format(path)
    dated = {"SVG": "Date", "PDF": "CreationDate"}.get(kind)
    with (
        write_atomically(path) as temporary,
        rc_context({"svg.hashsalt": "actionunits", "svg.fonttype": "none", "pdf.fonttype": 42}),
    ):
        metadata = {dated: None} if dated else None
        figure.savefig(temporary, dpi=DOTS_PER_INCH, format=kind.lower(), metadata=metadata)
    return path
