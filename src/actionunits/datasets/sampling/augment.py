"""Random changes of registered crops, for a whole batch at once on its own device.

One resampling does crop, shift, rotation, zoom and flip together. A frame, its anchor, the flow between them, the
other frame of its pair, its landmarks and its mesh get the same geometry; the pictures get the same appearance too,
because a flow between them is told by equal brightness (OF-Net's eq. 1, TCAE's eq. 2), and only the noise of the
sensor is drawn apart. A change never touches a label, but for left and right, which a flip swaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor

from actionunits.datasets.crops.crop_data import STORED_MARGIN, CropData
from actionunits.faces.mirror import LANDMARK_MIRROR, MESH_MIRROR
from actionunits.models.batch import Batch
from actionunits.settings.ranges import Amount, Share

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random changes; zero (or a probability of zero) switches one off."""

    shift: Share = 0.05  # +- fraction of the network's crop
    rotation_deg: Annotated[float, Ge(0), Le(180)] = 15.0  # +-
    zoom: Amount = 0.1  # log-uniform within 1/(1 + zoom) and 1 + zoom
    flip: Share = 0.5  # probability
    brightness: Share = 0.15  # +-, added
    contrast: Amount = 0.35  # factor 1 +-
    saturation: Amount = 0.5  # factor 1 +-
    gamma: Amount = 0.4  # exponent, log-uniform within 1/(1 + gamma) and 1 + gamma
    grey: Share = 0.1  # probability
    blur: Share = 0.2  # probability
    blur_sigma: Amount = 1.5  # pixels at most, drawn apart for x and y
    noise: Share = 0.3  # probability
    noise_sigma: Amount = 0.06  # at most, of full scale
    low_resolution: Share = 0.2  # probability
    low_resolution_factors: tuple[Annotated[int, Ge(1), Le(16)], ...] = (2, 3, 4)
    erase: Share = 0.3  # probability
    erase_side: tuple[Share, Share] = (0.1, 0.4)  # width and height of the patch, fraction of the crop


@dataclass(frozen=True)
class Geometry:
    """One similarity change per row, on the CPU. In this order: flip, rotate, zoom, shift."""

    flip: Tensor  # (B,) bool: left and right of the crop swap
    rotation_rad: Tensor  # (B,), clockwise as seen
    zoom: Tensor  # (B,), above 1 the face grows
    shift_xy: Tensor  # (B, 2), fraction of the network's crop, right and down

    def sampling_matrix(self, margin: float) -> Tensor:
        """Affine map from the network's crop to the stored crop, both spanning -1 to 1, (B, 2, 3).

        margin: what the stored crop shows more on every side, fraction of the network's crop.
        """
        cos, sin = torch.cos(self.rotation_rad) / self.zoom, torch.sin(self.rotation_rad) / self.zoom
        mirror = 1.0 - 2.0 * self.flip.to(cos.dtype)
        linear = torch.stack(
            [torch.stack([cos * mirror, sin * mirror], -1), torch.stack([-sin, cos], -1)], 1
        )  # flip after the inverse rotation: the inverse of flip, rotate, zoom
        offset = -(linear @ (2 * self.shift_xy)[..., None])
        return torch.cat([linear, offset], -1) / (1 + 2 * margin)

    def point_matrix(self, margin: float) -> Tensor:
        """Affine map from the stored crop to the network's crop, both spanning 0 to 1, (B, 2, 3)."""
        matrix = self.sampling_matrix(margin)
        linear = torch.linalg.inv(matrix[:, :, :2])
        # In the middle of both crops 0 to 1 and -1 to 1 differ by a factor of 2 alone.
        offset = 0.5 - linear @ (0.5 + matrix[:, :, 2:] / 2)
        return torch.cat([linear, offset], -1)


def draw_geometry(rows: int, config: AugmentConfig, generator: torch.Generator) -> Geometry:
    """Random geometry for a batch; the generator is a CPU generator."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    limit = torch.tensor(1.0 + config.zoom).log()
    return Geometry(
        flip=torch.rand(rows, generator=generator) < config.flip,
        rotation_rad=uniform(rows) * torch.deg2rad(torch.tensor(config.rotation_deg)),
        zoom=torch.exp(uniform(rows) * limit),
        shift_xy=uniform(rows, 2) * config.shift,
    )


def still_geometry(rows: int) -> Geometry:
    """The geometry that changes nothing: the plain centre crop."""
    zero = torch.zeros(rows)
    return Geometry(zero.bool(), zero, torch.ones(rows), torch.zeros(rows, 2))


def apply_geometry(image: Tensor, geometry: Geometry, size: int, margin: float = STORED_MARGIN) -> Tensor:
    """Resample stored crops to the network's crops, (B, C, S, S) -> (B, C, size, size).

    Outside the stored crop the border pixels are repeated, as registration does.
    """
    matrix = geometry.sampling_matrix(margin).to(image)
    grid = F.affine_grid(matrix, [len(image), image.shape[1], size, size], align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def apply_geometry_to_flow(flow: Tensor, geometry: Geometry, size: int, margin: float = STORED_MARGIN) -> Tensor:
    """Move a flow between two pictures with both of them, (B, 2, S, S) -> (B, 2, size, size), pixels of each.

    Its arrows turn, flip and grow as the pictures do.
    """
    linear = geometry.point_matrix(margin)[:, :, :2].to(flow) * (size / flow.shape[-1])
    return torch.einsum("bij,bjhw->bihw", linear, apply_geometry(flow, geometry, size, margin))


def apply_geometry_to_mesh(mesh: Tensor, geometry: Geometry, margin: float = STORED_MARGIN) -> Tensor:
    """Move the 478 points with the picture, (B, 478, 3) -> (B, 478, 3) in the network's crop.

    A flip also swaps the points of the left and the right half, so that a point keeps its meaning.
    """
    matrix = geometry.point_matrix(margin)
    scale = matrix[:, :, :2].det().abs().sqrt().to(mesh)
    points = torch.cat([_move(mesh[..., :2], matrix), mesh[..., 2:] * scale[:, None, None]], -1)
    return _swap_sides(points, geometry, MESH_MIRROR)


def apply_geometry_to_landmarks(landmarks: Tensor, geometry: Geometry, margin: float = STORED_MARGIN) -> Tensor:
    """Move the 68 points with the picture, (B, 68, 2) -> (B, 68, 2) in the network's crop; NaN stays NaN.

    A flip also swaps left and right points: an unknown left brow is afterwards an unknown right brow.
    """
    return _swap_sides(_move(landmarks, geometry.point_matrix(margin)), geometry, LANDMARK_MIRROR)


def _move(points: Tensor, matrix: Tensor) -> Tensor:
    matrix = matrix.to(points)
    return points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]


def _swap_sides(points: Tensor, geometry: Geometry, mirror: np.ndarray) -> Tensor:
    swapped = points[:, torch.as_tensor(mirror, device=points.device)]
    return torch.where(geometry.flip.to(points.device)[:, None, None], swapped, points)


def _move_batch(batch: Batch, pictures: Tensor, geometry: Geometry, size: int, margin: float) -> Batch:
    """The batch with changed pictures (see `_stack`), and its flow and points moved along."""
    changed = dict(zip(_pictures(batch), pictures.split(3, 1), strict=True))
    flow, landmarks, mesh, sides = batch.flow, batch.landmarks, batch.mesh, batch.au_sides
    if flow is not None:
        flow = apply_geometry_to_flow(flow, geometry, size, margin)
    if landmarks is not None:
        landmarks = apply_geometry_to_landmarks(landmarks, geometry, margin)
    if mesh is not None:
        mesh = apply_geometry_to_mesh(mesh, geometry, margin)
    if sides is not None:
        sides = torch.where(geometry.flip.to(sides.device)[:, None, None], sides.flip(2), sides)
    return replace(batch, **changed, flow=flow, landmarks=landmarks, mesh=mesh, au_sides=sides)


def _pictures(batch: Batch) -> dict[str, Tensor]:
    """Image, and anchor and target where there are such, by name."""
    named = {name: getattr(batch, name) for name in ("image", "anchor", "target")}
    return {name: picture for name, picture in named.items() if picture is not None}


def _stack(batch: Batch) -> Tensor:
    """All pictures of a row as channels of one, (B, 3, 6 or 9, S, S): what happens to one happens to all."""
    return torch.cat(list(_pictures(batch).values()), 1)


def center_crop(batch: Batch, size: int, margin: float = STORED_MARGIN) -> Batch:
    """The plain registered crop of every row, for evaluation.

    Exact pixels where the stored crop has the network's scale (128 -> 112, 256 -> 224), resampled otherwise.
    """
    stored = batch.image.shape[-1]
    border = (stored - size) // 2
    geometry = still_geometry(len(batch.image))
    pictures = _stack(batch)
    if abs(size * (1 + 2 * margin) - stored) < 1e-6 and stored - size == 2 * border:
        pictures = pictures[..., border : border + size, border : border + size]
    elif stored:
        pictures = apply_geometry(pictures, geometry, size, margin)
    return _move_batch(batch, pictures, geometry, size, margin)


def plain_batches(
    data: CropData, size: int, device: torch.device | str = "cpu", batch_size: int = 128
) -> Iterator[Batch]:
    """All rows in order as plain registered crops, a batch at a time."""
    for start in range(0, len(data), batch_size):
        rows = np.arange(start, min(start + batch_size, len(data)))
        yield center_crop(data.batch(rows, device), size, data.margin)


def augment(
    batch: Batch,
    size: int,
    generator: torch.Generator,
    config: AugmentConfig | None = None,
    margin: float = STORED_MARGIN,
) -> Batch:
    """Random crop, rotation, zoom, flip, colour, blur, low resolution, noise and patches; labels stay.

    batch.image, batch.anchor, batch.target: (B, 3, S, S) stored crops -> (B, 3, size, size); an image without pixels
    stays so, and flow and points move as they would with one. The generator (CPU) decides everything.
    """
    config = config or AugmentConfig()
    geometry = draw_geometry(len(batch.image), config, generator)
    pictures = _stack(batch)
    if pictures.shape[-1]:
        pictures = apply_geometry(pictures, geometry, size, margin)
        pictures = change_appearance(pictures, config, generator)
    return _move_batch(batch, pictures, geometry, size, margin)


def change_appearance(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Random colour, blur, low resolution, noise, occluding patches, (B, 3, H, W) 0-1; may work in place.

    Several pictures of a row, stacked as 6 or more channels, get the same change.
    """
    image = _colour(image, config, generator)
    image = _low_resolution(image, config, generator)
    image = _blur(image, config, generator)
    image = _noise(image, config, generator)
    return _erase(image, config, generator).clamp_(0, 1)


def _chosen(rows: int, probability: float, generator: torch.Generator) -> Tensor:
    """Numbers of the rows that a change of this probability hits."""
    return torch.nonzero(torch.rand(rows, generator=generator) < probability)[:, 0]


def _colour(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    rows = len(image)

    def factor(spread: float) -> Tensor:
        drawn = 1 + (torch.rand(rows, 1, 1, 1, generator=generator) * 2 - 1) * spread
        return drawn.to(image.device)

    exponent = (torch.rand(rows, 1, 1, 1, generator=generator) * 2 - 1) * torch.tensor(1 + config.gamma).log()
    brightness, contrast, saturation = (
        factor(config.brightness) - 1,
        factor(config.contrast),
        factor(config.saturation),
    )
    grey = (torch.rand(rows, 1, 1, 1, generator=generator) < config.grey).to(image.device)
    saturation = torch.where(grey, torch.zeros_like(saturation), saturation)
    image = image.clamp_min(1e-4).pow_(exponent.exp().to(image.device))
    weights = image.new_tensor(LUMA)[:, None, None]
    mean = None
    for picture in image.split(3, 1):
        luma = (picture * weights).sum(1, keepdim=True)
        torch.lerp(luma.expand_as(picture), picture, saturation, out=picture)
        # Contrast turns about the mean of the first picture: equal pixels of the two stay equal.
        mean = luma.mean((2, 3), keepdim=True) if mean is None else mean
    assert mean is not None
    return image.mul_(contrast).add_(mean * (1 - contrast) + brightness).clamp_(0, 1)


def _low_resolution(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Averaged down and stretched up again: a small face, or the loss of detail of strong compression."""
    rows = _chosen(len(image), config.low_resolution, generator)
    which = torch.randint(len(config.low_resolution_factors), (len(rows),), generator=generator)
    size = image.shape[-2:]
    for number, step in enumerate(config.low_resolution_factors):
        here = rows[which == number].to(image.device)
        if len(here):
            small = F.interpolate(image[here], (size[0] // step, size[1] // step), mode="area")
            image[here] = F.interpolate(small, size, mode="bilinear", align_corners=False)
    return image


def _blur(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Gaussian blur with its own width along x and y for each row: out of focus, or moving."""
    rows = _chosen(len(image), config.blur, generator)
    if not len(rows):
        return image
    sigma = torch.rand(2, len(rows), 1, generator=generator) * config.blur_sigma + 0.1
    reach = int(2 * config.blur_sigma + 0.5)
    tap = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weight = torch.exp(-0.5 * (tap / sigma) ** 2)
    weight = (weight / weight.sum(-1, keepdim=True)).to(image)  # (2, rows, taps)
    here = rows.to(image.device)
    blurred = image[here]
    for axis, pad in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        padded = F.pad(blurred, pad, mode="replicate")
        length = blurred.shape[axis]
        blurred = torch.zeros_like(blurred)
        for k in range(len(tap)):
            blurred += padded.narrow(axis, k, length) * weight[3 - axis, :, k, None, None, None]
    image[here] = blurred
    return image


def _noise(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    rows = _chosen(len(image), config.noise, generator)
    sigma = torch.rand(len(rows), 1, 1, 1, generator=generator) * config.noise_sigma
    seed = int(torch.randint(2**62, (), generator=generator))
    if len(rows):
        here = rows.to(image.device)
        # The large draw happens where the pictures are; its seed comes from the one generator.
        local = torch.Generator(image.device).manual_seed(seed)
        shape = (len(rows), *image.shape[1:])
        image[here] += torch.randn(shape, generator=local, device=image.device) * sigma.to(image)
    return image


def _erase(image: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """A rectangle of one colour over a part of the face, as a hand, a cup or a caption would be."""
    rows = _chosen(len(image), config.erase, generator)
    low, high = config.erase_side
    side = low + torch.rand(len(rows), 2, generator=generator) * (high - low)
    start = torch.rand(len(rows), 2, generator=generator) * (1 - side)
    colour = torch.rand(len(rows), 3, generator=generator).repeat(1, image.shape[1] // 3)
    if not len(rows):
        return image
    here = rows.to(image.device)
    height, width = image.shape[-2:]
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    inside_x = (x >= start[:, :1]) & (x < start[:, :1] + side[:, :1])
    inside_y = (y >= start[:, 1:]) & (y < start[:, 1:] + side[:, 1:])
    patch = (inside_y[:, :, None] & inside_x[:, None, :])[:, None].to(image.device)
    image[here] = torch.where(patch, colour[:, :, None, None].to(image), image[here])
    return image
