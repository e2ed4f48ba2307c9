"""Head pose: exact signs, known angles, independence of place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.pose import estimate_pose, pose_from_rotation, project_head, rotation_from_pose

SIZE = (480, 640)
MIDDLE_MM = np.array([0.0, 0.0, 900.0])
NOSE_TIP, BRIDGE, TEMPLES = 30, 27, (0, 16)


def landmarks(pose_deg: tuple[float, float, float], position_mm: np.ndarray = MIDDLE_MM) -> np.ndarray:
    return project_head(MEAN_LANDMARKS_MM, np.array(pose_deg, float), position_mm, SIZE)


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (1, 1), (0, 0)])
def test_points_that_fall_together_have_no_pose(direction: tuple[int, int]) -> None:
    along = landmarks((5, 10, 0)) @ np.outer(direction, direction) + 100.0
    pose, position = estimate_pose(along, SIZE)
    assert np.isnan(pose).all() and np.isnan(position).all()
    assert pose.shape == position.shape == (3,) and pose.dtype == position.dtype == np.float32


def test_points_that_are_unknown_have_no_pose() -> None:
    assert np.isnan(estimate_pose(np.full((68, 2), np.nan), SIZE)[0]).all()


@pytest.mark.parametrize("distance_m", [5, 20, 100, 1000])
def test_a_face_of_a_few_pixels_keeps_its_pose(distance_m: int) -> None:
    size = (12240, 16320)
    pose, place = np.array([10.0, -20.0, 5.0]), np.array([100.0, 50.0, 1000.0 * distance_m])
    found, position = estimate_pose(project_head(MEAN_LANDMARKS_MM, pose, place, size), size)
    np.testing.assert_allclose(found, pose, atol=1)
    np.testing.assert_allclose(position, place, rtol=0.02)


def test_signs_are_those_of_the_picture() -> None:
    frontal = landmarks((0, 0, 0))
    nose_from_temples = frontal[NOSE_TIP] - frontal[list(TEMPLES)].mean(0)

    def shift(pose_deg: tuple[float, float, float]) -> np.ndarray:
        moved = landmarks(pose_deg)
        return moved[NOSE_TIP] - moved[list(TEMPLES)].mean(0) - nose_from_temples

    assert shift((15, 0, 0))[1] < -4  # chin up: the nose goes up in the picture
    assert shift((0, 15, 0))[0] > 4  # to the person's own left: the nose goes right
    rolled = landmarks((0, 0, 15))
    assert rolled[BRIDGE][0] > rolled[NOSE_TIP][0] + 2  # clockwise: the top of the head goes right
    assert rolled[36][1] < rolled[45][1]  # and the eye at the right of the picture goes down


@settings(max_examples=40, deadline=None)
@given(st.floats(-30, 30), st.floats(-45, 45), st.floats(-60, 60), st.floats(-150, 150), st.floats(-100, 100))
def test_projections_of_the_mean_head_give_back_the_pose(
    pitch: float, yaw: float, roll: float, x_mm: float, y_mm: float
) -> None:
    position = np.array([x_mm, y_mm, 900.0])
    pose, found = estimate_pose(landmarks((pitch, yaw, roll), position), SIZE)
    np.testing.assert_allclose(pose, [pitch, yaw, roll], atol=0.5)
    np.testing.assert_allclose(found, position, atol=5)


def test_a_face_cut_out_of_a_far_view_and_one_near_the_camera_keep_their_pose() -> None:
    pose = np.array([12.0, 25.0, -10.0])
    far = project_head(MEAN_LANDMARKS_MM, pose, np.array([0.0, 0.0, 3000.0]), (2000, 2000))
    cut = far - far.min(0) + 20
    size = (int(cut.max()) + 20,) * 2
    found, position = estimate_pose(cut, size)
    np.testing.assert_allclose(found, pose, atol=4)
    # The mean head, put where it was found, covers the face in the picture; not to the pixel, since the assumed
    # camera is far nearer than the true one and sees the nose larger.
    again = project_head(MEAN_LANDMARKS_MM, found, position, size)
    width = np.ptp(cut[:, 0])
    np.testing.assert_allclose(again[27:48].mean(0), cut[27:48].mean(0), atol=0.08 * width)
    assert np.ptp(again[36:48, 0]) == pytest.approx(np.ptp(cut[36:48, 0]), rel=0.1)
    found, position = estimate_pose(landmarks((12, 25, -10), np.array([0.0, 0.0, 550.0])), SIZE)
    np.testing.assert_allclose(found, pose, atol=2)
    np.testing.assert_allclose(position, [0, 0, 550], atol=20)


def test_pose_changes_little_with_a_pixel_of_noise() -> None:
    rng = np.random.default_rng(0)
    exact = landmarks((10, -20, 5))
    errors = [estimate_pose(exact + rng.normal(0, 1, exact.shape), SIZE)[0] - [10, -20, 5] for _ in range(50)]
    assert np.abs(errors).mean(0).max() < 2


def test_other_people_with_the_same_pose_get_it_within_a_few_degrees() -> None:
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(40):
        # Wider, longer and flatter heads, and shape differences of a few millimetres.
        head = MEAN_LANDMARKS_MM * rng.normal(1, 0.05, 3) + rng.normal(0, 1.5, MEAN_LANDMARKS_MM.shape)
        pose = rng.uniform([-15, -30, -20], [15, 30, 20])
        errors.append(estimate_pose(project_head(head, pose, MIDDLE_MM, SIZE), SIZE)[0] - pose)
    assert np.abs(errors).mean(0).max() < 3


def test_a_face_that_looks_into_the_camera_has_pose_zero_anywhere_in_the_picture() -> None:
    for position in ([-300.0, 0, 900], [0, 200, 900], [150, -100, 1500], [50, -50, 500]):
        pose, _ = estimate_pose(landmarks((0, 0, 0), np.array(position)), SIZE)
        np.testing.assert_allclose(pose, 0, atol=0.5)


@pytest.mark.parametrize("roll_deg", [-90, -20, 20, 170])
def test_turning_the_points_in_the_image_plane_changes_roll_alone(roll_deg: float) -> None:
    points = landmarks((8, -12, 0))
    centre = (np.array(SIZE[::-1]) - 1) / 2
    angle = np.deg2rad(roll_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pose, _ = estimate_pose((points - centre) @ turn.T + centre, SIZE)
    np.testing.assert_allclose(pose, [8, -12, roll_deg], atol=0.5)


def test_rotation_and_angles_are_inverse() -> None:
    for pose in ([10, -20, 30], [-40, 60, -170], [0, 0, 0]):
        np.testing.assert_allclose(pose_from_rotation(rotation_from_pose(np.array(pose))), pose, atol=1e-4)
