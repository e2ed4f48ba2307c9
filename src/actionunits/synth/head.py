"""The head as it is rendered: triangles with a material, texture coordinates, and how much light reaches each part.

Everything here follows from the mean neutral head, is computed once per process and shared by all people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from actionunits.synth import raster
from actionunits.synth.facekit import (
    EYE_LEFT,
    EYE_RIGHT,
    EYE_SOCKETS,
    HEAD_AND_NECK,
    LANDMARK_VERTICES,
    MATERIALS,
    MOUTH_SOCKET,
    FaceKit,
)
from actionunits.synth.shapes import with_own_shapes

# The skin texture is a cylinder around the head's vertical axis: half of its width in degrees, and its height range.
TEXTURE_HALF_ANGLE_DEG = 110.0
TEXTURE_TOP_CM, TEXTURE_HEIGHT_CM = 14.5, 34.0
LIGHT_DIRECTIONS = 64


@dataclass(frozen=True)
class Head:
    """V vertices as in FaceKit, F triangles that are drawn, D directions on the sphere."""

    kit: FaceKit  # its expressions are those of shapes.SHAPES
    triangles: np.ndarray  # (F, 3) int32
    kind: np.ndarray  # (F,) uint8, material constants of raster.py
    mouth_triangles: np.ndarray  # (F,) bool: invisible while the lips are closed
    texture_uv: np.ndarray  # (V, 2) float32, 0-1
    eye_centre: np.ndarray  # (2, 3) float32, left eye first
    directions: np.ndarray  # (D, 3) float32 unit vectors in head space
    reached: np.ndarray  # (V, D) float32, 1 where light from that direction arrives
    openness: np.ndarray  # (V,) float32, share of ambient light that arrives, 0-1
    front: cKDTree  # frontal (x, y) of face vertices, to find texture coordinates of a place
    front_vertices: np.ndarray  # vertex of each point of `front`

    def texture_position(self, points_cm: np.ndarray) -> np.ndarray:
        """Texture coordinates (..., 2) of frontal places x, y (..., 2) in cm on the mean face."""
        _, nearest = self.front.query(points_cm)
        return self.texture_uv[self.front_vertices[nearest]]


def build_head(kit: FaceKit) -> Head:
    """Prepare the face model for rendering, with the shapes of our own."""
    kit = with_own_shapes(kit)
    triangles, kind = _drawn_triangles(kit)
    normals = np.empty_like(kit.neutral)
    outer = np.isin(kind, (raster.SKIN, raster.EYE_L, raster.EYE_R))
    raster.vertex_normals(kit.neutral, triangles[kind == raster.SKIN], normals)
    directions = _sphere(LIGHT_DIRECTIONS)
    reached = _light_reach(kit.neutral, triangles[outer], directions)
    facing = np.maximum(normals @ directions.T, 0.0)
    openness = (reached * facing).sum(1) / np.maximum(facing.sum(1), 1e-6)
    openness[EYE_LEFT] = openness[EYE_RIGHT] = 0.8
    angle = np.degrees(np.arctan2(kit.neutral[:, 0], kit.neutral[:, 2]))
    uv = np.stack(
        [
            0.5 + np.clip(angle / (2 * TEXTURE_HALF_ANGLE_DEG), -0.5, 0.5),
            1.0 - (TEXTURE_TOP_CM - kit.neutral[:, 1]) / TEXTURE_HEIGHT_CM,
        ],
        axis=1,
    ).astype(np.float32)
    front_vertices = np.flatnonzero((kit.neutral[:9409, 2] > 0) & (normals[:9409, 2] > 0.05))
    return Head(
        kit=kit,
        triangles=triangles,
        kind=kind,
        mouth_triangles=np.isin(kind, (raster.MOUTH, raster.GUMS, raster.TEETH)),
        texture_uv=uv,
        eye_centre=np.stack([_sphere_centre(kit.neutral[s]) for s in (EYE_LEFT, EYE_RIGHT)]).astype(np.float32),
        directions=directions,
        reached=reached,
        openness=np.clip(openness, 0.0, 1.0).astype(np.float32),
        front=cKDTree(kit.neutral[front_vertices, :2]),
        front_vertices=front_vertices,
    )


def landmarks_of(vertices: np.ndarray) -> np.ndarray:
    """The 68 Multi-PIE landmarks (..., 68, C) of vertices (..., V, C)."""
    return vertices[..., LANDMARK_VERTICES, :]


def _drawn_triangles(kit: FaceKit) -> tuple[np.ndarray, np.ndarray]:
    """Triangles that are drawn, and their materials; iris, tear film and eye shadow shells are left out."""
    first = kit.faces[:, 0]
    name = np.array(MATERIALS)[kit.face_material]
    kind = np.full(len(kit.faces), -1, np.int16)
    kind[(name == "M_Face") | (name == "M_BackHead")] = raster.SKIN
    kind[(first >= MOUTH_SOCKET.start) & (first < MOUTH_SOCKET.stop)] = raster.MOUTH
    kind[(first >= EYE_SOCKETS.start) & (first < EYE_SOCKETS.stop)] = -1
    kind[name == "M_GumsTongue"] = raster.GUMS
    kind[name == "M_Teeth"] = raster.TEETH
    kind[name == "M_ScleraLeft"] = raster.EYE_L
    kind[name == "M_ScleraRight"] = raster.EYE_R
    kind[name == "M_EyeLashes"] = raster.LASH
    drawn = kind >= 0
    return np.ascontiguousarray(kit.faces[drawn]), kind[drawn].astype(np.uint8)


def _sphere_centre(points: np.ndarray) -> np.ndarray:
    """Centre of the sphere that fits the points best (linear least squares)."""
    system = np.c_[2 * points, np.ones(len(points))].astype(np.float64)
    return np.linalg.lstsq(system, (points.astype(np.float64) ** 2).sum(1), rcond=None)[0][:3]


def _sphere(count: int) -> np.ndarray:
    """Evenly spread unit vectors (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(azimuth) * np.sin(polar), np.cos(polar), np.sin(azimuth) * np.sin(polar)], axis=1).astype(
        np.float32
    )


def _light_reach(vertices: np.ndarray, triangles: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """1 where nothing of the head stands between a vertex and a far light, by a depth picture per direction."""
    size, extent_cm, tolerance_cm = 192, 36.0, 0.35
    reached = np.empty((len(vertices), len(directions)), np.float32)
    centre = np.array([0.0, -2.0, 2.0], np.float32)
    for k, direction in enumerate(directions):
        helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
        right = np.cross(helper, direction)
        right /= np.linalg.norm(right)
        up = np.cross(direction, right)
        local = (vertices - centre) @ np.stack([right, up, direction], axis=1)
        points = np.empty_like(vertices)
        points[:, 0] = (local[:, 0] / extent_cm + 0.5) * (size - 1)
        points[:, 1] = (0.5 - local[:, 1] / extent_cm) * (size - 1)
        points[:, 2] = 100.0 - local[:, 2]
        depth = np.full((size, size), np.inf, np.float32)
        raster.rasterise(
            points,
            triangles,
            np.ones(len(triangles), bool),
            np.zeros(len(triangles), np.float32),
            depth,
            np.full((size, size), -1, np.int32),
            np.zeros((size, size, 2), np.float32),
        )
        column = np.clip(np.round(points[:, 0]).astype(int), 0, size - 1)
        row = np.clip(np.round(points[:, 1]).astype(int), 0, size - 1)
        reached[:, k] = points[:, 2] <= depth[row, column] + tolerance_cm
    return reached


def hair_region(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance in cm inside (> 0) the scalp's hairline, (V,), and texture coordinates for strands, (V, 2).

    The hairline runs over the forehead, before and above the ears and around the neck; ears are bare.
    """
    x, y, z = head.kit.neutral.T
    side = np.abs(x)
    # Height of the hairline by how far to the front a vertex lies: forehead, temple, above the ear, neck.
    line = np.interp(z, [-9.0, -5.0, -1.0, 2.0, 4.0, 7.0, 9.5], [-5.5, -3.5, 4.5, 6.8, 7.2, 8.6, 9.4])
    distance = y - line
    ear = (side > 6.9) & (z > -3.5) & (z < 3.4) & (y < 6.4)
    distance = np.where(ear, np.minimum(distance, -1.0), distance)
    hairy = np.zeros(len(x), bool)
    hairy[:9409] = True
    hairy[HEAD_AND_NECK] = True
    distance = np.where(hairy, distance, -10.0).astype(np.float32)
    # Strands run from the crown down: the angle around the head varies fast, the height slowly.
    around = np.arctan2(x, z) / (2 * np.pi) + 0.5
    return distance, np.stack([around * 4.0, (15.0 - y) / 60.0], axis=1).astype(np.float32)
