"""The filters of a network's first convolution as pictures (hybrid network, Fig. 2d and 2e)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from actionunits.errors import UserError
from actionunits.reports.figure import ReportFigure
from actionunits.training.checkpoint import load_checkpoint

COLOURS = 3  # channels of what the first convolution reads


@dataclass(frozen=True)
class Filters:
    """What the first layer looks for."""

    model: str
    weights: np.ndarray  # (C, K, K, 3) float32


def first_filters(checkpoint: Path) -> Filters:
    """Filters of the convolution that reads the picture. Raises UserError for a model that has none."""
    loaded = load_checkpoint(checkpoint)
    layers = (layer for layer in loaded.model.modules() if isinstance(layer, nn.Conv2d))
    found = next((layer for layer in layers if layer.in_channels == COLOURS), None)
    if found is None:
        raise UserError(f"{checkpoint} holds a {loaded.header['model']}, in which no convolution reads the picture")
    return Filters(loaded.header["model"], found.weight.detach().float().permute(0, 2, 3, 1).numpy())


def filter_figure(f: Filters) -> Figure:
    """All filters, those with the largest weights first; grey is 0, and each has a contrast of its own."""
    order = np.argsort(-np.abs(f.weights).max((1, 2, 3)), kind="stable")
    columns = min(16, len(order))
    rows = -(-len(order) // columns)
    figure = ReportFigure(0.55 * columns, 0.55 * rows + 0.5, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, k in zip(panels, order, strict=False):
        weights = f.weights[k]
        panel.imshow(0.5 + 0.5 * weights / max(float(np.abs(weights).max()), 1e-12), interpolation="nearest")
    figure.suptitle(f"First filters of {f.model}", fontsize=10)
    return figure
