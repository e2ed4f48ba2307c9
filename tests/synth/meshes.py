"""Small meshes, and pictures of them, for tests of the rasteriser and of shading."""

import numpy as np

from actionunits.synth import raster


def rasterised(points, triangles, size=16, double_sided=False, bias=None):
    """triangle_id, barycentric and depth of a small mesh; corners are listed counter-clockwise as the viewer sees."""
    triangles = np.array(triangles, np.int32)
    depth = np.full((size, size), np.inf, np.float32)
    triangle_id = np.full((size, size), -1, np.int32)
    barycentric = np.zeros((size, size, 2), np.float32)
    bias = np.zeros(len(triangles), np.float32) if bias is None else np.array(bias, np.float32)
    raster.rasterise(
        np.array(points, np.float32),
        triangles,
        np.full(len(triangles), double_sided),
        bias,
        depth,
        triangle_id,
        barycentric,
    )
    return triangle_id, barycentric, depth


def sphere(rows=24, columns=48):
    """Vertices and outward triangles of a unit sphere."""
    polar = np.linspace(0, np.pi, rows)[1:-1, None]
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    ring = np.stack(
        [np.sin(polar) * np.cos(around), np.cos(polar) + 0 * around, -np.sin(polar) * np.sin(around)], -1
    ).reshape(-1, 3)
    vertices = np.vstack([ring, [[0, 1, 0], [0, -1, 0]]]).astype(np.float32)
    top, bottom = len(ring), len(ring) + 1
    triangles = []
    for c in range(columns):
        right = (c + 1) % columns
        triangles += [(top, c, right), (bottom, top - columns + right, top - columns + c)]
        for r in range(rows - 3):
            a, b = r * columns + c, r * columns + right
            triangles += [(a, a + columns, b), (b, a + columns, b + columns)]
    return vertices, np.array(triangles, np.int32)
