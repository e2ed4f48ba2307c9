"""Faces of videos: following, crossings, losses, non-faces, several videos in a row."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from actionunits.faces import FaceFinder
from actionunits.types import Face, Frame

RATE = 25
HEIGHT, WIDTH = 360, 640


@pytest.fixture(scope="module")
def anna(astronaut: np.ndarray) -> np.ndarray:
    """A head to paste into scenes."""
    return cv2.resize(astronaut[10:230, 120:330], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def bert(anna: np.ndarray) -> np.ndarray:
    """Another head: the first one mirrored, in other light."""
    return np.clip(anna[:, ::-1] * np.array([0.8, 0.9, 1.1]), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def background() -> np.ndarray:
    from skimage.data import coffee

    return cv2.GaussianBlur(cv2.resize(coffee(), (WIDTH, HEIGHT)), (21, 21), 0)


@pytest.fixture
def finder() -> Iterator[FaceFinder]:
    with FaceFinder(video=True) as instance:
        yield instance


def paste(scene: np.ndarray, head: np.ndarray, x: float, y: float = 90) -> None:
    """Lay the oval middle of a head over the scene, its left top corner at (x, y)."""
    height, width = head.shape[:2]
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 2 - 4, height // 2 - 4), 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (9, 9), 0)[..., None]
    place = np.s_[int(y) : int(y) + height, int(x) : int(x) + width]
    scene[place] = (scene[place] * (1 - mask) + head * mask).astype(np.uint8)


def play(
    finder: FaceFinder, background: np.ndarray, frames: int, draw: Callable[[np.ndarray, int], None]
) -> list[list[Face]]:
    found = []
    for k in range(frames):
        scene = background.copy()
        draw(scene, k)
        found.append(finder(Frame(scene, k, k / RATE, "scene")))
    return found


def middle_x(face: Face) -> float:
    return float(face.landmarks_px[:, 0].mean())


def test_a_moving_face_is_found_in_every_frame(finder, background, anna) -> None:
    found = play(finder, background, 30, lambda scene, k: paste(scene, anna, 20 + 7 * k))
    assert [[f.face_id for f in faces] for faces in found] == [[0]] * 30
    middle = np.array([middle_x(faces[0]) for faces in found])
    np.testing.assert_allclose(np.diff(middle), 7, atol=1.5)


def test_a_stream_that_changes_its_size_shows_the_same_person(finder, background, anna) -> None:
    found = []
    for k in range(12):
        scene = background.copy()
        paste(scene, anna, 100 + 3 * k)
        if k >= 6:
            scene = cv2.resize(scene, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        found.append(finder(Frame(scene, k, k / RATE, "scene")))
    assert [[f.face_id for f in faces] for faces in found] == [[0]] * 12
    assert middle_x(found[6][0]) == pytest.approx((middle_x(found[5][0]) + 3) / 2, abs=1.5)


def test_following_reads_the_same_points_as_searching(finder, background, anna, photo_finder) -> None:
    found = play(finder, background, 10, lambda scene, k: paste(scene, anna, 200 + 2 * k))
    scene = background.copy()
    paste(scene, anna, 218)
    (searched,) = photo_finder(Frame(scene, 0, 0.0, "photo"))
    assert np.hypot(*(found[-1][0].landmarks_px - searched.landmarks_px).T).mean() < 1


def test_two_who_cross_keep_their_numbers(finder, background, anna, bert) -> None:
    def cross(scene: np.ndarray, k: int) -> None:
        paste(scene, bert, 336 - 5.2 * k, 100)
        paste(scene, anna, 124 + 5.2 * k)

    found = play(finder, background, 41, cross)
    assert [f.face_id for f in found[0]] == [f.face_id for f in found[-1]] == [0, 1]
    assert middle_x(found[0][0]) < middle_x(found[0][1])
    assert middle_x(found[-1][0]) > middle_x(found[-1][1])
    assert {f.face_id for faces in found for f in faces} == {0, 1}


def test_two_who_meet_and_turn_back_keep_their_numbers(finder, background, anna, bert) -> None:
    def bounce(scene: np.ndarray, k: int) -> None:
        gap = abs(k - 20) * 5.2
        paste(scene, bert, 250 + gap, 100)
        paste(scene, anna, 230 - gap)

    found = play(finder, background, 41, bounce)
    assert [f.face_id for f in found[-1]] == [0, 1]
    assert middle_x(found[-1][0]) < middle_x(found[-1][1])
    assert {f.face_id for faces in found for f in faces} == {0, 1}


def test_a_face_keeps_its_number_over_a_loss_of_a_second(finder, background, anna) -> None:
    def vanish(scene: np.ndarray, k: int) -> None:
        if not 10 <= k < 35:
            paste(scene, anna, 200 + k)

    found = play(finder, background, 43, vanish)
    assert [len(faces) for faces in found] == [1] * 10 + [0] * 25 + [1] * 8
    assert {f.face_id for faces in found for f in faces} == {0}


def test_a_cut_to_another_person_gives_a_new_number(finder, background, anna, bert) -> None:
    found = play(finder, background, 30, lambda scene, k: paste(scene, anna if k < 15 else bert, 200))
    assert [f.face_id for faces in found[:15] for f in faces] == [0] * 15
    assert {f.face_id for faces in found[15:] for f in faces} == {1}


def test_a_newcomer_is_found_within_half_a_second(finder, background, anna, bert) -> None:
    def come(scene: np.ndarray, k: int) -> None:
        paste(scene, anna, 400)
        if k >= 8:
            paste(scene, bert, 50)

    found = play(finder, background, 23, come)
    first = next(k for k, faces in enumerate(found) if len(faces) == 2)
    assert 8 <= first <= 8 + RATE // 2
    assert [f.face_id for f in found[-1]] == [0, 1]
    assert middle_x(found[-1][0]) > middle_x(found[-1][1])


def test_small_faces_are_found_in_videos(finder, background, anna) -> None:
    small = cv2.resize(anna, None, fx=0.42, fy=0.42, interpolation=cv2.INTER_AREA)  # a face of 27 pixels
    found = play(finder, background, 10, lambda scene, k: paste(scene, small, 500 - 2 * k, 250))
    assert [len(faces) for faces in found] == [1] * 10


def test_a_mesh_that_slid_onto_something_else_is_dropped(finder, background, anna, monkeypatch) -> None:
    # The mesh network goes on reporting a face; the box detector sees none.
    monkeypatch.setattr(finder._detector, "close_up", lambda crop: [] if blind else seen(crop))
    seen, blind = type(finder._detector).close_up.__get__(finder._detector), False
    before = play(finder, background, 10, lambda scene, k: paste(scene, anna, 200))
    blind = True
    confidence = []
    for k in range(10, 40):
        scene = background.copy()
        paste(scene, anna, 200)
        faces = finder(Frame(scene, k, k / RATE, "scene"))
        confidence.append(faces[0].confidence if faces else 0.0)
    assert len(before[-1]) == 1
    assert confidence[-1] == 0.0 and confidence == sorted(confidence, reverse=True)


def test_another_video_starts_again_at_zero(finder, background, anna, bert) -> None:
    play(finder, background, 3, lambda scene, k: paste(scene, anna, 100))
    scene = background.copy()
    paste(scene, bert, 400)
    assert [f.face_id for f in finder(Frame(scene, 0, 0.0, "another"))] == [0]


def test_a_time_that_steps_back_loses_nobody(finder, background, anna) -> None:
    times = [0.0, 0.04, 0.08, 0.06, 0.02, 0.2, 0.24]
    for k, time_s in enumerate(times):
        scene = background.copy()
        paste(scene, anna, 300 + k)
        assert [f.face_id for f in finder(Frame(scene, k, time_s, "scene"))] == [0]


def test_frames_without_times_are_followed_too(finder, background, anna, bert) -> None:
    found = []
    for k in range(45):
        scene = background.copy()
        paste(scene, anna, 300 + k)
        if k >= 5:
            paste(scene, bert, 50)
        found.append([f.face_id for f in finder(Frame(scene, k, 0.0, "scene"))])
    assert found[0] == [0] and found[-1] == [0, 1]


def test_at_most_the_asked_number_of_faces_is_followed(background, anna, bert) -> None:
    def two(scene: np.ndarray, k: int) -> None:
        paste(scene, anna, 400)
        paste(scene, bert[::2, ::2], 50)

    with FaceFinder(video=True, max_faces=1) as finder:
        found = play(finder, background, 30, two)
    assert [[f.face_id for f in faces] for faces in found] == [[0]] * 30
    assert all(middle_x(faces[0]) > WIDTH / 2 for faces in found)


def test_a_real_clip_has_one_person(samples_dir: Path, finder) -> None:
    import av

    poses = []
    with av.open(str(samples_dir / "WolfgangLanger_Pexels.mp4")) as clip:
        for k, picture in enumerate(islice(clip.decode(video=0), 200)):
            faces = finder(Frame(picture.to_ndarray(format="rgb24"), k, picture.time or 0.0, "clip"))
            assert [f.face_id for f in faces] == [0], f"frame {k}"
            poses.append(faces[0].pose_deg)
    step_deg = np.abs(np.diff(poses, axis=0))
    assert np.median(step_deg) < 1 and step_deg.max() < 12
