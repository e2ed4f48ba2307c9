"""True motion between registered crops: the composition of both registrations and the rendered motion."""

import numpy as np
import pytest

from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS
from actionunits.datasets.crops.synthau import load_crops
from actionunits.datasets.crops.true_flow import crop_flow, true_flows
from actionunits.errors import UserError
from actionunits.faces.align import similarity_transform
from actionunits.faces.mean_face import template_landmarks
from actionunits.synth.dataset import Plan, write_dataset

SIZE = 32
POINTS = template_landmarks().astype(np.float64) * 60 + 20  # a face in a picture of 100 x 100


def turned(points, degrees=12.0, scale=1.3, shift=(5.0, -4.0)):
    turn = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points - 50) @ matrix.T + 50 + shift


def pixels(size):
    y, x = np.mgrid[:size, :size].astype(np.float64)
    return np.stack([x, y], -1)


def test_a_still_face_moves_as_the_registrations_differ():
    flow, known = crop_flow(np.zeros((100, 100, 2)), np.ones((100, 100), bool), POINTS, turned(POINTS), SIZE)
    to_crop, to_anchor = similarity_transform(POINTS, SIZE), similarity_transform(turned(POINTS), SIZE)
    for x, y in ((3, 4), (16, 20), (30, 11)):
        place = np.linalg.solve(to_crop[:, :2], np.array([x, y]) - to_crop[:, 2])
        expected = to_anchor[:, :2] @ place + to_anchor[:, 2] - [x, y]
        np.testing.assert_allclose(flow[y, x], expected, rtol=0, atol=1e-10)
    assert known.all()


def test_motion_of_the_whole_head_is_undone_by_registration():
    whole = turned(pixels(100)) - pixels(100)  # linear between pixels, so exact
    flow, known = crop_flow(whole, np.ones((100, 100), bool), POINTS, turned(POINTS), SIZE)
    np.testing.assert_allclose(flow[known], 0, rtol=0, atol=1e-10)
    assert known.all()


def test_motion_of_the_frame_is_scaled_to_the_crop():
    flow, _ = crop_flow(np.full((100, 100, 2), (3.0, 0.0)), np.ones((100, 100), bool), POINTS, POINTS, SIZE)
    matrix = similarity_transform(POINTS, SIZE)
    np.testing.assert_allclose(flow, np.broadcast_to(3 * matrix[:, 0], flow.shape), rtol=0, atol=1e-10)


def test_crops_with_a_margin_show_the_same_motion_farther_out():
    whole = np.random.default_rng(0).normal(size=(100, 100, 2)).cumsum(0)
    exact = np.ones((100, 100), bool)
    plain, _ = crop_flow(whole, exact, POINTS, turned(POINTS), 28)
    wide, _ = crop_flow(whole, exact, POINTS, turned(POINTS), 32, margin=1 / 14)
    np.testing.assert_allclose(wide[2:-2, 2:-2], plain, rtol=0, atol=1e-9)


def test_a_place_beside_an_unknown_pixel_is_unknown():
    exact = np.ones((100, 100), bool)
    exact[50, 50] = False
    _, known = crop_flow(np.zeros((100, 100, 2)), exact, POINTS, POINTS, SIZE)
    matrix = similarity_transform(POINTS, SIZE)
    places = (pixels(SIZE) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    near = (np.abs(places - 50) < 1).all(-1)
    assert near.any()
    np.testing.assert_array_equal(known, ~near)


def test_what_lies_outside_the_frame_is_unknown():
    _, known = crop_flow(np.zeros((100, 100, 2)), np.ones((100, 100), bool), POINTS - [45, 0], POINTS, SIZE)
    assert not known[:, :4].any() and known[:, 16:].all()


def test_landmarks_of_renders_move_by_the_true_flow(facekit_dir, tmp_path):
    plan = Plan(look="studio", subjects=1, clips=1, frames=12, size=128, fps=4.0, seed=5, rates="balanced", flow=True)
    folder = write_dataset(facekit_dir, tmp_path / "renders", plan, workers=1)
    data, size = load_crops(folder, 64, margin=0.0), 64
    points = data.landmarks * size - 0.5
    moved, error = [], []
    for k, (flow, known) in enumerate(true_flows(folder, size)):
        # Brows, nose and outer lips: points of the skin that the render marks at the same place in every frame.
        for p in [*range(17, 36), *range(48, 60)]:
            column, row = np.round(points[k, p]).astype(int)
            if known[row, column]:
                there = points[k, p] + flow[row, column]
                error.append(np.hypot(*(there - points[0, p])))
                moved.append(np.hypot(*(points[k, p] - points[0, p])))
    assert len(error) > 200 and np.mean(moved) > 0.4
    # The motion is read at the nearest pixel.
    assert np.mean(error) < 0.1 * np.mean(moved) + 0.05


def test_renders_without_flow_are_told(mini_dir):
    with pytest.raises(UserError, match=r"has no flow/.*npz: render it with .actionunits synth --flow"):
        next(true_flows(mini_dir / "studio", SIZE))


def test_columns_are_those_of_the_table(mini_dir):
    from actionunits.datasets.crops.synthau import read_frames

    assert set(LANDMARK_COLUMNS) <= set(read_frames(mini_dir / "studio").columns)
