"""Gaze from drawn irises: the direction with which they were drawn comes back, whatever the pose of the head."""

import numpy as np
import pytest

from actionunits.faces.gaze import CENTRE_MM, RADIUS_MM, gaze_angles, gaze_of
from actionunits.faces.pose import rotation_from_pose

PX_PER_MM = 3.0
POSITION_MM = np.array([0.0, 0.0, 800.0])  # on the camera's axis


def drawn(gaze, pose_deg):
    """A mesh (478, 3) whose irises lie where both eyes look along gaze (3,); all else of it is in one place."""
    mesh = np.zeros((478, 3))
    axes = rotation_from_pose(pose_deg) @ np.diag([1, -1, -1])
    for side, iris, outer, inner in ((-1, 468, 33, 133), (1, 473, 263, 362)):
        for point, x in ((outer, 45.0), (inner, 15.0)):
            mesh[point] = axes @ [side * x, 0, 0]
        middle = (mesh[outer] + mesh[inner]) / 2
        mesh[iris] = middle + axes @ ([side, 1, 1] * np.array(CENTRE_MM)) + RADIUS_MM * np.array(gaze)
    return (mesh * PX_PER_MM + [200, 150, 0]).astype(np.float32)


@pytest.mark.parametrize("pose_deg", [(0, 0, 0), (10, -25, 30), (-15, 20, -5)])
@pytest.mark.parametrize("across", [(0.0, 0.0), (0.3, -0.1), (-0.2, 0.25)])
def test_the_direction_comes_back(pose_deg, across):
    gaze = np.array([*across, -np.sqrt(1 - np.sum(np.square(across)))])
    found = gaze_of(drawn(gaze, pose_deg), np.array(pose_deg), POSITION_MM)
    np.testing.assert_allclose(found, [gaze, gaze], atol=1e-4)
    np.testing.assert_allclose(gaze_angles(found), np.arctan2(across, -gaze[2]), atol=1e-4)


def test_a_direction_has_length_1_however_the_iris_was_found():
    mesh = drawn((0, 0, -1), (0, 0, 0))
    mesh[468, :2] += 500
    found = gaze_of(mesh, np.zeros(3), POSITION_MM)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert found[0, 2] < 0 and found[0, :2].min() > 0.5


def test_without_a_pose_there_is_no_gaze():
    assert np.isnan(gaze_of(drawn((0, 0, -1), (0, 0, 0)), np.full(3, np.nan), POSITION_MM)).all()
