"""What is before a face is noticed, and nobody is taken for covered because of looks or light."""

import cv2
import numpy as np
import pytest

from actionunits.detection.covered import MOST_COVERED, appearance, covered_logit
from actionunits.detection.detector import Detector
from actionunits.detection.quality import QualityCheck
from actionunits.faces import FaceFinder
from actionunits.faces.align import cut_out, similarity_transform, transform_points
from actionunits.media import open_media
from actionunits.types import Frame


@pytest.fixture(scope="module")
def finder():
    with FaceFinder(video=False, max_faces=1) as opened:
        yield opened


def read(finder, image):
    (face,) = finder(Frame(image, 0, 0.0, "picture"))
    return face


def seen(face, image, size):
    """The face's crop, and its mesh there."""
    matrix = similarity_transform(face.landmarks_px, size)
    return cut_out(image, matrix, size), (transform_points(face.mesh_px, matrix) + 0.5) / size


def logit(finder, image, size=112):
    return covered_logit(*seen(read(finder, image), image, size))


@pytest.fixture(scope="module")
def people(mini_dir, astronaut):
    """One picture of each of some people."""
    pictures = [astronaut]
    for look, clip in (("studio", "S0-0003"), ("studio", "S0-0012"), ("studio", "S0-0020"), ("wild", "W0-0006")):
        with open_media(mini_dir / look / "clips" / f"{clip}_T1.mp4") as media:
            pictures.append(next(media).image_rgb)
    return pictures


def masked(finder, image):
    """With a cloth over nose, mouth and chin."""
    points = read(finder, image).landmarks_px
    image = image.copy()
    cv2.fillPoly(image, [np.concatenate([points[2:15], points[28:29]]).round().astype(np.int32)], (150, 190, 215))
    return image


def test_a_mask_is_noticed_and_a_face_without_is_not(finder, people):
    for image in people:
        assert logit(finder, image) < MOST_COVERED < logit(finder, masked(finder, image))


def test_light_and_colour_are_of_no_account(finder, astronaut):
    cooler = np.clip(astronaut * np.array([0.85, 1.0, 1.15]), 0, 255).astype(np.uint8)
    grey = np.repeat(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    side = np.linspace(0.6, 1.1, astronaut.shape[1])[None, :, None]
    for image in (astronaut // 2, cooler, grey, np.clip(astronaut * side, 0, 255).astype(np.uint8)):
        assert logit(finder, image) < MOST_COVERED < logit(finder, masked(finder, image))


def test_the_size_of_a_picture_is_of_no_account(finder, astronaut):
    larger = cv2.resize(astronaut, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    expected = pytest.approx(logit(finder, astronaut), abs=1.0)
    assert logit(finder, larger) == expected == logit(finder, astronaut, size=146)


def test_a_face_of_one_colour_has_no_differences():
    mesh = np.random.default_rng(0).uniform(0.1, 0.9, (478, 3))
    assert np.abs(appearance(np.full((112, 112, 3), 90, np.uint8), mesh)).max() < 1e-6


def test_the_row_says_so_unless_there_is_no_mesh(finder, astronaut):
    image = masked(finder, astronaut)
    face, check, frame = read(finder, image), QualityCheck(video=False), Frame(image, 0, 0.0, "picture")
    crop, mesh = seen(face, image, 112)
    assert check(frame, face, crop, mesh) == ("covered",)
    assert check(frame, face, crop) == ()


def test_detection_looks(astronaut, finder, tiny_weights):
    pictures = [Frame(image, k, 0.0, "picture") for k, image in enumerate((astronaut, masked(finder, astronaut)))]
    results = Detector(weights=tiny_weights, max_faces=1).stream_frames(pictures, video=False)
    assert [result.faces[0].quality for result in results] == [(), ("covered",)]
