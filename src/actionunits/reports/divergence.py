"""How much features differ between people, as a table and a picture (hybrid network, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.datasets.sampling.rows import even_rows
from actionunits.errors import UserError
from actionunits.evaluation.divergence import hand_made_features, subject_divergences
from actionunits.models.contract import HasFeatures
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import BLUE, ORANGE
from actionunits.training.checkpoint import load_checkpoint

SIZE = 112  # pixels that hand-made features see


@dataclass(frozen=True)
class Divergences:
    """Divergence of every person from all others, by the name of the features."""

    data: str
    people: int
    frames: int
    learned: tuple[str, ...]  # names of features of networks
    by_features: Mapping[str, np.ndarray]  # (S,) each, scaled as in the paper


@torch.inference_mode()
def measure(checkpoints: Sequence[Path], folders: Sequence[Path], frames: int) -> Divergences:
    """Divergences of shape, Gabor and HOG, and of the features of models, over frames spread evenly over the data.

    Raises UserError for one person only, a checkpoint that was trained on people of the data, and a model whose
    features are no vectors.
    """
    from actionunits.evaluation.protocols import refuse_seen_subjects

    data = load_data(list(folders), stored_size(SIZE), aus=())
    data = data.subset(even_rows(len(data), frames))
    found = hand_made_features(data, SIZE)
    learned = []
    for path in checkpoints:
        loaded = load_checkpoint(path)
        refuse_seen_subjects(loaded.header, data.present_subjects, str(path))
        model = loaded.model
        if not isinstance(model, HasFeatures):
            raise UserError(f"{path} holds a {loaded.header['model']}, which has no features to compare")
        size = loaded.model.config.image_size
        own = data if size == SIZE else load_data(list(folders), stored_size(size), aus=())
        own = own if size == SIZE else own.subset(even_rows(len(own), frames))
        parts = [model.features(batch).flatten(1).float().numpy() for batch in plain_batches(own, size)]
        name = f"{loaded.header['model']} ({path.resolve().parent.name})"
        learned.append(name)
        found[name] = np.concatenate(parts)
    return Divergences(
        " + ".join(data.names),
        len(np.unique(data.subject)),
        len(data),
        tuple(learned),
        {name: subject_divergences(values, data.subject) for name, values in found.items()},
    )


def lines(d: Divergences) -> list[str]:
    """Mean and standard deviation over people, one line per kind of features."""
    width = max(map(len, d.by_features))
    return [
        f"{name:<{width}}  {values.mean():10,.1f} ± {values.std():,.1f}" for name, values in d.by_features.items()
    ]


def divergence_figure(d: Divergences) -> Figure:
    """A dot for every person, and the mean, on a logarithmic scale."""
    figure = ReportFigure(1.6 + 1.3 * len(d.by_features), 4.2, layout="constrained")
    axes = figure.add_subplot()
    generator = np.random.default_rng(0)
    for k, (name, values) in enumerate(d.by_features.items()):
        colour = tuple(v / 255 for v in (ORANGE if name in d.learned else BLUE))
        axes.scatter(k + generator.uniform(-0.15, 0.15, len(values)), values, s=14, lw=0, alpha=0.7, color=colour)
        axes.hlines(values.mean(), k - 0.3, k + 0.3, color="black", lw=1.5)
        axes.annotate(f"{values.mean():,.0f}", (k + 0.32, values.mean()), va="center", fontsize=8)
    axes.set_xticks(range(len(d.by_features)), [name.replace(" (", "\n(") for name in d.by_features], fontsize=8.5)
    axes.set_xlim(-0.5, len(d.by_features) - 0.2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("divergence from the others / log(D) · 10⁶", fontsize=9)
    axes.set_title(f"{d.people} people, {d.frames} frames of {d.data}", fontsize=10, loc="left")
    axes.grid(axis="y", alpha=0.3)
    return figure
