"""Things on and around the head that are meshes of their own: glasses, long hair and shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.synth import raster


@dataclass(frozen=True)
class Mesh:
    """A small mesh in head space (cm)."""

    vertices: np.ndarray  # (V, 3) float32
    triangles: np.ndarray  # (F, 3) int32
    kind: int  # material constant of raster.py


def _grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Two triangles for every cell of a rows x columns grid of vertices; `closed` joins last column and first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    right = (c + 1) % columns
    a, b = r * columns + c, r * columns + right
    d, e = (r + 1) * columns + c, (r + 1) * columns + right
    return np.stack([np.stack([a, b, d], -1), np.stack([b, e, d], -1)], axis=2).reshape(-1, 3).astype(np.int32)


def _tube(path: np.ndarray, radius: float, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A thin four-sided tube along a path (n, 3)."""
    ring = radius * np.array([[1, 0, 0], [0, 1, 0.5], [-1, 0, 0], [0, -1, -0.5]], np.float32)
    vertices = (path[:, None] + ring[None]).reshape(-1, 3)
    triangles = _grid_triangles(len(path), 4, closed=True)
    if closed:
        last, first = (len(path) - 1) * 4, 0
        seam = [[last + k, last + (k + 1) % 4, first + k] for k in range(4)]
        seam += [[last + (k + 1) % 4, first + (k + 1) % 4, first + k] for k in range(4)]
        triangles = np.vstack([triangles, np.array(seam, np.int32)])
    return vertices, triangles


def glasses(rng: np.random.Generator, landmarks_cm: np.ndarray) -> tuple[Mesh, np.ndarray]:
    """Spectacle frame for a head with landmarks (68, 3), and the outline of both lenses (2, n, 3)."""
    # Thick rims and rims that lie on the brows are what a lowered brow is mistaken for.
    radius = rng.uniform(0.06, 0.2) if rng.random() < 0.55 else rng.uniform(0.2, 0.36)
    half_width, half_height = rng.uniform(2.1, 2.8), rng.uniform(1.4, 2.5)
    height = rng.uniform(-0.7, 0.2)
    power = rng.uniform(2.0, 5.0)  # 2 is an ellipse, more is squarer
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    parts, lenses = [], []
    for eye, sign in ((slice(42, 48), 1), (slice(36, 42), -1)):
        centre = landmarks_cm[eye].mean(0) + (sign * 0.15, height, 1.6)
        c, s = np.cos(angle), np.sin(angle)
        x = np.sign(c) * np.abs(c) ** (2 / power) * half_width
        y = np.sign(s) * np.abs(s) ** (2 / power) * half_height
        # The frame follows the curve of the face backward to the temples.
        z = -0.09 * np.maximum(sign * x + 1.0, 0.0) ** 2
        rim = centre + np.stack([x, y, z], axis=1)
        lenses.append(rim)
        parts.append(_tube(rim, radius, closed=True))
        hinge = centre + (sign * half_width, 0.5, -0.09 * (half_width + 1.0) ** 2)
        ear = np.array([sign * 8.0, hinge[1] + 0.3, 0.5])
        parts.append(_tube(np.linspace(hinge, ear, 8), radius * 0.8, closed=False))
    bridge = np.stack([lenses[1][0], (lenses[0][14] + lenses[1][0]) / 2 + (0, 0.25, 0.2), lenses[0][14]])
    parts.append(_tube(bridge, radius, closed=False))
    return _joined(parts, raster.PLASTIC), np.stack(lenses).astype(np.float32)


def long_hair(rng: np.random.Generator) -> Mesh:
    """Hair that falls around the head, open at the face."""
    rows, columns = 14, 48
    opening = np.radians(rng.uniform(50, 80))
    length = rng.uniform(8, 22)
    around = np.linspace(opening, 2 * np.pi - opening, columns)
    down = np.linspace(0, 1, rows)
    lobes = 1 + 0.03 * np.sin(around * rng.integers(6, 14) + rng.uniform(0, 6))
    height = 11.5 - 3.0 * down[:, None] - (length + 3.0) * down[:, None] ** 1.3 + 0.0 * around[None]
    swell = np.interp(height, [-14, -6, 2, 7, 10, 12], [8.5, 9.6, 9.6, 8.9, 7.0, 4.0]) * rng.uniform(0.98, 1.1)
    x = swell * np.sin(around)[None] * lobes
    z = swell * np.cos(around)[None] * lobes * 1.05 - 0.5
    vertices = np.stack([x, height, z], axis=-1).reshape(-1, 3).astype(np.float32)
    return Mesh(vertices, _grid_triangles(rows, columns, closed=False), raster.HAIR)


def shoulders(rng: np.random.Generator) -> Mesh:
    """An upper body under the neck."""
    rows, columns = 10, 28
    down = np.linspace(0, 1, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    broad = rng.uniform(18, 24)
    width = 6.0 + (broad - 6.0) * np.sin(np.pi / 2 * np.minimum(1, down * 1.5)) ** 0.8
    depth = 6.0 + 4.0 * np.minimum(1, down * 1.5)
    x, z = width * np.sin(around), depth * np.cos(around) - 2.0
    y = -13.0 - 26.0 * down**1.2 + 0.0 * around
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    return Mesh(vertices, _grid_triangles(rows, columns, closed=True), raster.CLOTH)


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], kind: int) -> Mesh:
    counts = np.cumsum([0] + [len(v) for v, _ in parts])
    return Mesh(
        np.vstack([v for v, _ in parts]).astype(np.float32),
        np.vstack([t + start for (_, t), start in zip(parts, counts, strict=False)]).astype(np.int32),
        kind,
    )
