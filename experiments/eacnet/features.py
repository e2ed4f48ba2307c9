"""Feature maps of group 4 of FVGG and E-Net on one photograph: docs/img/eacnet_features.png (EAC-Net, Fig. 4).

    python experiments/eacnet/features.py --runs out/eacnet-table3 [--fold 1]

The networks are those of `actionunits reproduce eacnet-table3`; the photograph is scikit-image's astronaut (NASA,
public domain). First the mean over all channels, then the channels that differ most over the face, each from its
smallest to its largest value. Below, how much of the mean map's total lies where the attention map is above 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from skimage.data import astronaut
from torch import Tensor

from actionunits.faces import FaceFinder
from actionunits.faces.align import register, similarity_transform, transform_points
from actionunits.models.eacnet.attention import attention_map, enhance
from actionunits.models.eacnet.centers import au_centers
from actionunits.training.checkpoint import load_checkpoint
from actionunits.types import Frame

OUT = Path(__file__).parents[2] / "docs" / "img" / "eacnet_features.png"
NETWORKS = {"FVGG": "eacnet-fvgg", "E-Net": "eacnet-enet"}
CHANNELS = 5


@torch.inference_mode()
def group4(model: torch.nn.Module, image: Tensor, attention: Tensor | None) -> Tensor:
    """Feature map of group 4 before pooling, (C, H, W); E-Net's is enhanced."""
    vgg = model.vgg
    x = vgg.groups(range(1, 3), model.normalize(image))
    for number in (3, 4):
        first, last = vgg.group(number, x)
        x = last if attention is None else enhance(first, last, attention)
        if number == 3:
            x = F.max_pool2d(x, 2, 2)
    return x[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of `actionunits reproduce eacnet-table3`")
    parser.add_argument("--fold", default="1")
    arguments = parser.parse_args()
    image = np.asarray(astronaut())
    with FaceFinder(video=False) as finder:
        (face,) = finder(Frame(image, 0, 0.0, "astronaut"))
    figure, axes = plt.subplots(2, 2 + CHANNELS, figsize=(13, 4.2), layout="constrained")
    for row, (name, folder) in zip(axes, NETWORKS.items(), strict=True):
        path = arguments.runs / folder / f"fold-{arguments.fold}" / "model.safetensors"
        model = load_checkpoint(path).model
        size = model.config.image_size
        crop = register(image, face.landmarks_px, size)
        points = transform_points(face.landmarks_px, similarity_transform(face.landmarks_px, size))
        attention = attention_map(au_centers(torch.from_numpy((points + 0.5) / size)[None]))
        pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
        maps = group4(model, pixels, attention if name == "E-Net" else None)
        mean = maps.mean(0)
        inside = F.adaptive_avg_pool2d(attention, mean.shape)[0, 0] > 0
        share = float(mean[inside].sum() / mean.sum())
        chosen = maps.flatten(1).std(1).argsort(descending=True)[:CHANNELS].tolist()
        row[0].imshow(crop)
        row[0].set_ylabel(name)
        row[1].imshow(mean, cmap="magma")
        row[1].set_title(f"mean of {len(maps)} channels", fontsize=8)
        row[1].set_xlabel(f"{share:.0%} near AU centres\n({inside.float().mean():.0%} of the area)", fontsize=8)
        for ax, channel in zip(row[2:], chosen, strict=True):
            ax.imshow(maps[channel], cmap="magma")
            ax.set_title(f"channel {channel}", fontsize=8)
        for ax in row:
            ax.set_xticks([])
            ax.set_yticks([])
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
