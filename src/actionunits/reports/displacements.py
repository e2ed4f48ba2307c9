"""How far TCAE's two movements move a face: the histogram of the paper's Fig. 5 and the ratio of the mean lengths.

Li, Zeng, Shan & Chen, "Self-supervised Representation Learning from Videos for Facial Action Unit Detection", CVPR
2019, Sec. 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import center_crop
from actionunits.datasets.sampling.sequences import PairSampler
from actionunits.reports.face_edit import two_movements
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import BLUE, VERMILLION

PAIRS = 6400  # Sec. 4.3
PAIRS_AT_ONCE = 64
BINS = 50


@dataclass(frozen=True)
class Lengths:
    """Mean length of the displacements of every pair over its picture, in half widths of the picture, (N,)."""

    au: np.ndarray
    pose: np.ndarray

    @property
    def ratio(self) -> float:
        """Mean length of the pose displacements by that of the AU displacements; infinite where these are zero."""
        au, pose = self.au.mean(), self.pose.mean()
        return float(pose / au) if au > 0 else np.inf

    def __str__(self) -> str:
        return (
            f"{len(self.au):,} pairs; mean length in half widths of the picture: AU displacements "
            f"{self.au.mean():.4f}, pose displacements {self.pose.mean():.4f}, ratio {self.ratio:.1f}"
        )


@torch.inference_mode()
def displacement_lengths(model: Path, folders: list[Path], pairs: int = PAIRS, seed: int = 0) -> Lengths:
    """Lengths of both displacements for random pairs of frames of one track.

    Raises UserError for unusable data or a checkpoint that cannot tell the two movements apart.
    """
    network = two_movements(model)
    size = int(network.config.image_size)
    data = load_data(folders, stored_size(size), aus=())
    sampler = PairSampler((data.subject, data.clip), min(PAIRS_AT_ONCE, pairs, max(1, len(data) // 4)), seed)
    found: dict[str, list[np.ndarray]] = {"au": [], "pose": []}
    for step in range(-(-pairs // sampler.batch_size)):
        rows = sampler.batch_indices(step)[: pairs - step * sampler.batch_size]
        batch = center_crop(data.batch(rows), size, data.margin)
        assert batch.target is not None
        pair = network.pair(batch.image, batch.target)
        for name, movement in (("au", pair.au), ("pose", pair.pose)):
            found[name].append(movement.displacement.norm(dim=-1).mean((1, 2)).numpy())
    return Lengths(*(np.concatenate(found[name]) for name in ("au", "pose")))


def length_histogram(lengths: Lengths) -> Figure:
    """Two histograms on one axis, with the mean of each."""
    figure = ReportFigure(6.4, 3.4, layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, max(lengths.au.max(), lengths.pose.max(), 1e-6), BINS + 1).tolist()
    for name, values, colour in (("AU", lengths.au, VERMILLION), ("pose", lengths.pose, BLUE)):
        red, green, blue = colour
        shade = (red / 255, green / 255, blue / 255)
        axes.hist(values, bins, color=shade, alpha=0.55, label=f"{name} displacements, mean {values.mean():.4f}")
        axes.axvline(values.mean(), color=shade, lw=1.2)
    axes.set_xlabel("mean length of the displacements of a pair, half widths of the picture")
    axes.set_ylabel("pairs of frames")
    axes.set_title(f"{len(lengths.au):,} pairs; pose / AU = {lengths.ratio:.1f}", fontsize=10.5, loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
