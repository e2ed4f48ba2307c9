import numpy as np
import pytest

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


def inside(x, y, corners):
    """Whether a point lies in a triangle or on its edge, by the signs of three cross products."""
    crosses = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    return all(c >= 0 for c in crosses) or all(c <= 0 for c in crosses)


# Counter-clockwise for the viewer, with y down: down the left side, along the bottom, back up.
CORNERS = [(2.3, 1.2), (4.6, 13.4), (13.1, 7.7)]
TRIANGLE = [(*corner, 50.0) for corner in CORNERS]


def test_a_triangle_covers_the_pixels_whose_centres_lie_in_it():
    triangle_id, _, depth = rasterised(TRIANGLE, [[0, 1, 2]])
    expected = np.array([[inside(x, y, CORNERS) for x in range(16)] for y in range(16)])
    assert 40 < expected.sum() < 80
    np.testing.assert_array_equal(triangle_id == 0, expected)
    np.testing.assert_allclose(depth[expected], 50.0, rtol=1e-6)
    assert np.isinf(depth[~expected]).all() and (triangle_id[~expected] == -1).all()


def test_the_back_of_a_triangle_is_seen_only_if_it_has_two_sides():
    assert (rasterised(TRIANGLE, [[0, 2, 1]])[0] == -1).all()
    front, back = rasterised(TRIANGLE, [[0, 1, 2]]), rasterised(TRIANGLE, [[0, 2, 1]], double_sided=True)
    np.testing.assert_array_equal(front[0], back[0])


def test_the_nearest_triangle_is_seen_whatever_the_order():
    near = [(x, y, 20.0) for x, y in ((1, 1), (1, 12), (9, 6))]
    points = TRIANGLE + near
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        triangle_id, _, depth = rasterised(points, order)
        first = order.index([3, 4, 5])
        covered = rasterised(near, [[0, 1, 2]])[0] == 0
        assert (triangle_id[covered] == first).all() and (depth[covered] == 20.0).all()
        assert (triangle_id == 1 - first).any()


def test_triangles_that_cross_share_the_picture_at_their_line_of_intersection():
    left_near = [(0, 0, 10.0), (0, 15, 10.0), (15, 15, 40.0), (15, 0, 40.0)]
    right_near = [(0, 0, 40.0), (0, 15, 40.0), (15, 15, 10.0), (15, 0, 10.0)]
    quads = [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]
    triangle_id, _, _ = rasterised(left_near + right_near, quads)
    assert (triangle_id[:, :7] < 2).all() and (triangle_id[:, 9:] >= 2).all()


def test_bias_pushes_a_surface_behind_its_neighbour():
    points = TRIANGLE + [(x, y, 50.1) for x, y in CORNERS]
    triangles = [[0, 1, 2], [3, 4, 5]]
    assert set(np.unique(rasterised(points, triangles)[0])) == {-1, 0}
    assert set(np.unique(rasterised(points, triangles, bias=[0.2, 0])[0])) == {-1, 1}


def test_barycentric_weights_give_back_the_place_and_the_depth():
    points = np.array([(2.3, 1.2, 30.0), (4.6, 13.4, 50.0), (13.1, 7.7, 80.0)])
    triangle_id, weights, depth = rasterised(points, [[0, 1, 2]])
    y, x = np.nonzero(triangle_id == 0)
    full = np.c_[weights[y, x], 1 - weights[y, x].sum(1)]
    assert full.min() > -1e-5
    np.testing.assert_allclose(full @ points[:, :2], np.c_[x, y], atol=1e-4)
    np.testing.assert_allclose(full @ points[:, 2], depth[y, x], rtol=1e-5)


def test_neighbouring_triangles_leave_no_gap_between_them():
    rng = np.random.default_rng(0)
    step = np.arange(9) * 4.5 - 1.7
    grid = np.stack(np.meshgrid(step, step), -1).reshape(-1, 2)
    grid += rng.uniform(-1.2, 1.2, grid.shape)
    r, c = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    a = (r * 9 + c).ravel()
    triangles = np.vstack([np.c_[a, a + 9, a + 10], np.c_[a, a + 10, a + 1]])
    triangle_id, _, _ = rasterised(np.c_[grid, np.full(81, 50.0)], triangles, size=32)
    assert (triangle_id >= 0).all()


def test_what_is_outside_the_picture_or_behind_the_camera_is_left_out():
    around = [(-100, -100, 50.0), (-100, 300, 50.0), (300, -100, 50.0)]
    assert (rasterised(around, [[0, 1, 2]])[0] == 0).all()
    outside = [(x + 50, y, 50.0) for x, y in CORNERS]
    assert (rasterised(outside, [[0, 1, 2]])[0] == -1).all()
    behind = [(*CORNERS[0], -3.0), (*CORNERS[1], 50.0), (*CORNERS[2], 50.0)]
    assert (rasterised(behind, [[0, 1, 2]])[0] == -1).all()


def test_a_triangle_without_area_is_left_out():
    line = [(2.0, 2.0, 50.0), (6.0, 6.0, 50.0), (12.0, 12.0, 50.0)]
    assert (rasterised(line, [[0, 1, 2]], double_sided=True)[0] == -1).all()


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


def test_normals_of_a_sphere_point_away_from_its_centre():
    vertices, triangles = sphere()
    normals = np.empty_like(vertices)
    raster.vertex_normals(vertices * 3 + np.float32([1, 2, 3]), triangles, normals)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((normals * vertices).sum(1), 1, atol=2e-3)


def test_normal_of_a_vertex_without_triangles_is_finite():
    normals = np.empty((4, 3), np.float32)
    raster.vertex_normals(np.eye(4, 3, dtype=np.float32), np.array([[0, 1, 2]], np.int32), normals)
    assert np.isfinite(normals).all() and not normals[3].any()


@pytest.fixture
def shade():
    """Shades a unit sphere, 30 cm before the camera; gives linear RGB (64, 64, 3) and where the sphere is."""
    vertices, triangles = sphere(40, 80)
    camera = vertices * 10 + np.float32([0, 0, -60])
    points = np.empty_like(camera)
    points[:, 2] = -camera[:, 2]
    points[:, 0] = 31.5 + camera[:, 0] / points[:, 2] * 150
    points[:, 1] = 31.5 - camera[:, 1] / points[:, 2] * 150
    triangle_id, barycentric, _ = rasterised(points, triangles, size=64)
    normals = np.empty_like(camera)
    raster.vertex_normals(camera, triangles, normals)

    def call(kind, direction, light=1.0, sky=0.0, visible=1.0, wrap=0.0, gaze=(0, 0, 1.0), albedo=0.5, gloss=0.0):
        count, out = len(vertices), np.zeros((64, 64, 3), np.float32)
        colours = np.full((10, 3), albedo, np.float32)
        if kind == raster.EYE_L:
            colours[kind] = (0.02, 0.05, 0.4)
        surfaces = raster.Surfaces(
            triangles=triangles,
            kind=np.full(len(triangles), kind, np.uint8),
            face_uv=np.full((len(triangles), 3, 2), 0.5, np.float32),
            normals=normals,
            camera_points=camera,
            model_points=vertices,
            light_visible=np.full((count, 1), visible, np.float32),
            openness=np.ones(count, np.float32),
            hair_cover=np.zeros(count, np.float32),
            hair_uv=np.zeros((count, 2), np.float32),
        )
        paint = raster.Paint(
            skin=np.full((8, 8, 4), albedo, np.float32),
            fold_profile=np.zeros((8, 8), np.float32),
            fold_group=np.zeros((8, 8), np.uint8),
            fold_weight=np.zeros(1, np.float32),
            strands=np.full((4, 4), 0.5, np.float32),
            colours=colours,
            eye_centre=np.zeros((2, 3), np.float32),
            gaze=np.array([gaze, gaze], np.float32),
            eye_angles=np.float32([np.cos(0.4), np.cos(0.36), np.cos(0.15), 0.7]),
            gloss=gloss,
            exponent=14.0,
            wrap=wrap,
        )
        ambient = np.full(3, sky, np.float32)
        lamp = raster.Light(np.array([direction], np.float32), np.full((1, 3), light, np.float32), ambient, ambient)
        raster.shade(triangle_id, barycentric, surfaces, paint, lamp, out)
        return out, triangle_id >= 0

    return call


def test_matt_skin_follows_the_cosine_law(shade):
    image, covered = shade(raster.SKIN, (0, 0, 1))
    assert image[32, 32] == pytest.approx([0.5] * 3, rel=0.01)
    y, x = np.nonzero(covered)
    # Where the ray of a pixel meets the sphere: |t d - c| = r.
    ray = np.c_[(x - 31.5) / 150, -(y - 31.5) / 150, -np.ones(len(x))]
    a, b, c = (ray**2).sum(1), -2 * ray @ [0, 0, -60], 60**2 - 10**2
    root = b * b - 4 * a * c
    hit = root > 100  # away from the outline
    t = (-b[hit] - np.sqrt(root[hit])) / (2 * a[hit])
    cosine = (t[:, None] * ray[hit] - [0, 0, -60])[:, 2] / 10
    np.testing.assert_allclose(image[y[hit], x[hit], 1], 0.5 * np.clip(cosine, 0, None), atol=0.02)
    assert not image[~covered].any()


def test_light_from_the_left_and_from_above_lights_that_side(shade):
    left, covered = shade(raster.SKIN, (-1, 0, 0))
    above, _ = shade(raster.SKIN, (0, 1, 0))
    assert left[:, :32].sum() > 10 * left[:, 32:].sum()
    assert above[:32].sum() > 10 * above[32:].sum()
    np.testing.assert_allclose(left.sum(), above.sum(), rtol=0.02)
    assert covered.any()


def test_light_that_does_not_arrive_leaves_only_the_sky(shade):
    dark, covered = shade(raster.SKIN, (0, 0, 1), sky=0.3, visible=0.0)
    np.testing.assert_allclose(dark[covered], 0.15, rtol=1e-4)


def test_red_light_wraps_further_around_skin(shade):
    image, _ = shade(raster.SKIN, (1, 0, 0), wrap=0.4)
    shadow = image[32, 28]
    assert shadow[0] > shadow[1] > 0


def test_iris_and_pupil_lie_on_the_gaze_axis(shade):
    for gaze in ((0, 0, 1.0), (0.3, 0.2, np.sqrt(1 - 0.13))):
        image, covered = shade(raster.EYE_L, (0, 0, 1), light=0.0, sky=1.0, gaze=gaze)
        iris = covered & (image[..., 2] > 1.5 * image[..., 0])
        pupil = covered & (image.max(-1) < 0.02)
        for part, radius in ((iris, 0.4), (pupil, 0.15)):
            y, x = np.nonzero(part)
            centre = 10 * np.cos(radius) * np.array(gaze)  # of the circle, from that of the sphere
            expected = centre[:2] * (1, -1) * 150 / (60 - centre[2])
            assert np.hypot(*([x.mean() - 31.5, y.mean() - 31.5] - expected)) < 1
        assert pupil.sum() < 0.5 * iris.sum() and iris.sum() < 0.3 * covered.sum()
        white = covered & ~iris & ~pupil
        assert (image[white][:, 0] > 0.4).mean() > 0.95


def test_gloss_adds_a_highlight_between_light_and_camera(shade):
    matt, _ = shade(raster.SKIN, (0.6, 0, 0.8))
    shiny, _ = shade(raster.SKIN, (0.6, 0, 0.8), gloss=1.0)
    added = (shiny - matt)[..., 1]
    assert added.min() > -1e-6
    y, x = np.unravel_index(added.argmax(), added.shape)
    assert abs(y - 31.5) < 3 and 34 < x < 46
