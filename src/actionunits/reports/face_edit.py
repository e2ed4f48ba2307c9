"""Faces that TCAE generates: one face with the action units, or the head pose, of another; the paper's Fig. 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import center_crop
from actionunits.datasets.sampling.sequences import PairSampler
from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.faces.align import register
from actionunits.media import open_media
from actionunits.models.tcae import Tcae
from actionunits.models.tcae.displacement import warp
from actionunits.reports.contact_sheet import sheet_figure
from actionunits.reports.flow_colours import flow_colours
from actionunits.reports.image_file import image_format, save_image
from actionunits.training.checkpoint import load_checkpoint
from actionunits.types import Face, Frame

KEEPS = ("pose", "aus")
CAPTIONS = (
    "source",
    "target",
    "AU-changed",
    "pose-changed",
    "both: the target again",
    "AU displacement",
    "pose displacement",
)
FULL_COLOUR_SHARE = 0.05  # of the picture's width: the displacement that has a full colour


def edit_face(source: Path | str, target: Path | str, keep: str, model: Path, out: Path, size: int = 256) -> None:
    """Write the source's largest face with the target's action units (keep "pose") or its head pose (keep "aus").

    source, target: pictures, or videos, whose first frame with a face counts. size: of the picture, a registered
    crop; movements are found at the network's own size. Raises UserError for an input without a face, a checkpoint
    that cannot tell the two movements apart, and a file that cannot be written.
    """
    if keep not in KEEPS:
        raise UserError(f"--keep is '{keep}'; it must be {' or '.join(KEEPS)}")
    if not 16 <= size <= 2048:
        raise UserError(f"--size must be between 16 and 2048 pixels, not {size}")
    image_format(out)
    network = two_movements(model)
    own = int(network.config.image_size)
    with FaceFinder(video=False, max_faces=1) as finder:
        (frame, face), other = (_first_face(path, finder) for path in (source, target))
    images = [register(f.image_rgb, a.landmarks_px, own) for f, a in ((frame, face), other)]
    with torch.inference_mode():
        pair = network.pair(*(_tensor(image) for image in images))
        movement = pair.au if keep == "pose" else pair.pose
        # A movement is smooth: the face itself keeps its detail.
        wide = F.interpolate(movement.displacement.permute(0, 3, 1, 2), (size, size), mode="bilinear")
        edited = warp(_tensor(register(frame.image_rgb, face.landmarks_px, size)), wide.permute(0, 2, 3, 1))
    save_image(_picture(edited[0]), out)


def pair_figure(model: Path, folders: list[Path], pairs: int = 4, seed: int = 0) -> Figure:
    """The grid of Fig. 4 for random pairs of frames of one track: what is generated, and the displacements.

    Colours of displacements: the hue is where a point of the source goes, white stands still. Raises UserError for
    unusable data or a checkpoint that cannot tell the two movements apart.
    """
    network = two_movements(model)
    size = int(network.config.image_size)
    data = load_data(folders, stored_size(size), aus=())
    rows = PairSampler((data.subject, data.clip), pairs, seed).batch_indices(0)
    batch = center_crop(data.batch(rows), size, data.margin)
    assert batch.target is not None
    with torch.inference_mode():
        pair = network.pair(batch.image, batch.target)
    columns = [batch.image, batch.target, pair.au_changed, pair.pose_changed, pair.reconstruction]
    cells: list[np.ndarray] = []
    for k in range(pairs):
        cells += [_picture(column[k]) for column in columns]
        cells += [_colours(m.displacement[k], size) for m in (pair.au, pair.pose)]
    captions = [*CAPTIONS, *("" for _ in range(len(cells) - len(CAPTIONS)))]
    return sheet_figure(cells, captions, len(CAPTIONS))


def two_movements(path: Path) -> Any:
    """The network of a checkpoint that tells the two movements apart. Raises UserError for another one."""
    loaded = load_checkpoint(path).model
    if not isinstance(loaded, Tcae) or loaded.config.variant != "tcae":
        raise UserError(
            f"{path} does not tell movements of the face from those of the head; take a checkpoint of tcae"
        )
    return loaded


def _first_face(path: Path | str, finder: FaceFinder) -> tuple[Frame, Face]:
    with open_media(path) as media:
        for frame in media:
            faces = finder(frame)
            if faces:
                return frame, faces[0]
    raise UserError(f"no face found in {path}")


def _tensor(image_rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)[None].float() / 255


def _picture(image: Tensor) -> np.ndarray:
    """(3, H, W), 0-1 -> (H, W, 3) uint8."""
    return (255 * image.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()


def _colours(displacement: Tensor, size: int) -> np.ndarray:
    """A pixel that comes from p + T went from there to p: the motion is -T, in pixels."""
    return flow_colours(-displacement.numpy() * size / 2, FULL_COLOUR_SHARE * size)
