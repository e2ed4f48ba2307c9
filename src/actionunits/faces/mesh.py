"""The 478-point face mesh of one region of an image, with the network's score that a face is there.

Network: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020; or that of a
MediaPipe Tasks file (`task_mesh.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from actionunits.faces.align import cut_out
from actionunits.faces.network import MODELS, PictureNetwork
from actionunits.faces.task_mesh import TaskMesh

_EYE_CORNERS = (33, 263)  # mesh vertices: outer corners, image left and right
_MARGIN = 1.5  # side of the region over the longer side of the face, as in MediaPipe's own graph

MIN_PRESENCE = 0.5  # as in MediaPipe's own graph; below it a region holds no face


@dataclass(frozen=True)
class Region:
    """A square of the image, turned so that the eyes are level in it."""

    centre_px: np.ndarray  # (2,) float64
    side_px: float
    angle_rad: float  # clockwise as seen, from the image's x axis to the line through the eyes


@dataclass(frozen=True)
class MeshReading:
    """What the mesh network says about a region."""

    mesh_px: np.ndarray  # (478, 3) float32, image pixels
    presence: float  # 0-1, the network's score that the region holds a face
    picture: np.ndarray  # (S, S, 3) uint8, the region as the network saw it
    in_picture_px: np.ndarray  # (478, 2) float32, the mesh in that picture


def region_of_mesh(mesh_px: np.ndarray) -> Region:
    """The region to read a face from, given its mesh (478, 3) in this or the previous frame."""
    points = np.asarray(mesh_px, np.float64)[:, :2]
    eye_line = points[_EYE_CORNERS[1]] - points[_EYE_CORNERS[0]]
    return _region(points, float(np.arctan2(eye_line[1], eye_line[0])))


def region_of_points(points_px: np.ndarray, left_eye_px: np.ndarray, right_eye_px: np.ndarray) -> Region:
    """The region around points (N, 2) with the eyes (2,) at the left and the right of the image."""
    eye_line = np.asarray(right_eye_px, np.float64) - left_eye_px
    return _region(np.asarray(points_px, np.float64), float(np.arctan2(eye_line[1], eye_line[0])))


def _region(points_px: np.ndarray, angle_rad: float) -> Region:
    axes = np.array([[np.cos(angle_rad), np.sin(angle_rad)], [-np.sin(angle_rad), np.cos(angle_rad)]])
    turned = axes @ points_px.T
    low, high = turned.min(1), turned.max(1)
    return Region((low + high) / 2 @ axes, _MARGIN * float((high - low).max()), angle_rad)


def cut_region(image_rgb: np.ndarray, region: Region, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The region as a (size, size, 3) uint8 picture, and the (2, 3) affine from its pixels to the image's.

    Outside the image the border pixels are repeated.
    """
    scale = region.side_px / size
    cos, sin = np.cos(region.angle_rad) * scale, np.sin(region.angle_rad) * scale
    to_image = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    to_image[:, 2] = region.centre_px - to_image[:, :2] @ np.full(2, (size - 1) / 2)
    crop = cut_out(image_rgb, cv2.invertAffineTransform(to_image), size)
    return crop, to_image


class MeshNetwork(Protocol):
    """A network that finds the mesh of a face in a square picture of it."""

    side_px: int

    def __call__(self, picture_rgb: np.ndarray) -> list[np.ndarray]:
        """Mesh (478, 3) in pixels from the corner of a picture (S, S, 3) uint8, and presence (), 0-1."""

    def many(self, pictures_rgb: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The same of each of several pictures."""


def mesh_network(model: Path | None = None, device: str = "cpu") -> MeshNetwork:
    """The network that comes with the package, or that of a Tasks file, which knows no device.

    Raises UserError when `model` is not a MediaPipe face landmarker file, or cannot be run here.
    """
    return PictureNetwork(MODELS / "attention_mesh.onnx", device) if model is None else TaskMesh(model)


class MeshReader:
    """Reads the mesh of a region."""

    def __init__(self, network: MeshNetwork | None = None) -> None:
        """network: another one than that which comes with the package."""
        self._network = network or mesh_network()

    def __call__(self, image_rgb: np.ndarray, region: Region) -> MeshReading:
        """Mesh and presence of the face that a region of an image (H, W, 3) uint8 is taken to hold."""
        (reading,) = self.many(image_rgb, [region])
        return reading

    def many(self, image_rgb: np.ndarray, regions: Sequence[Region]) -> list[MeshReading]:
        """The same of several regions of an image."""
        size = self._network.side_px
        cut = [cut_region(image_rgb, region, size) for region in regions]
        outputs = self._network.many([picture for picture, _ in cut])
        readings = []
        for region, (picture, to_image), (points, presence) in zip(regions, cut, outputs, strict=True):
            # The networks count from the corner of the first pixel, this project from its centre.
            in_picture = points[:, :2] - 0.5
            mesh = np.empty_like(points)
            mesh[:, :2] = in_picture @ to_image[:, :2].T + to_image[:, 2]
            mesh[:, 2] = points[:, 2] * (region.side_px / size)
            readings.append(MeshReading(mesh, float(presence), picture, in_picture))
        return readings

    def around(self, image_rgb: np.ndarray, landmarks_px: np.ndarray) -> MeshReading:
        """Mesh of the face whose 68 landmarks (68, 2) are known roughly, as if it had been followed to here.

        The first look is at the landmarks, the second at the first one's mesh: the region that a followed face has.
        """
        eyes = landmarks_px[36:42].mean(0), landmarks_px[42:48].mean(0)
        first = self(image_rgb, region_of_points(landmarks_px, *eyes))
        return self(image_rgb, region_of_mesh(first.mesh_px))
