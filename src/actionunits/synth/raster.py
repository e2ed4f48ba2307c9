"""Mesh rasteriser: triangles to a z-buffer, and vertex normals.

All kernels are compiled by numba for one core; frames, not pixels, are spread over cores.
Camera space: x right, y up, z to the camera, cm. Image space: pixels, x right, y down; depth is the distance to
the camera. S is the side of the (supersampled) square picture.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# What a triangle is made of; decides its shading.
SKIN, MOUTH, GUMS, TEETH, EYE_L, EYE_R, LASH, PLASTIC, CLOTH, HAIR = range(10)


@njit(cache=True, fastmath=True, nogil=True)
def vertex_normals(vertices: np.ndarray, triangles: np.ndarray, out: np.ndarray) -> None:
    """Area-weighted unit normals of the vertices, written to out (V, 3)."""
    out[:] = 0.0
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        wx = vertices[c, 0] - vertices[a, 0]
        wy = vertices[c, 1] - vertices[a, 1]
        wz = vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-12
        out[v, 0] /= length
        out[v, 1] /= length
        out[v, 2] /= length


@njit(cache=True, fastmath=True, nogil=True)
def rasterise(
    points: np.ndarray,
    triangles: np.ndarray,
    double_sided: np.ndarray,
    bias: np.ndarray,
    depth: np.ndarray,
    triangle_id: np.ndarray,
    barycentric: np.ndarray,
) -> None:
    """Nearest triangle of every pixel.

    points: (V, 3) image x, y in pixels and depth; triangles: (F, 3), counter-clockwise seen from outside;
    double_sided: (F,) bool; bias: (F,) added to the depth, to push a surface behind its neighbour.
    Writes depth (S, S) (start it at infinity), triangle_id (S, S) (start at -1) and barycentric (S, S, 2), the
    weights of the first two corners.
    """
    height, width = depth.shape
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        # Image y points down, so a front-facing triangle has a negative area.
        if area > -1e-9 and (area < 1e-9 or not double_sided[f]):
            continue
        x0 = max(0, math.ceil(min(ax, bx, cx)))
        x1 = min(width - 1, math.floor(max(ax, bx, cx)))
        y0 = max(0, math.ceil(min(ay, by, cy)))
        y1 = min(height - 1, math.floor(max(ay, by, cy)))
        if x0 > x1 or y0 > y1 or points[a, 2] < 1.0 or points[b, 2] < 1.0 or points[c, 2] < 1.0:
            continue
        inverse = 1.0 / area
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        da_dx, db_dx = (by - cy) * inverse, (cy - ay) * inverse
        for y in range(y0, y1 + 1):
            wa = ((bx - x0) * (cy - y) - (by - y) * (cx - x0)) * inverse
            wb = ((cx - x0) * (ay - y) - (cy - y) * (ax - x0)) * inverse
            for x in range(x0, x1 + 1):
                if wa >= 0.0 and wb >= 0.0 and wa + wb <= 1.0:
                    z = wa * za + wb * zb + (1.0 - wa - wb) * zc + bias[f]
                    if z < depth[y, x]:
                        depth[y, x] = z
                        triangle_id[y, x] = f
                        barycentric[y, x, 0] = wa
                        barycentric[y, x, 1] = wb
                wa += da_dx
                wb += db_dx
