"""Mesh rasteriser: triangles to a z-buffer, vertex normals, and deferred shading of head, eyes, teeth and hair.

All kernels are compiled by numba for one core; frames, not pixels, are spread over cores.
Camera space: x right, y up, z to the camera, cm. Image space: pixels, x right, y down; depth is the distance to
the camera. S is the side of the (supersampled) square picture.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# What a triangle is made of; decides its shading.
SKIN, HEAD, MOUTH, GUMS, TEETH, EYE_L, EYE_R, LASH, PLASTIC, CLOTH, HAIR = range(11)


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


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def _texel(texture, u, v):
    """Corner and weights of a bilinear look-up; v grows upward, as texture coordinates do."""
    size = texture.shape[0]
    x = min(max(u * size - 0.5, 0.0), size - 1.001)
    y = min(max((1.0 - v) * size - 0.5, 0.0), size - 1.001)
    x0, y0 = int(x), int(y)
    return x0, y0, x - x0, y - y0


@njit(cache=True, fastmath=True, nogil=True)
def shade(
    triangle_id: np.ndarray,
    barycentric: np.ndarray,
    triangles: np.ndarray,
    kind: np.ndarray,
    face_uv: np.ndarray,
    normals: np.ndarray,
    camera_points: np.ndarray,
    model_points: np.ndarray,
    light_visible: np.ndarray,
    openness: np.ndarray,
    hair_cover: np.ndarray,
    hair_uv: np.ndarray,
    skin: np.ndarray,
    wrinkle: np.ndarray,
    wrinkle_group: np.ndarray,
    wrinkle_weight: np.ndarray,
    strands: np.ndarray,
    colours: np.ndarray,
    eye_centre: np.ndarray,
    gaze: np.ndarray,
    eye_angles: np.ndarray,
    light_direction: np.ndarray,
    light_colour: np.ndarray,
    sky: np.ndarray,
    ground: np.ndarray,
    surface: np.ndarray,
    out: np.ndarray,
) -> None:
    """Linear RGB of every covered pixel, written to out (S, S, 3); the other pixels keep their value.

    triangle_id, barycentric: from `rasterise`. kind: (F,) one of the constants above. face_uv: (F, 3, 2).
    normals, camera_points: (V, 3), camera space. model_points: (V, 3), head space without pose (for the eyes).
    light_visible: (V, K), share of each of K lights that reaches the vertex; openness: (V,), ambient share.
    hair_cover: (V,) 0-1; hair_uv: (V, 2). skin: (N, N, 4) linear albedo and gloss; wrinkle: (N, N) signed profile;
    wrinkle_group: (N, N) index into wrinkle_weight (G,). strands: (M, M) 0-1. colours: (11, 3) albedo per kind,
    and for the eyes those of the iris. eye_centre, gaze: (2, 3), head space, left eye first. eye_angles:
    (4,) cosines of the iris edge, limbus, pupil; and the brightness of the sclera. light_direction: (K, 3) toward
    the light; light_colour: (K, 3); sky, ground: (3,). surface: (3,) gloss strength, exponent, redness of wrap.
    """
    height, width = triangle_id.shape
    lights = light_direction.shape[0]
    albedo = np.empty(3, np.float32)
    for y in range(height):
        for x in range(width):
            f = triangle_id[y, x]
            if f < 0:
                continue
            wa, wb = barycentric[y, x, 0], barycentric[y, x, 1]
            wc = 1.0 - wa - wb
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            material = kind[f]
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            px = wa * camera_points[a, 0] + wb * camera_points[b, 0] + wc * camera_points[c, 0]
            py = wa * camera_points[a, 1] + wb * camera_points[b, 1] + wc * camera_points[c, 1]
            pz = wa * camera_points[a, 2] + wb * camera_points[b, 2] + wc * camera_points[c, 2]
            ambient = wa * openness[a] + wb * openness[b] + wc * openness[c]
            gloss, exponent, wrap = 0.0, surface[1], 0.0
            albedo[0], albedo[1], albedo[2] = colours[material, 0], colours[material, 1], colours[material, 2]
            hair = False
            if material == SKIN or material == HEAD or material == HAIR:
                hu = wa * hair_uv[a, 0] + wb * hair_uv[b, 0] + wc * hair_uv[c, 0]
                hv = wa * hair_uv[a, 1] + wb * hair_uv[b, 1] + wc * hair_uv[c, 1]
                m = strands.shape[0]
                strand = strands[int(hv * m) % m, int(hu * m) % m]
                cover = wa * hair_cover[a] + wb * hair_cover[b] + wc * hair_cover[c]
                hair = material == HAIR or cover + 0.6 * (strand - 0.5) > 0.5
                if hair:
                    for k in range(3):
                        albedo[k] = colours[HAIR, k] * (0.35 + 1.3 * strand)
                    gloss, exponent = 0.25 * strand, 12.0
                else:
                    wrap = surface[2]
            if material == SKIN and not hair:
                u = wa * face_uv[f, 0, 0] + wb * face_uv[f, 1, 0] + wc * face_uv[f, 2, 0]
                v = wa * face_uv[f, 0, 1] + wb * face_uv[f, 1, 1] + wc * face_uv[f, 2, 1]
                x0, y0, fx, fy = _texel(skin, u, v)
                w00, w10, w01, w11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                fold = (
                    w00 * wrinkle[y0, x0] * wrinkle_weight[wrinkle_group[y0, x0]]
                    + w10 * wrinkle[y0, x0 + 1] * wrinkle_weight[wrinkle_group[y0, x0 + 1]]
                    + w01 * wrinkle[y0 + 1, x0] * wrinkle_weight[wrinkle_group[y0 + 1, x0]]
                    + w11 * wrinkle[y0 + 1, x0 + 1] * wrinkle_weight[wrinkle_group[y0 + 1, x0 + 1]]
                )
                for k in range(3):
                    texel = (
                        w00 * skin[y0, x0, k]
                        + w10 * skin[y0, x0 + 1, k]
                        + w01 * skin[y0 + 1, x0, k]
                        + w11 * skin[y0 + 1, x0 + 1, k]
                    )
                    # Folds keep some red: light that enters the skin there leaves it warm.
                    albedo[k] = texel * max(0.15, 1.0 + fold * (0.75 if k == 0 else 1.0))
                gloss = surface[0] * skin[y0, x0, 3]
            elif material == MOUTH or material == GUMS or material == TEETH:
                # The deeper inside the mouth, the less light; the front teeth stand at z = 10.8.
                depth_cm = 10.8 - (wa * model_points[a, 2] + wb * model_points[b, 2] + wc * model_points[c, 2])
                ambient = math.exp(-0.45 * max(depth_cm, 0.0)) * (0.9 if material == TEETH else 0.6)
                gloss, exponent = 0.15, 40.0
            elif material == EYE_L or material == EYE_R:
                e = material - EYE_L
                dx = wa * model_points[a, 0] + wb * model_points[b, 0] + wc * model_points[c, 0] - eye_centre[e, 0]
                dy = wa * model_points[a, 1] + wb * model_points[b, 1] + wc * model_points[c, 1] - eye_centre[e, 1]
                dz = wa * model_points[a, 2] + wb * model_points[b, 2] + wc * model_points[c, 2] - eye_centre[e, 2]
                cosine = (dx * gaze[e, 0] + dy * gaze[e, 1] + dz * gaze[e, 2]) / math.sqrt(
                    dx * dx + dy * dy + dz * dz + 1e-9
                )
                if cosine > eye_angles[2]:
                    albedo[0], albedo[1], albedo[2] = 0.004, 0.004, 0.004
                elif cosine > eye_angles[0]:
                    # Radial fibres, by the angle around the axis.
                    around = math.atan2(dy - gaze[e, 1] * 1.5, dx - gaze[e, 0] * 1.5)
                    fibre = 0.85 + 0.25 * math.sin(23.0 * around) * math.sin(7.0 * around + 1.0)
                    rim = 0.45 if cosine < eye_angles[1] else 1.0
                    for k in range(3):
                        albedo[k] = colours[material, k] * fibre * rim
                else:
                    white = eye_angles[3]
                    # Veins toward the corners.
                    pink = min(max(1.0 - cosine, 0.0) * 1.2, 0.35)
                    albedo[0], albedo[1], albedo[2] = white, white * (1 - pink * 0.6), white * (1 - pink * 0.5)
                # The upper lid shades the top of the eyeball.
                ambient *= min(1.0, 0.75 + 0.25 * (1.0 - dy / 1.6))
                gloss, exponent = 0.9, 180.0
            elif material == PLASTIC:
                gloss, exponent = 0.6, 30.0
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            view = math.sqrt(px * px + py * py + pz * pz) + 1e-9
            vx, vy, vz = -px / view, -py / view, -pz / view
            if nx * vx + ny * vy + nz * vz < 0.0 and (material == HAIR or material == PLASTIC):
                nx, ny, nz = -nx, -ny, -nz
            up = 0.5 + 0.5 * ny
            red = ambient * (sky[0] * up + ground[0] * (1 - up))
            green = ambient * (sky[1] * up + ground[1] * (1 - up))
            blue = ambient * (sky[2] * up + ground[2] * (1 - up))
            shine_red, shine_green, shine_blue = 0.0, 0.0, 0.0
            inside = material == MOUTH or material == GUMS or material == TEETH
            for k in range(lights):
                lx, ly, lz = light_direction[k, 0], light_direction[k, 1], light_direction[k, 2]
                facing = nx * lx + ny * ly + nz * lz
                seen = wa * light_visible[a, k] + wb * light_visible[b, k] + wc * light_visible[c, k]
                if inside:
                    seen = ambient
                elif material == EYE_L or material == EYE_R:
                    seen = 0.3 + 0.7 * seen
                # Wrapped diffuse light; red wraps further, since it travels further under the skin.
                lit = max(0.0, (facing + wrap * 0.5) / (1.0 + wrap * 0.5))
                lit_red = max(0.0, (facing + wrap) / (1.0 + wrap))
                red += seen * lit_red * light_colour[k, 0]
                green += seen * lit * light_colour[k, 1]
                blue += seen * lit * light_colour[k, 2]
                if gloss > 0.0 and facing > 0.0:
                    hx, hy, hz = lx + vx, ly + vy, lz + vz
                    half = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
                    s = max(0.0, (nx * hx + ny * hy + nz * hz) / half) ** exponent * gloss * seen
                    shine_red += s * light_colour[k, 0]
                    shine_green += s * light_colour[k, 1]
                    shine_blue += s * light_colour[k, 2]
            out[y, x, 0] = albedo[0] * red + shine_red
            out[y, x, 1] = albedo[1] * green + shine_green
            out[y, x, 2] = albedo[2] * blue + shine_blue
