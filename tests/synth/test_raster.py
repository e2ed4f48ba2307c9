import numpy as np
from meshes import rasterised, sphere

from actionunits.synth import raster


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
