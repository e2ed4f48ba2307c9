"""Faces of photographs: places, pose, small faces, several faces, no face, bad models."""

import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from actionunits.errors import UserError
from actionunits.faces import FaceFinder
from actionunits.faces.find import cached_task_model
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.mirror import MESH_MIRROR
from actionunits.faces.pose import project_head


def turned(image_rgb: np.ndarray, clockwise_deg: float) -> np.ndarray:
    height, width = image_rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -clockwise_deg, 1)
    return cv2.warpAffine(image_rgb, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def head_of(astronaut: np.ndarray, face_width_px: int) -> np.ndarray:
    """The astronaut's head (her face is 92 px wide) at another size."""
    scale = face_width_px / 92
    return cv2.resize(astronaut[20:220, 130:320], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def test_one_frontal_face_with_its_parts_in_place(photo_finder, as_frame, astronaut) -> None:
    (face,) = photo_finder(as_frame(astronaut))
    assert face.face_id == 0
    assert face.confidence > 0.8
    points = face.landmarks_px
    # Read off the photograph by eye.
    np.testing.assert_allclose(points[36:42].mean(0), [204, 101], atol=4)  # eye at the left of the image
    np.testing.assert_allclose(points[42:48].mean(0), [247, 104], atol=4)
    np.testing.assert_allclose(points[30], [224, 127], atol=6)  # tip of the nose
    np.testing.assert_allclose(points[48:68].mean(0), [224, 145], atol=6)  # mouth
    np.testing.assert_allclose(points[8], [222, 178], atol=5)  # chin
    assert face.mesh_px is not None and face.mesh_px.shape == (478, 3)
    left, top, right, bottom = face.box_xyxy_px
    assert (points >= [left, top]).all() and (points <= [right, bottom]).all()
    assert np.abs(face.pose_deg).max() < 8
    assert 400 < face.position_mm[2] < 1200
    assert face.gaze[:, 2].max() < -0.9  # she looks into the camera


def test_the_68_points_fit_the_mean_head(photo_finder, as_frame, astronaut) -> None:
    (face,) = photo_finder(as_frame(astronaut))
    model = project_head(MEAN_LANDMARKS_MM, face.pose_deg, face.position_mm, astronaut.shape[:2])
    width = np.ptp(face.landmarks_px[:17, 0])
    distance = np.hypot(*(face.landmarks_px - model).T) / width
    still = [*range(17), *range(27, 48)]  # she smiles: brows and mouth are elsewhere
    assert distance[still].max() < 0.09
    assert distance[still].mean() < 0.04


def test_mirrored_picture_has_mirrored_points_and_pose(photo_finder, as_frame, astronaut) -> None:
    (face,) = photo_finder(as_frame(astronaut))
    (mirrored,) = photo_finder(as_frame(np.ascontiguousarray(astronaut[:, ::-1])))
    expected = landmarks_from_mesh(face.mesh_px[MESH_MIRROR]) * [-1, 1] + [astronaut.shape[1] - 1, 0]
    assert np.hypot(*(mirrored.landmarks_px - expected).T).mean() < 1.5
    np.testing.assert_allclose(mirrored.pose_deg, face.pose_deg * [1, -1, -1], atol=2)


@pytest.mark.parametrize("clockwise_deg", [-40, 20, 90, 180])
def test_turning_the_picture_turns_roll(photo_finder, as_frame, astronaut, clockwise_deg) -> None:
    (face,) = photo_finder(as_frame(astronaut))
    (other,) = photo_finder(as_frame(turned(astronaut, clockwise_deg)))
    change = (other.pose_deg - face.pose_deg + 180) % 360 - 180
    assert abs((change[2] - clockwise_deg + 180) % 360 - 180) < 5
    assert np.abs(change[:2]).max() < 6


def test_small_faces_are_found_and_numbered_from_left_to_right(photo_finder, as_frame, astronaut) -> None:
    from skimage.data import coffee

    picture = cv2.resize(coffee(), (1280, 720))
    places = [(600, 420), (60, 30), (1100, 500), (350, 300)]
    sizes = [40, 40, 24, 60]
    for (x, y), size in zip(places, sizes, strict=True):
        head = head_of(astronaut, size)
        picture[y : y + head.shape[0], x : x + head.shape[1]] = head
    faces = photo_finder(as_frame(picture))
    assert [f.face_id for f in faces] == [0, 1, 2, 3]
    order = np.argsort([x for x, _ in places])
    for face, k in zip(faces, order, strict=True):
        scale = sizes[k] / 92
        # Middle of the eye line in the cut-out head.
        expected = np.array(places[k]) + (np.array([225.5, 102.5]) - [130, 20]) * scale
        np.testing.assert_allclose(face.landmarks_px[36:48].mean(0), expected, atol=0.06 * sizes[k])


def test_only_the_largest_faces_are_kept_on_request(as_frame, astronaut) -> None:
    picture = np.full((400, 900, 3), 90, np.uint8)
    for x, size in ((20, 40), (300, 92), (650, 70)):
        head = head_of(astronaut, size)
        picture[50 : 50 + head.shape[0], x : x + head.shape[1]] = head
    with FaceFinder(video=False, max_faces=2) as finder:
        faces = finder(as_frame(picture))
    assert [300 < f.landmarks_px[30, 0] < 500 for f in faces] == [True, False]
    assert faces[1].landmarks_px[30, 0] > 650


def test_a_face_that_fills_the_picture_is_found(photo_finder, as_frame, astronaut) -> None:
    assert len(photo_finder(as_frame(astronaut[55:190, 160:290]))) == 1


def test_pictures_without_a_face_have_none(photo_finder, as_frame) -> None:
    from skimage import data

    for picture in (data.coffee(), data.chelsea(), data.rocket(), np.zeros((50, 300, 3), np.uint8)):
        assert photo_finder(as_frame(picture)) == []


def test_an_upright_mesh_is_not_laid_over_an_upside_down_face(photo_finder, as_frame, astronaut) -> None:
    (face,) = photo_finder(as_frame(np.ascontiguousarray(astronaut[::-1])))
    assert face.landmarks_px[8, 1] < face.landmarks_px[27, 1]  # the chin is above the nose


def test_grey_pictures_and_small_and_odd_sizes_work(photo_finder, as_frame, astronaut) -> None:
    grey = np.repeat(astronaut.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    (face,) = photo_finder(as_frame(grey))
    (colour,) = photo_finder(as_frame(astronaut))
    assert np.hypot(*(face.landmarks_px - colour.landmarks_px).T).mean() < 2
    assert len(photo_finder(as_frame(astronaut[:201, 120:321]))) == 1
    assert photo_finder(as_frame(np.zeros((1, 1, 3), np.uint8))) == []


def test_nothing_is_written_to_stderr(as_frame, astronaut, capfd) -> None:
    with FaceFinder(video=True) as finder:
        finder(as_frame(astronaut))
    assert capfd.readouterr().err == ""


def test_native_errors_still_reach_stderr(capfd) -> None:
    import os

    from actionunits.faces.quiet import quiet_native_start

    with quiet_native_start():
        os.write(2, b"W0000 00:00:1.1 5 feedback_manager.cc:114] noise\nE0000 broken\nplain words\n")
    assert capfd.readouterr().err == "E0000 broken\nplain words\n"


@pytest.mark.parametrize("content", [None, b"", b"no zip file", b"PK\x03\x04 half a zip"])
def test_a_missing_or_wrong_model_is_one_clear_line(tmp_path: Path, content: bytes | None, capfd) -> None:
    path = tmp_path / "face_landmarker.task"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)) as raised:
        FaceFinder(video=False, model=path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("options", [{"max_faces": 0}, {"min_confidence": 0.0}, {"min_confidence": 1.5}])
def test_impossible_options_are_refused(options: dict) -> None:
    with pytest.raises(UserError):
        FaceFinder(video=False, **options)


def test_cached_model_is_looked_for_in_the_named_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ACTIONUNITS_CACHE", str(tmp_path))
    assert cached_task_model() is None
    model = tmp_path / "face_landmarker.task"
    model.touch()
    assert cached_task_model() == model
    monkeypatch.setenv("ACTIONUNITS_CACHE", str(tmp_path / "elsewhere"))
    assert cached_task_model() is None


def test_both_networks_agree(photo_finder, as_frame, astronaut, models_dir: Path) -> None:
    with FaceFinder(video=False, model=models_dir / "face_landmarker.task") as finder:
        (face,) = finder(as_frame(astronaut))
    (bundled,) = photo_finder(as_frame(astronaut))
    distance = np.hypot(*(face.landmarks_px - bundled.landmarks_px).T)
    assert distance.mean() < 2 and distance.max() < 6
    assert face.mesh_px is not None and bundled.mesh_px is not None
    assert np.corrcoef(face.mesh_px[:, 2], bundled.mesh_px[:, 2])[0, 1] > 0.9
    np.testing.assert_allclose(face.pose_deg, bundled.pose_deg, atol=4)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "face_landmarker.task"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("face_landmarks_detector.tflite", b"network")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"actionunits\[landmarker\]"):
        FaceFinder(video=False, model=path)
