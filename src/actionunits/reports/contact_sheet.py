"""Several pictures with captions on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from actionunits.reports.image_file import save_image
from actionunits.reports.lettering import Label, paint_label, render_label

MIN_CELL_PX, MAX_CELL_PX = 160, 640
FONT_PX = 15
GAP_PX = 12
INK = (30, 30, 30)


def contact_sheet(images: Sequence[np.ndarray], captions: Sequence[str], path: Path, columns: int) -> None:
    """Write a grid of pictures, row by row, with their captions below, on white; PNG or JPEG by suffix.

    images: (H, W, 3) or (H, W) uint8, of any sizes; each is scaled to the width of a column, which is that of the
    widest picture within 160-640 pixels. Long captions are broken into lines; an empty one takes no room.

    Raises ValueError if there is no picture, no column, or another number of captions; UserError as `save_image`.
    """
    if not images or columns < 1 or len(images) != len(captions):
        raise ValueError(f"{len(images)} pictures, {len(captions)} captions, {columns} columns")
    columns = min(columns, len(images))
    cell = int(np.clip(max(image.shape[1] for image in images), MIN_CELL_PX, MAX_CELL_PX))
    cells = [captioned(image, caption, cell) for image, caption in zip(images, captions, strict=True)]
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    heights = [max(image.shape[0] for image in row) for row in rows]
    sheet_size = (sum(heights) + GAP_PX * (len(rows) + 1), columns * (cell + GAP_PX) + GAP_PX, 3)
    sheet = np.full(sheet_size, 255, np.uint8)
    top = GAP_PX
    for row, height in zip(rows, heights, strict=True):
        for column, image in enumerate(row):
            left = GAP_PX + column * (cell + GAP_PX)
            sheet[top : top + image.shape[0], left : left + cell] = image
        top += height + GAP_PX
    save_image(sheet, path)


def captioned(image: np.ndarray, caption: str, width_px: int) -> np.ndarray:
    """The picture at this width with its caption below, (H, width_px, 3) uint8."""
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    height = max(1, round(image.shape[0] * width_px / image.shape[1]))
    method = cv2.INTER_AREA if width_px < image.shape[1] else cv2.INTER_CUBIC
    picture = cv2.resize(image, (width_px, height), interpolation=method)
    lines = wrapped(caption, width_px)
    line_px = render_label("0", FONT_PX).height_px
    text = np.full((len(lines) * line_px + (4 if lines else 0), width_px, 3), 255, np.uint8)
    for k, line in enumerate(lines):
        paint_label(text, line, 0, 4 + k * line_px, INK)
    return np.vstack([picture, text])


def wrapped(caption: str, width_px: int) -> list[Label]:
    """Lines of a caption, broken between words; only a word wider than the column is cut."""
    lines: list[str] = []
    for word in caption.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and render_label(longer, FONT_PX).width_px <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return [render_label(line, FONT_PX) for line in lines]
