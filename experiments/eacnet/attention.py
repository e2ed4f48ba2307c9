"""EAC-Net's AU centres and attention map on a photograph: docs/img/eacnet_attention.png (EAC-Net, Fig. 3).

    python experiments/eacnet/attention.py

The photograph is scikit-image's astronaut (NASA, public domain). The third and fourth picture are of a crop with the
head rolled by 30 degrees and 0.6 of the size, whose centres move with it.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from skimage.data import astronaut

from actionunits.faces import FaceFinder
from actionunits.faces.align import register, similarity_transform, transform_points
from actionunits.models.eacnet.attention import attention_map
from actionunits.models.eacnet.centers import RULES, au_centers
from actionunits.reports.palette import BLUISH_GREEN, SKY_BLUE
from actionunits.types import Frame

SIZE = 224
OUT = Path(__file__).parents[2] / "docs" / "img" / "eacnet_attention.png"


def rolled(landmarks_px: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    """Landmarks to register on, so that the face comes out turned clockwise and scaled about its middle."""
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / scale
    middle = landmarks_px[27:48].mean(0)
    return (landmarks_px - middle) @ matrix.T + middle


def show(
    photo: Axes, plot: Axes, image: np.ndarray, landmarks_px: np.ndarray, target_px: np.ndarray, named: bool
) -> None:
    """The crop that registration on `target_px` gives, with landmarks and centres; and the attention map of it."""
    crop = register(image, target_px, SIZE)
    points = transform_points(landmarks_px, similarity_transform(target_px, SIZE))
    centers = au_centers(torch.from_numpy((points + 0.5) / SIZE)[None])
    at = centers[0].numpy() * SIZE - 0.5
    photo.imshow(crop)
    photo.scatter(*points.T, s=5, color=np.array(SKY_BLUE) / 255)
    photo.scatter(*at.T, s=26, color=np.array(BLUISH_GREEN) / 255, edgecolors="white", linewidths=0.7)
    for rule, place in zip(RULES, at[1::2], strict=True) if named else ():
        text = ", ".join(map(str, rule.aus))
        photo.annotate(
            text, place, xytext=(4, -2), textcoords="offset points", color="white", fontsize=6.5, fontweight="bold"
        )
    plot.imshow(crop.mean(2), cmap="gray", extent=(0, 100, 100, 0))
    weights = attention_map(centers)[0, 0].numpy()
    drawn = plot.imshow(weights, cmap="magma", alpha=np.where(weights > 0, 0.85, 0.35), vmin=0, vmax=1)
    plot.figure.colorbar(drawn, ax=plot, fraction=0.046, label="weight (Eq. 1)")


def main() -> None:
    image = np.asarray(astronaut())
    with FaceFinder(video=False) as finder:
        (face,) = finder(Frame(image, 0, 0.0, "astronaut"))
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), layout="constrained")
    show(axes[0], axes[1], image, face.landmarks_px, face.landmarks_px, True)
    show(axes[2], axes[3], image, face.landmarks_px, rolled(face.landmarks_px, 30, 0.6), False)
    titles = ("68 landmarks, 20 AU centres", "attention map, 100 x 100", "rolled by 30°, scaled by 0.6", "its map")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
