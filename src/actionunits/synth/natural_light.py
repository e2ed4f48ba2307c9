"""Shading of photographed people and of environments: light from all around, wet eyes, light scattered in the skin.

Scattering blurs the diffuse light on the skin in the picture, red the farthest (after J. Jimenez et al.,
*Screen-Space Perceptual Rendering of Human Skin*, ACM TAP 2009). All kernels are compiled by numba for one core.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import njit

from actionunits.synth.environment import Environment
from actionunits.synth.raster import EYE_L, EYE_R, GUMS, HAIR, MOUTH, PLASTIC, SKIN, TEETH
from actionunits.synth.shading import (
    Light,
    Paint,
    Surfaces,
    half_way,
    lamp_seen,
    mixed,
    normal_and_view,
    paint_eyes,
    paint_plain,
    paint_skin_and_hair,
)

SCATTER_CM = (0.22, 0.09)  # how far red and green travel in the skin; blue stays where it is
BOUNCE = 0.4  # share of the light that skin throws back into its own hollows
LID_SHADOW_CM = 0.45


def shade_naturally(
    triangle_id: np.ndarray,
    barycentric: np.ndarray,
    surfaces: Surfaces,
    paint: Paint,
    light: Light,
    environment: Environment,
    px_per_cm: float,
    out: np.ndarray,
) -> None:
    """Linear RGB of every covered pixel, written to out (S, S, 3); the other pixels keep their value.

    triangle_id, barycentric: from `rasterise`. light: the lamps; its sky and ground are not used. px_per_cm: pixels
    of a cm of the face.
    """
    albedo = np.empty((*triangle_id.shape, 3), np.float32)
    finish = np.empty((*triangle_id.shape, 4), np.float32)
    paint_plain(triangle_id, barycentric, surfaces, paint, albedo, finish)
    paint_skin_and_hair(triangle_id, barycentric, surfaces, paint, albedo, finish)
    if len(paint.eye_disc):
        _paint_eye_discs(triangle_id, barycentric, surfaces, paint, albedo, finish)
    else:
        paint_eyes(triangle_id, barycentric, surfaces, paint, albedo, finish)
    _shade_under_lids(triangle_id, barycentric, surfaces, paint, albedo)
    diffuse = np.zeros((*triangle_id.shape, 3), np.float32)
    shine = np.zeros((*triangle_id.shape, 3), np.float32)
    _illuminate(
        triangle_id,
        barycentric,
        surfaces,
        light,
        environment.harmonics,
        environment.rough,
        environment.mirror,
        albedo,
        finish,
        diffuse,
        shine,
    )
    covered = triangle_id >= 0
    _scatter(diffuse, covered & (surfaces.kind[triangle_id] == SKIN), px_per_cm)
    np.multiply(diffuse, albedo, out=diffuse, where=covered[..., None])
    np.add(diffuse, shine, out=out, where=covered[..., None])


def _scatter(diffuse: np.ndarray, skin: np.ndarray, px_per_cm: float) -> None:
    """Blur the diffuse light (S, S, 3) within the skin (S, S) bool, in place."""
    rows, columns = np.flatnonzero(skin.any(1)), np.flatnonzero(skin.any(0))
    if not len(rows):
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = skin[window].astype(np.float32)
    for channel, reach_cm in enumerate(SCATTER_CM):
        sigma = reach_cm * px_per_cm
        if sigma < 0.4:
            continue
        layer = diffuse[window][..., channel]
        blurred = cv2.GaussianBlur(layer * inside, (0, 0), sigma)
        weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
        np.divide(blurred, weight, out=layer, where=inside > 0)


def brightness(environment: Environment, directions: np.ndarray) -> np.ndarray:
    """Brightness (D,) of the light from unit vectors (D, 3), blurred."""
    out = np.empty(len(directions), np.float32)
    _brightness(environment.rough, directions, out)
    return out


@njit(cache=True, fastmath=True, nogil=True)
def arriving(normals, reached, directions, radiance, out):
    """Share of the light around that arrives at each vertex, written to out (V,).

    normals (V, 3) and directions (3, D) in the same space; reached (V, D), 1 where light from that direction arrives;
    radiance (D,) from that direction. Light that the skin throws back into a hollow is counted.
    """
    for v in range(reached.shape[0]):
        open_light, all_light = np.float32(0), np.float32(1e-9)  # in double precision this takes thrice as long
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        for d in range(reached.shape[1]):
            facing = x * directions[0, d] + y * directions[1, d] + z * directions[2, d]
            amount = max(facing, np.float32(0)) * radiance[d]
            all_light += amount
            open_light += amount * reached[v, d]
        share = open_light / all_light
        out[v] = share / (np.float32(1) - BOUNCE * (np.float32(1) - share))


@njit(cache=True, fastmath=True, nogil=True)
def _paint_eye_discs(triangle_id, barycentric, surfaces, paint, albedo, finish):
    """Eyeballs from a disc that is seen along the gaze, bilinear."""
    points, size = surfaces.model_points, paint.eye_disc.shape[0]
    # The disc's iris is a quarter of its radius wide; this person's may be a little wider.
    scale = 0.25 / math.acos(paint.eye_angles[0])
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0 or (surfaces.kind[f] != EYE_L and surfaces.kind[f] != EYE_R):
                continue
            eye = surfaces.kind[f] - EYE_L
            px, py, pz = mixed(surfaces.triangles, points, f, barycentric[y, x, 0], barycentric[y, x, 1])
            centre = paint.eye_centre
            dx, dy, dz = px - centre[eye, 0], py - centre[eye, 1], pz - centre[eye, 2]
            gx, gy, gz = paint.gaze[eye, 0], paint.gaze[eye, 1], paint.gaze[eye, 2]
            length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
            along = (dx * gx + dy * gy + dz * gz) / length
            # Right of the gaze is level; up completes the frame.
            level = math.sqrt(gx * gx + gz * gz) + 1e-9
            right = (dx * gz - dz * gx) / (level * length)
            up = (-gx * gy * dx + level * level * dy - gy * gz * dz) / (level * length)
            across = math.sqrt(right * right + up * up) + 1e-9
            radius = min(math.atan2(across, along) * scale, 0.98)
            tx = (0.5 + 0.5 * radius * right / across) * (size - 1)
            ty = (0.5 - 0.5 * radius * up / across) * (size - 1)
            x0, y0 = min(int(tx), size - 2), min(int(ty), size - 2)
            fx, fy = tx - x0, ty - y0
            for k in range(3):
                upper = paint.eye_disc[y0, x0, k] * (1 - fx) + paint.eye_disc[y0, x0 + 1, k] * fx
                lower = paint.eye_disc[y0 + 1, x0, k] * (1 - fx) + paint.eye_disc[y0 + 1, x0 + 1, k] * fx
                albedo[y, x, k] = upper * (1 - fy) + lower * fy
            finish[y, x, 1], finish[y, x, 2] = 0.9, 180.0


@njit(cache=True, fastmath=True, nogil=True)
def _shade_under_lids(triangle_id, barycentric, surfaces, paint, albedo):
    """The upper lid and its lashes shade the eyeball below them."""
    points = surfaces.model_points
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0 or (surfaces.kind[f] != EYE_L and surfaces.kind[f] != EYE_R):
                continue
            eye = surfaces.kind[f] - EYE_L
            _, height, _ = mixed(surfaces.triangles, points, f, barycentric[y, x, 0], barycentric[y, x, 1])
            below = min(max((paint.lid_height[eye] - height) / LID_SHADOW_CM, 0.0), 1.0)
            tone = 0.42 + 0.45 * below * (2.0 - below)
            for k in range(3):
                albedo[y, x, k] *= tone


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def _look_up(square, x, y, z, channel):
    """Bilinear value of an octahedral map with a border in the direction (x, y, z)."""
    size = square.shape[0] - 2
    whole = abs(x) + abs(y) + abs(z) + 1e-9
    u, v = x / whole, y / whole
    if z < 0.0:
        u, v = (1.0 - abs(v)) * (1.0 if u >= 0 else -1.0), (1.0 - abs(u)) * (1.0 if v >= 0 else -1.0)
    tx, ty = (0.5 + 0.5 * u) * size + 0.5, (0.5 + 0.5 * v) * size + 0.5
    x0, y0 = int(tx), int(ty)
    fx, fy = tx - x0, ty - y0
    upper = square[y0, x0, channel] * (1 - fx) + square[y0, x0 + 1, channel] * fx
    lower = square[y0 + 1, x0, channel] * (1 - fx) + square[y0 + 1, x0 + 1, channel] * fx
    return upper * (1 - fy) + lower * fy


@njit(cache=True, fastmath=True, nogil=True)
def _brightness(square, directions, out):
    for d in range(directions.shape[0]):
        x, y, z = directions[d, 0], directions[d, 1], directions[d, 2]
        out[d] = 0.3 * _look_up(square, x, y, z, 0) + 0.6 * _look_up(square, x, y, z, 1)


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def _irradiance(harmonics, x, y, z, channel):
    """Diffuse light for the unit normal (x, y, z), as environment.harmonics_of has it."""
    amount = 0.282095 * harmonics[0, channel] + 0.315392 * (3 * z * z - 1) * harmonics[6, channel]
    amount += 0.488603 * (y * harmonics[1, channel] + z * harmonics[2, channel] + x * harmonics[3, channel])
    amount += 1.092548 * (
        x * y * harmonics[4, channel] + y * z * harmonics[5, channel] + x * z * harmonics[7, channel]
    )
    return amount + 0.546274 * (x * x - y * y) * harmonics[8, channel]


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def _reflectance(kind, gloss, tone):
    """How much a surface reflects seen from straight ahead, by material, gloss and albedo."""
    if kind == SKIN:
        # Dark skin shines no less, but exposed like light skin it would look like metal.
        return 0.028 * min(max(6.0 * gloss, 0.4), 1.5) * min(max(tone / 0.16, 0.25), 1.0)
    if kind == EYE_L or kind == EYE_R:
        return 0.03
    if kind == MOUTH or kind == GUMS or kind == TEETH:
        return 0.025
    if kind == PLASTIC:
        return 0.05
    if kind == HAIR:
        return 0.12 * gloss
    return 0.0


@njit(cache=True, fastmath=True, nogil=True)
def _illuminate(triangle_id, barycentric, surfaces, light, harmonics, rough, mirror, albedo, finish, diffuse, shine):
    """Diffuse light by the normal and reflections by the mirrored view, from the environment and the lamps."""
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            f = triangle_id[y, x]
            if f < 0:
                continue
            kind = surfaces.kind[f]
            wa, wb = barycentric[y, x, 0], barycentric[y, x, 1]
            nx, ny, nz, vx, vy, vz = normal_and_view(surfaces, f, wa, wb)
            ambient, exponent, wrap = finish[y, x, 0], finish[y, x, 2], finish[y, x, 3]
            tone = 0.3 * albedo[y, x, 0] + 0.6 * albedo[y, x, 1] + 0.1 * albedo[y, x, 2]
            reflectance = _reflectance(kind, finish[y, x, 1], tone)
            ahead = nx * vx + ny * vy + nz * vz
            for k in range(3):
                diffuse[y, x, k] = max(_irradiance(harmonics, nx, ny, nz, k), 0.0) * ambient
            if reflectance > 0.0:
                eye = kind == EYE_L or kind == EYE_R
                rx, ry, rz = 2 * ahead * nx - vx, 2 * ahead * ny - vy, 2 * ahead * nz - vz
                grazing = (1.0 - min(max(ahead, 0.0), 1.0)) ** 5
                # Rough surfaces shade themselves where the view grazes them.
                share = (reflectance + (0.9 if eye else 6.0 * reflectance) * grazing) * ambient
                for k in range(3):
                    shine[y, x, k] = share * _look_up(mirror if eye else rough, rx, ry, rz, k)
            for n in range(light.direction.shape[0]):
                lx, ly, lz = light.direction[n, 0], light.direction[n, 1], light.direction[n, 2]
                facing = nx * lx + ny * ly + nz * lz
                seen = lamp_seen(surfaces, f, wa, wb, n, ambient)
                glint = 0.0
                if reflectance > 0.0 and facing > 0.0:
                    lobe = half_way(nx, ny, nz, vx, vy, vz, lx, ly, lz) ** exponent
                    glint = reflectance * facing * lobe * (exponent + 8.0) / 8.0
                for k in range(3):
                    # Red wraps further around, since it travels further under the skin.
                    around = (0.5 if k == 0 else 0.2) * wrap
                    lit = max(0.0, (facing + around) / (1.0 + around))
                    diffuse[y, x, k] += seen * light.colour[n, k] * lit
                    shine[y, x, k] += seen * light.colour[n, k] * glint
