"""Anti-aliased text on NumPy pictures: DejaVu Sans through Pillow, every label rendered once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from actionunits.reports.palette import RGB


@dataclass(frozen=True)
class Label:
    """One line of text as coverage, on a box whose height is the same for every text of that size."""

    coverage: np.ndarray  # (H, W) uint8, 255 where the ink covers the pixel

    @property
    def width_px(self) -> int:
        return int(self.coverage.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.coverage.shape[0])


@lru_cache(maxsize=64)
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as shipped inside matplotlib, at an em size in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size_px)


def shortened(text: str, width_px: float, typeface: ImageFont.FreeTypeFont) -> str:
    """The text, or as much of its beginning as fits the width with an ellipsis."""
    if typeface.getlength(text) <= width_px:
        return text
    while text and typeface.getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=4096)
def render_label(text: str, size_px: int, bold: bool = False) -> Label:
    """The text as coverage; the box runs from the font's ascent to its descent."""
    typeface = font(size_px, bold)
    ascent, descent = typeface.getmetrics()
    width = max(1, int(np.ceil(typeface.getlength(text))) + 1)
    canvas = Image.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=typeface)
    coverage = np.asarray(canvas)
    coverage.setflags(write=False)
    return Label(coverage)


def paint_label(image_rgb: np.ndarray, label: Label, left_px: int, top_px: int, colour: RGB) -> None:
    """Blend the text into the picture (H, W, 3) uint8, in place; what falls outside is cut off."""
    height, width = image_rgb.shape[:2]
    x0, y0 = max(0, left_px), max(0, top_px)
    x1, y1 = min(width, left_px + label.width_px), min(height, top_px + label.height_px)
    if x0 >= x1 or y0 >= y1:
        return
    coverage = label.coverage[y0 - top_px : y1 - top_px, x0 - left_px : x1 - left_px, None].astype(np.uint16)
    region = image_rgb[y0:y1, x0:x1]
    ink = np.array(colour, np.uint16)
    region[...] = (region * (255 - coverage) + ink * coverage + 127) // 255
