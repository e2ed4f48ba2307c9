"""Relations of action units as a picture: of labels, or those that a RE-Net mixes its units by (RE-Net, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.models.renet import ReNet
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import BLUE, VERMILLION
from actionunits.training.checkpoint import load_checkpoint


def signed(value: float) -> str:
    """A correlation with two decimals, without the zero in front.

    >>> signed(0.415), signed(-0.2), signed(-0.001), signed(1.0)
    ('.41', '−.20', '.00', '1.00')
    """
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1).replace("-", "−")


def relation_colormap() -> LinearSegmentedColormap:
    """Blue (exclude one another) through white to vermillion (go together): told apart by any colour vision."""
    ends = [tuple(v / 255 for v in colour) for colour in (BLUE, VERMILLION)]
    return LinearSegmentedColormap.from_list("relation", [ends[0], (1, 1, 1), ends[1]])


def matrix_figure(
    labels: Sequence[str], relation: np.ndarray, title: str, meaning: str, note: str = "", limit: float = 1.0
) -> Figure:
    """A matrix of relations with its numbers; `note` tells what grey cells (NaN) are. limit: of the colours."""
    count = len(labels)
    cells_in = 0.4 * max(count, 6)
    figure = ReportFigure(2.4 + cells_in, 2.0 + cells_in, layout="compressed")  # room for title and note around them
    axes = figure.add_subplot()
    colours = relation_colormap().with_extremes(bad="#d0d0d0")
    image = axes.imshow(np.ma.masked_invalid(relation), cmap=colours, vmin=-limit, vmax=limit)
    for i in range(count):
        for j in range(count):
            value = relation[i, j]
            if i != j:
                text = "–" if np.isnan(value) else signed(value)
                colour = "white" if abs(np.nan_to_num(value)) > 0.75 * limit else "black"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(count), labels, rotation=60, fontsize=8)
    axes.set_yticks(range(count), labels, fontsize=8)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    bar.set_label(meaning, fontsize=8.5)
    bar.ax.tick_params(labelsize=8)
    axes.set_title(title, loc="left", fontsize=11)
    if note and np.isnan(relation).any():
        axes.set_xlabel(note, fontsize=8)
    return figure


def model_relation_figure(checkpoint: Path) -> Figure:
    """The relations of a RE-Net, the row's AU leaning on the column's. Raises UserError for another model."""
    loaded = load_checkpoint(checkpoint)
    if not isinstance(loaded.model, ReNet):
        raise UserError(f"{checkpoint} holds a {loaded.header['model']}; only RE-Net has relations")
    w = loaded.model.graph.relations().detach().numpy()
    learned = loaded.model.config.variant == "learnable"
    off_diagonal = np.abs(w[~np.eye(len(w), dtype=bool)])
    # Learned relations are no correlations: they have a scale of their own.
    limit = max(float(off_diagonal.max()), 0.05) if learned else 1.0
    meaning = "learned relation" if learned else "correlation of training labels"
    names = " + ".join(loaded.header.get("data", {}).get("names", ()))
    title = "Relations in RE-Net" + (f" trained on {names}" if names else "")
    return matrix_figure([au_label(au) for au in loaded.aus], w, title, meaning, limit=limit)
