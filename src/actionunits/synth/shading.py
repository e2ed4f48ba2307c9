"""Deferred shading of a rasterised head: what every pixel is made of, then its light from lamps and a plain sky.

All kernels are compiled by numba for one core; coordinates as in raster.py. What environments and scattering add to
this lies in natural_light.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from actionunits.synth.raster import EYE_L, EYE_R, GUMS, HAIR, MOUTH, PLASTIC, SKIN, TEETH


class Surfaces(NamedTuple):
    """Where every vertex is and how it is lit; V vertices, F triangles, K lights."""

    triangles: np.ndarray  # (F, 3) int32
    kind: np.ndarray  # (F,) uint8, one of the constants above
    face_uv: np.ndarray  # (F, 3, 2) texture coordinates
    normals: np.ndarray  # (V, 3) camera space
    camera_points: np.ndarray  # (V, 3) camera space, cm
    model_points: np.ndarray  # (V, 3) head space without pose, cm
    light_visible: np.ndarray  # (V, K) share of each light that reaches the vertex
    openness: np.ndarray  # (V,) share of the ambient light
    hair_cover: np.ndarray  # (V,) 0-1
    hair_uv: np.ndarray  # (V, 2)


class Paint(NamedTuple):
    """Colours of one person in one frame; N texels, M strands, G fold groups."""

    skin: np.ndarray  # (N, N, 4) linear albedo, gloss
    fold_profile: np.ndarray  # (N, N) signed
    fold_group: np.ndarray  # (N, N) index into fold_weight
    fold_weight: np.ndarray  # (G,)
    strands: np.ndarray  # (M, M) 0-1
    colours: np.ndarray  # (10, 3) linear albedo of each kind; for the eyes that of the iris
    eye_centre: np.ndarray  # (2, 3) head space, left eye first
    gaze: np.ndarray  # (2, 3) unit vectors in head space
    eye_angles: np.ndarray  # (4,) cosines of the edge of iris, limbus and pupil; brightness of the sclera
    eye_disc: np.ndarray  # (D, D, 3) linear: a photographed eyeball along its axis; D is 0 for a painted one
    lid_height: np.ndarray  # (2,) head space, cm: edge of the upper lids, left eye first
    gloss: float  # strength of the skin's highlights
    exponent: float  # their sharpness
    wrap: float  # how far light runs under the skin


class Light(NamedTuple):
    """Light that falls on the scene."""

    direction: np.ndarray  # (K, 3) unit vectors toward the light, camera space
    colour: np.ndarray  # (K, 3)
    sky: np.ndarray  # (3,) ambient light from above
    ground: np.ndarray  # (3,) and from below


def shade(
    triangle_id: np.ndarray,
    barycentric: np.ndarray,
    surfaces: Surfaces,
    paint: Paint,
    light: Light,
    out: np.ndarray,
) -> None:
    """Linear RGB of every covered pixel, written to out (S, S, 3); the other pixels keep their value.

    triangle_id, barycentric: from `rasterise`. Deferred: first what every pixel is made of, then its light.
    """
    albedo = np.empty((*triangle_id.shape, 3), np.float32)
    finish = np.empty((*triangle_id.shape, 4), np.float32)  # share of ambient light, gloss, its exponent, wrap
    paint_plain(triangle_id, barycentric, surfaces, paint, albedo, finish)
    paint_skin_and_hair(triangle_id, barycentric, surfaces, paint, albedo, finish)
    paint_eyes(triangle_id, barycentric, surfaces, paint, albedo, finish)
    _illuminate(triangle_id, barycentric, surfaces, light, albedo, finish, out)


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def mixed(triangles, values, f, wa, wb):
    """The first three values (V, 3) of the corners of triangle f at a pixel, where the first two weigh wa and wb."""
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    wc = 1.0 - wa - wb
    return (
        wa * values[a, 0] + wb * values[b, 0] + wc * values[c, 0],
        wa * values[a, 1] + wb * values[b, 1] + wc * values[c, 1],
        wa * values[a, 2] + wb * values[b, 2] + wc * values[c, 2],
    )


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def normal_and_view(surfaces, f, wa, wb):
    """Unit normal of a pixel of triangle f, and the unit vector from there to the camera."""
    kind = surfaces.kind[f]
    nx, ny, nz = mixed(surfaces.triangles, surfaces.normals, f, wa, wb)
    px, py, pz = mixed(surfaces.triangles, surfaces.camera_points, f, wa, wb)
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    if (kind == HAIR or kind == PLASTIC) and nx * px + ny * py + nz * pz > 0.0:
        length = -length  # seen from behind
    away = -(math.sqrt(px * px + py * py + pz * pz) + 1e-9)
    return nx / length, ny / length, nz / length, px / away, py / away, pz / away


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def lamp_seen(surfaces, f, wa, wb, n, ambient):
    """Share of lamp n that arrives at a pixel of triangle f."""
    kind = surfaces.kind[f]
    if kind == MOUTH or kind == GUMS or kind == TEETH:
        return ambient
    a, b, c = surfaces.triangles[f, 0], surfaces.triangles[f, 1], surfaces.triangles[f, 2]
    visible = surfaces.light_visible
    seen = wa * visible[a, n] + wb * visible[b, n] + (1.0 - wa - wb) * visible[c, n]
    return 0.3 + 0.7 * seen if kind == EYE_L or kind == EYE_R else seen


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def half_way(nx, ny, nz, vx, vy, vz, lx, ly, lz):
    """Cosine of the normal and the direction half way between view and lamp (Blinn), at least 0."""
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    return max(0.0, (nx * hx + ny * hy + nz * hz) / (math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9))


@njit(cache=True, fastmath=True, nogil=True)
def paint_plain(triangle_id, barycentric, surfaces, paint, albedo, finish):
    """Everything of one colour, and the share of ambient light of every pixel."""
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0:
                continue
            kind = surfaces.kind[f]
            a, b, c = surfaces.triangles[f, 0], surfaces.triangles[f, 1], surfaces.triangles[f, 2]
            wa, wb = barycentric[y, x, 0], barycentric[y, x, 1]
            wc = 1.0 - wa - wb
            for k in range(3):
                albedo[y, x, k] = paint.colours[kind, k]
            ambient = wa * surfaces.openness[a] + wb * surfaces.openness[b] + wc * surfaces.openness[c]
            gloss = 0.6 if kind == PLASTIC else 0.0
            if kind == MOUTH or kind == GUMS or kind == TEETH:
                # The deeper inside the mouth, the less light; the front teeth stand at z = 10.8.
                points = surfaces.model_points
                depth_cm = 10.8 - (wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2])
                ambient = math.exp(-0.45 * max(depth_cm, 0.0)) * (0.9 if kind == TEETH else 0.6)
                gloss = 0.15
            finish[y, x, 0], finish[y, x, 1], finish[y, x, 2], finish[y, x, 3] = ambient, gloss, 35.0, 0.0


@njit(cache=True, fastmath=True, nogil=True)
def paint_skin_and_hair(triangle_id, barycentric, surfaces, paint, albedo, finish):
    """Hair where it covers the pixel, else skin with its folds, bilinear from the texture."""
    side, size = paint.strands.shape[0], paint.skin.shape[0]
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0 or (surfaces.kind[f] != SKIN and surfaces.kind[f] != HAIR):
                continue
            a, b, c = surfaces.triangles[f, 0], surfaces.triangles[f, 1], surfaces.triangles[f, 2]
            wa, wb = barycentric[y, x, 0], barycentric[y, x, 1]
            wc = 1.0 - wa - wb
            along = wa * surfaces.hair_uv[a, 0] + wb * surfaces.hair_uv[b, 0] + wc * surfaces.hair_uv[c, 0]
            down = wa * surfaces.hair_uv[a, 1] + wb * surfaces.hair_uv[b, 1] + wc * surfaces.hair_uv[c, 1]
            strand = paint.strands[int(down * side) % side, int(along * side) % side]
            cover = wa * surfaces.hair_cover[a] + wb * surfaces.hair_cover[b] + wc * surfaces.hair_cover[c]
            if surfaces.kind[f] == HAIR or cover + 0.6 * (strand - 0.5) > 0.5:
                for k in range(3):
                    albedo[y, x, k] = paint.colours[HAIR, k] * (0.35 + 1.3 * strand)
                finish[y, x, 1], finish[y, x, 2] = 0.25 * strand, 12.0
                continue
            u = wa * surfaces.face_uv[f, 0, 0] + wb * surfaces.face_uv[f, 1, 0] + wc * surfaces.face_uv[f, 2, 0]
            v = wa * surfaces.face_uv[f, 0, 1] + wb * surfaces.face_uv[f, 1, 1] + wc * surfaces.face_uv[f, 2, 1]
            tx = min(max(u * size - 0.5, 0.0), size - 1.001)
            ty = min(max((1.0 - v) * size - 0.5, 0.0), size - 1.001)  # v grows upward
            x0, y0 = int(tx), int(ty)
            fx, fy = tx - x0, ty - y0
            red, green, blue, gloss, fold = 0.0, 0.0, 0.0, 0.0, 0.0
            for corner in range(4):
                row, column = y0 + corner // 2, x0 + corner % 2
                weight = (fx if corner % 2 else 1 - fx) * (fy if corner // 2 else 1 - fy)
                red += weight * paint.skin[row, column, 0]
                green += weight * paint.skin[row, column, 1]
                blue += weight * paint.skin[row, column, 2]
                gloss += weight * paint.skin[row, column, 3]
                fold += weight * paint.fold_profile[row, column] * paint.fold_weight[paint.fold_group[row, column]]
            # Folds keep some red: light that enters the skin there leaves it warm.
            albedo[y, x, 0] = red * max(0.15, 1.0 + 0.75 * fold)
            albedo[y, x, 1] = green * max(0.15, 1.0 + fold)
            albedo[y, x, 2] = blue * max(0.15, 1.0 + fold)
            finish[y, x, 1], finish[y, x, 2], finish[y, x, 3] = paint.gloss * gloss, paint.exponent, paint.wrap


@njit(cache=True, fastmath=True, nogil=True)
def paint_eyes(triangle_id, barycentric, surfaces, paint, albedo, finish):
    """Pupil, iris or sclera, by the angle from the gaze axis."""
    points = surfaces.model_points
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0 or (surfaces.kind[f] != EYE_L and surfaces.kind[f] != EYE_R):
                continue
            eye = surfaces.kind[f] - EYE_L
            px, py, pz = mixed(surfaces.triangles, points, f, barycentric[y, x, 0], barycentric[y, x, 1])
            centre = paint.eye_centre
            dx, dy, dz = px - centre[eye, 0], py - centre[eye, 1], pz - centre[eye, 2]
            cosine = dx * paint.gaze[eye, 0] + dy * paint.gaze[eye, 1] + dz * paint.gaze[eye, 2]
            cosine /= math.sqrt(dx * dx + dy * dy + dz * dz + 1e-9)
            if cosine > paint.eye_angles[2]:
                albedo[y, x, 0] = albedo[y, x, 1] = albedo[y, x, 2] = 0.004
            elif cosine > paint.eye_angles[0]:
                # Radial fibres, by the angle around the axis.
                around = math.atan2(dy - paint.gaze[eye, 1] * 1.5, dx - paint.gaze[eye, 0] * 1.5)
                tone = 0.85 + 0.25 * math.sin(23.0 * around) * math.sin(7.0 * around + 1.0)
                tone *= 0.45 if cosine < paint.eye_angles[1] else 1.0
                for k in range(3):
                    albedo[y, x, k] = paint.colours[EYE_L + eye, k] * tone
            else:
                white = paint.eye_angles[3]
                pink = min(max(1.0 - cosine, 0.0) * 1.2, 0.35)  # veins toward the corners
                albedo[y, x, 0], albedo[y, x, 1] = white, white * (1 - pink * 0.6)
                albedo[y, x, 2] = white * (1 - pink * 0.5)
            # The upper lid shades the top of the eyeball.
            finish[y, x, 0] *= min(1.0, 0.75 + 0.25 * (1.0 - dy / 1.6))
            finish[y, x, 1], finish[y, x, 2] = 0.9, 180.0


@njit(cache=True, fastmath=True, nogil=True)
def _illuminate(triangle_id, barycentric, surfaces, light, albedo, finish, out):
    """Ambient light by the normal's height, wrapped diffuse light, and highlights (Blinn)."""
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0:
                continue
            wa, wb = barycentric[y, x, 0], barycentric[y, x, 1]
            nx, ny, nz, vx, vy, vz = normal_and_view(surfaces, f, wa, wb)
            ambient, gloss, exponent, wrap = finish[y, x, 0], finish[y, x, 1], finish[y, x, 2], finish[y, x, 3]
            up = 0.5 + 0.5 * ny
            for k in range(3):
                out[y, x, k] = albedo[y, x, k] * ambient * (light.sky[k] * up + light.ground[k] * (1 - up))
            for n in range(light.direction.shape[0]):
                lx, ly, lz = light.direction[n, 0], light.direction[n, 1], light.direction[n, 2]
                facing = nx * lx + ny * ly + nz * lz
                seen = lamp_seen(surfaces, f, wa, wb, n, ambient)
                shine = 0.0
                if gloss > 0.0 and facing > 0.0:
                    shine = half_way(nx, ny, nz, vx, vy, vz, lx, ly, lz) ** exponent * gloss
                for k in range(3):
                    # Red wraps further around, since it travels further under the skin.
                    around = wrap if k == 0 else wrap * 0.5
                    lit = max(0.0, (facing + around) / (1.0 + around))
                    out[y, x, k] += seen * light.colour[n, k] * (albedo[y, x, k] * lit + shine)
