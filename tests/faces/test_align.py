"""Registration: the same crop whatever the pose of the face in the picture."""

import cv2
import numpy as np
import pytest

from actionunits.faces.align import box_transform, register, similarity_transform, transform_points
from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks


def similarity(angle_deg: float, scale: float, shift_px: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(angle_deg)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, shift_px[0]], [sin, cos, shift_px[1]]])


def face_landmarks(size: int = 200, offset: tuple[float, float] = (100.0, 80.0)) -> np.ndarray:
    return template_landmarks() * size + np.array(offset, np.float32)


@pytest.mark.parametrize("angle_deg", [-170, -30, 0, 45])
@pytest.mark.parametrize("scale", [0.3, 1, 4])
def test_transform_undoes_any_similarity(angle_deg: float, scale: float) -> None:
    landmarks = face_landmarks()
    moved = transform_points(landmarks, similarity(angle_deg, scale, (37.0, -12.5)))
    crop_points = transform_points(moved, similarity_transform(moved, 112))
    expected = transform_points(landmarks, similarity_transform(landmarks, 112))
    np.testing.assert_allclose(crop_points, expected, atol=1e-3)


def test_mean_face_lands_on_the_template_at_any_size() -> None:
    for size in (64, 112, 224):
        landmarks = face_landmarks()
        points = transform_points(landmarks, similarity_transform(landmarks, size))
        np.testing.assert_allclose(points, template_landmarks() * size - 0.5, atol=1e-3)


@pytest.mark.parametrize("margin", [0.0, 1 / 14])
def test_a_box_shows_as_much_of_an_upright_face_as_registration_and_does_not_turn_another(margin: float) -> None:
    upright = face_landmarks(130, (11.0, -40.0))
    upright[:17] = np.nan  # a markup without the outline of the face
    np.testing.assert_allclose(
        box_transform(upright, 112, margin), similarity_transform(upright, 112, margin), atol=1e-4
    )
    turned = transform_points(face_landmarks(), similarity(30, 1.0, (0.0, 0.0)))
    matrix = box_transform(turned, 112, margin)
    assert matrix[0, 1] == matrix[1, 0] == 0 and matrix[0, 0] == matrix[1, 1]
    placed, expected = (
        (np.min(p, 0) + np.max(p, 0)) / 2 for p in (transform_points(turned, matrix), template_landmarks())
    )
    np.testing.assert_allclose(placed, ((expected - 0.5) / (1 + 2 * margin) + 0.5) * 112 - 0.5, atol=1e-3)


def test_expression_outside_the_registration_points_moves_nothing() -> None:
    landmarks = face_landmarks()
    changed = landmarks.copy()
    free = sorted(set(range(68)) - set(REGISTRATION_POINTS))
    changed[free] += np.random.default_rng(0).normal(0, 5, (len(free), 2))
    np.testing.assert_array_equal(similarity_transform(changed), similarity_transform(landmarks))


def test_similarity_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(1)
    landmarks = face_landmarks() + rng.normal(0, 4, (68, 2))
    chosen = list(REGISTRATION_POINTS)
    x, y = landmarks[chosen].T.astype(np.float64)
    one, none = np.ones(5), np.zeros(5)
    design = np.vstack([np.column_stack([x, -y, one, none]), np.column_stack([y, x, none, one])])
    target = (template_landmarks()[chosen].astype(np.float64) * 112 - 0.5).T.ravel()
    a, b, tx, ty = np.linalg.lstsq(design, target, rcond=None)[0]
    np.testing.assert_allclose(similarity_transform(landmarks), [[a, -b, tx], [b, a, ty]], atol=1e-6)


@pytest.mark.parametrize(("angle_deg", "scale"), [(25, 1.0), (-60, 1.5), (0, 3.0)])
def test_crop_is_the_same_after_turning_moving_and_scaling_the_picture(
    astronaut: np.ndarray, angle_deg: float, scale: float
) -> None:
    landmarks = transform_points(face_landmarks(140), similarity(0, 1, (55, -20)))
    matrix = similarity(angle_deg, scale, (0, 0))
    matrix[:, 2] = np.array([600, 600]) - matrix[:, :2] @ landmarks.mean(0)
    picture = cv2.warpAffine(astronaut, matrix, (1200, 1200), flags=cv2.INTER_CUBIC)
    before = register(astronaut, landmarks, 96).astype(float)
    after = register(picture, transform_points(landmarks, matrix), 96).astype(float)
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(before[inner] - after[inner]).mean() < 4
    shifted = np.roll(after, 2, axis=1)
    assert np.abs(before[inner] - shifted[inner]).mean() > 6  # the comparison would see two pixels


def test_points_of_the_crop_show_the_pixels_of_the_image() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    landmarks = face_landmarks(180, (90, 110))
    marked = landmarks[57]
    cv2.circle(image, tuple(int(v) for v in marked.round()), 6, (255, 255, 255), -1)
    crop = register(image, landmarks, 112)[..., 0].astype(float)
    rows, columns = np.mgrid[:112, :112]
    centroid = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    expected = transform_points(marked.round(), similarity_transform(landmarks, 112))
    np.testing.assert_allclose(centroid, expected, atol=0.15)


def test_big_picture_shrinks_without_aliasing_and_without_shift() -> None:
    rows, columns = np.mgrid[:1500, :1500]
    grating = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    landmarks = face_landmarks(1300, (100, 100))
    assert register(grating, landmarks, 112)[4:-4, 4:-4].std() < 3
    ramp = np.repeat((columns / 1500 * 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = register(ramp, landmarks, 112)[56, :, 0].astype(float)
    x_px = (np.arange(112) + 0.5) / 112 * 1300 + 100
    np.testing.assert_allclose(crop[10:-10], (x_px / 1500 * 255)[10:-10], atol=1.5)


def test_third_coordinate_scales_with_the_others() -> None:
    points = np.array([[1.0, 2.0, 3.0]])
    moved = transform_points(points, similarity(90, 2, (0, 0)))
    np.testing.assert_allclose(moved, [[-4, 2, 6]], atol=1e-6)
