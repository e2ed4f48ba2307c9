"""Where EAC-Net looks in a picture: AU centres, attention map, and feature maps without and with it (Fig. 3, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.faces.align import register, similarity_transform, transform_points
from actionunits.media import open_media
from actionunits.models.batch import Batch
from actionunits.models.eacnet import EacNet
from actionunits.models.eacnet.attention import attention_map
from actionunits.models.layers.middle import middle_of
from actionunits.reports.figure import ReportFigure
from actionunits.reports.palette import BLUISH_GREEN
from actionunits.training.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Attention:
    """What one network sees of one face; S pixels, C channels of group 4."""

    crop: np.ndarray  # (S, S, 3) uint8: what the network sees
    centers: np.ndarray  # (20, 2), 0-1 spans it
    weights: np.ndarray  # (100, 100), 0-1: Eq. (1)
    plain: np.ndarray  # (C, H, W): group 4 with no place enhanced
    enhanced: np.ndarray  # (C, H, W): as E-Net and EAC-Net have it

    @property
    def near(self) -> np.ndarray:
        """(H, W) bool: cells that the attention map covers."""
        weights = torch.from_numpy(self.weights)[None, None]
        return F.adaptive_avg_pool2d(weights, self.plain.shape[1:])[0, 0].numpy() > 0


def load_attentive(weights: Path) -> EacNet:
    """The E-Net or EAC-Net of a checkpoint. Raises UserError for another model."""
    loaded = load_checkpoint(weights)
    if not isinstance(loaded.model, EacNet):
        raise UserError(f"{weights} holds a {loaded.header['model']}; only EAC-Net has an attention map")
    if loaded.model.config.variant == "fvgg":
        raise UserError(f"{weights} holds an FVGG, which looks everywhere alike; take an E-Net or an EAC-Net")
    return loaded.model


def face_of(picture: str, size: int) -> Batch:
    """The largest face of a picture, or of the first frame of a video with one, as detection registers it.

    Raises UserError where none is found.
    """
    with open_media(picture) as media, FaceFinder(video=False) as finder:
        for frame in media:
            faces = finder(frame)
            if faces:
                face = max(faces, key=lambda found: float(np.ptp(found.box_xyxy_px.reshape(2, 2), axis=0).prod()))
                crop = register(frame.image_rgb, face.landmarks_px, size)
                points = transform_points(face.landmarks_px, similarity_transform(face.landmarks_px, size))
                image = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None].float() / 255
                return Batch(image=image, landmarks=torch.from_numpy((points + 0.5) / size)[None].float())
    raise UserError(f"{picture}: no face found")


@torch.inference_mode()
def attention_of(model: EacNet, face: Batch) -> Attention:
    """What a network sees of the only face of a batch."""
    centers, low = model.centers(face), model.low_groups(face)
    seen = middle_of(face.image, model.config.magnification, model.config.middle_size)[0]
    maps = [model.enhanced(low, at)[0].numpy() for at in (None, centers)]
    crop = (seen.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return Attention(crop, centers[0].numpy(), attention_map(centers)[0, 0].numpy(), *maps)


def attention_figure(found: Attention, channels: int) -> Figure:
    """The face with its AU centres, the attention map on it, and group 4 without and with attention.

    channels: how many of the maps are drawn in a square, those that differ most over the face, beside their mean.
    """
    figure = ReportFigure(9.6, 5.0, layout="constrained")
    panels = figure.subplots(2, 4)
    for panel in panels.ravel():
        panel.set_axis_off()
    size = len(found.crop)
    panels[0, 0].imshow(found.crop)
    panels[0, 0].scatter(
        *(found.centers * size - 0.5).T, s=18, color=np.array(BLUISH_GREEN) / 255, edgecolors="white", linewidths=0.6
    )
    panels[0, 0].set_title("20 AU centres", fontsize=9)
    panels[1, 0].imshow(found.crop.mean(2), cmap="gray", extent=(0, 100, 100, 0))
    panels[1, 0].imshow(found.weights, cmap="magma", alpha=np.where(found.weights > 0, 0.85, 0.35), vmin=0, vmax=1)
    panels[1, 0].set_title("attention map", fontsize=9)
    chosen = found.enhanced.reshape(len(found.enhanced), -1).std(1).argsort()[::-1][:channels]
    whole = (-0.5, size - 0.5, size - 0.5, -0.5)
    for row, name, maps in ((0, "without attention", found.plain), (1, "with attention", found.enhanced)):
        _mean_panel(panels[row, 1], name, maps.mean(0), found.near)
        panels[row, 2].imshow(found.crop)
        panels[row, 2].imshow(_stretched(maps.mean(0)), cmap="magma", alpha=0.6, extent=whole)
        panels[row, 2].set_title("on the face", fontsize=9)
        panels[row, 3].imshow(mosaic(maps[chosen]), cmap="magma")
        panels[row, 3].set_title(f"the {len(chosen)} channels that differ most", fontsize=9)
    return figure


def _mean_panel(panel: Axes, name: str, mean: np.ndarray, near: np.ndarray) -> None:
    share = mean[near].sum() / max(float(mean.sum()), 1e-12)
    panel.imshow(mean, cmap="magma")
    of_area = f"{share:.0%} of it near centres ({near.mean():.0%} of the area)"
    panel.set_title(f"{name}: mean of group 4\n{of_area}", fontsize=9)


def _stretched(values: np.ndarray) -> np.ndarray:
    """From 0, the smallest, to 1, the largest; all 0 where they are alike."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / max(high - low, 1e-12)


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Maps (C, H, W), each from its smallest to its largest value, side by side in a square as in Fig. 4."""
    count, height, width = maps.shape
    side = int(np.ceil(np.sqrt(count)))
    sheet = np.zeros((side * (height + 1) - 1, side * (width + 1) - 1))
    for k, values in enumerate(maps):
        top, left = (k // side) * (height + 1), (k % side) * (width + 1)
        sheet[top : top + height, left : left + width] = _stretched(values)
    return sheet


def picture_attention(picture: str, weights: Path, channels: int) -> Figure:
    """`attention_figure` of the largest face of somebody's picture."""
    model = load_attentive(weights)
    return attention_figure(attention_of(model, face_of(picture, model.config.image_size)), channels)
