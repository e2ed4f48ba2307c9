"""Several pictures with captions on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from actionunits.reports.figure import ReportFigure
from actionunits.reports.image_file import DOTS_PER_INCH, save_figure
from actionunits.reports.lettering import render_label

MIN_CELL_PX, MAX_CELL_PX = 160, 640
FONT_PX = 15
GAP_PX = 12
INK = "#1e1e1e"


def sheet_figure(images: Sequence[np.ndarray], captions: Sequence[str], columns: int) -> Figure:
    """A grid of pictures, row by row, with their captions below, on white; a pixel of a picture is one of the figure.

    images: (H, W, 3) or (H, W) uint8, of any sizes; each is scaled to the width of a column, which is that of the
    widest picture within 160-640 pixels. Long captions are broken into lines; an empty one takes no room.

    Raises ValueError if there is no picture, no column, or another number of captions.
    """
    if not images or columns < 1 or len(images) != len(captions):
        raise ValueError(f"{len(images)} pictures, {len(captions)} captions, {columns} columns")
    columns = min(columns, len(images))
    cell = int(np.clip(max(image.shape[1] for image in images), MIN_CELL_PX, MAX_CELL_PX))
    pictures = [_of_width(image, cell) for image in images]
    lines = [wrapped(caption, cell) for caption in captions]
    line_px = render_label("0", FONT_PX).height_px
    heights = [len(p) + (len(text) * line_px + 4 if text else 0) for p, text in zip(pictures, lines, strict=True)]
    tops = np.cumsum([GAP_PX, *(max(heights[k : k + columns]) + GAP_PX for k in range(0, len(heights), columns))])
    width, height = columns * (cell + GAP_PX) + GAP_PX, int(tops[-1])
    # A little more than whole pixels: matplotlib cuts off what is missing to the next one.
    figure = ReportFigure((width + 0.01) / DOTS_PER_INCH, (height + 0.01) / DOTS_PER_INCH)
    for k, (picture, text) in enumerate(zip(pictures, lines, strict=True)):
        left, bottom = GAP_PX + k % columns * (cell + GAP_PX), int(height - tops[k // columns] - len(picture))
        figure.figimage(picture, left, bottom)
        for n, line in enumerate(text):
            place = (left / width, (bottom - 4 - n * line_px) / height)
            figure.text(*place, line, fontsize=FONT_PX * 72 / DOTS_PER_INCH, va="top", color=INK, parse_math=False)
    return figure


def contact_sheet(images: Sequence[np.ndarray], captions: Sequence[str], path: Path, columns: int) -> None:
    """Write `sheet_figure`; the suffix chooses the format. Raises as it does, and as `save_figure`."""
    save_figure(sheet_figure(images, captions, columns), path)


def wrapped(caption: str, width_px: int) -> list[str]:
    """Lines of a caption, broken between words; a word wider than the column stays whole."""
    lines: list[str] = []
    for word in caption.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and render_label(longer, FONT_PX).width_px <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _of_width(image: np.ndarray, width_px: int) -> np.ndarray:
    """The picture at this width, (H, width_px, 3) uint8."""
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    height = max(1, round(image.shape[0] * width_px / image.shape[1]))
    method = cv2.INTER_AREA if width_px < image.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(image, (width_px, height), interpolation=method)
