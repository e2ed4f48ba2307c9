"""The 68 and 49 points, and faces made from landmarks alone."""

import numpy as np
import pytest

from actionunits.errors import UserError
from actionunits.faces import face_from_landmarks
from actionunits.faces.landmarks import MESH_TO_68, POINTS_49, landmarks_from_mesh
from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.mirror import MESH_MIRROR
from actionunits.faces.pose import project_head

SIZE = (480, 640)


def projected(pose_deg: tuple[float, float, float] = (5, 15, -8)) -> np.ndarray:
    return project_head(MEAN_LANDMARKS_MM, np.array(pose_deg), np.array([40.0, -30.0, 900.0]), SIZE)


def mirrored_points() -> np.ndarray:
    """For every one of the 68 points of the mean head the one at its mirrored place."""
    mirrored = MEAN_LANDMARKS_MM * [-1, 1, 1]
    return np.linalg.norm(mirrored[:, None] - MEAN_LANDMARKS_MM, axis=2).argmin(1)


def test_every_point_has_its_own_vertex() -> None:
    assert len(MESH_TO_68) == len(set(MESH_TO_68)) == 68
    mesh = np.arange(478 * 3, dtype=np.float32).reshape(478, 3)
    np.testing.assert_array_equal(landmarks_from_mesh(mesh)[36], mesh[33, :2])


def test_vertices_of_mirrored_points_are_mirrored_vertices() -> None:
    vertices = np.array(MESH_TO_68)
    np.testing.assert_array_equal(MESH_MIRROR[vertices], vertices[mirrored_points()])


def test_49_points_are_the_68_without_jaw_and_inner_mouth_corners() -> None:
    assert len(POINTS_49) == 49
    assert set(range(68)) - set(POINTS_49) == {*range(17), 60, 64}


def test_face_from_68_points_has_box_and_pose_of_the_head() -> None:
    landmarks = projected()
    face = face_from_landmarks(landmarks, SIZE)
    np.testing.assert_allclose(face.pose_deg, [5, 15, -8], atol=0.5)
    np.testing.assert_allclose(face.position_mm, [40, -30, 900], rtol=0.03)
    np.testing.assert_allclose(face.landmarks_px, landmarks, atol=1e-3)
    left, top, right, bottom = face.box_xyxy_px
    np.testing.assert_allclose((left, right), (landmarks[:, 0].min(), landmarks[:, 0].max()), atol=1e-3)
    assert bottom == pytest.approx(landmarks[8, 1], abs=1.0)
    assert top < landmarks[17:27, 1].min() - 5  # up to the hairline, not to the brows


def test_49_points_go_to_their_places_among_the_68() -> None:
    landmarks = projected()
    given = landmarks[list(POINTS_49)]
    face = face_from_landmarks(given, SIZE)
    np.testing.assert_allclose(face.landmarks_px[list(POINTS_49)], given, atol=1e-3)
    # The mean head's own projection: here even the points that were not given come out right.
    np.testing.assert_allclose(face.landmarks_px, landmarks, atol=1.0)
    np.testing.assert_allclose(face.pose_deg, [5, 15, -8], atol=0.5)


def test_without_the_image_size_the_pose_is_known_and_the_position_is_not() -> None:
    face = face_from_landmarks(projected() + 1000)
    np.testing.assert_allclose(face.pose_deg, [5, 15, -8], atol=2)
    assert np.isnan(face.position_mm).all()
    np.testing.assert_allclose(face.landmarks_px, projected() + 1000, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: np.where(np.arange(68)[:, None] == 5, np.nan, p), "1 of 68 landmarks are missing"),
        (lambda p: p[:66], r"shape \(66, 2\)"),
        (lambda p: p / 1000, "less than one pixel"),
    ],
)
def test_unusable_landmarks_are_refused_in_one_line(change, words: str) -> None:
    with pytest.raises(UserError, match=words) as raised:
        face_from_landmarks(change(projected()))
    assert "\n" not in str(raised.value)
