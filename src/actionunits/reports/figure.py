"""Figures without pyplot: they need no window, are drawn the same everywhere, and show themselves in a notebook."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from actionunits.reports.image_file import DOTS_PER_INCH


class ReportFigure(Figure):
    """A white figure of a size in inches, at 150 dots per inch; `options` are those of matplotlib's Figure."""

    def __init__(self, width_in: float, height_in: float, **options: Any) -> None:
        super().__init__(figsize=(width_in, height_in), dpi=DOTS_PER_INCH, facecolor="white", **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """The picture that Jupyter shows, whether or not pyplot has been imported."""
        held = io.BytesIO()
        self.savefig(held, format="png", dpi=DOTS_PER_INCH)
        return held.getvalue()
