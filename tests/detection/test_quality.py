"""What speaks against a face, one factor at a time."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from staged_faces import StagedFinder

from actionunits.detection.quality import LEAST_SHARPNESS, QualityCheck, eye_distance_px, sharpness
from actionunits.types import Frame

FACE = StagedFinder(video=True)._face(1)
SHARP = np.random.default_rng(0).integers(60, 200, (112, 112, 3), np.uint8)
SMOOTH = np.broadcast_to(np.linspace(60, 200, 112).astype(np.uint8)[:, None, None], (112, 112, 3))


def frame(time_s=0.0):
    return Frame(np.zeros((120, 200, 3), np.uint8), round(time_s * 25), time_s, "clip.mp4")


def scaled(factor):
    return replace(FACE, landmarks_px=FACE.landmarks_px * np.float32(factor))


@pytest.mark.parametrize(
    ("face", "crop", "words"),
    [
        (FACE, SHARP, ()),
        (replace(FACE, pose_deg=np.array([0, -41, 0])), SHARP, ("turned",)),
        (replace(FACE, pose_deg=np.array([31, 0, 0])), SHARP, ("turned",)),
        (replace(FACE, pose_deg=np.full(3, np.nan)), SHARP, ("turned",)),
        (replace(FACE, pose_deg=np.array([29, 39, 90])), SHARP, ()),
        (scaled(0.95 * 12 / eye_distance_px(FACE)), SHARP, ("small",)),
        (scaled(1.05 * 12 / eye_distance_px(FACE)), SHARP, ()),
        (FACE, SMOOTH, ("blurred",)),
        (FACE, SHARP // 20, ("dark",)),
        (replace(FACE, landmarks_px=FACE.landmarks_px - [60, 0]), SHARP, ("cut_off",)),
        (replace(FACE, confidence=0.7), SHARP, ("unsure",)),
        (replace(scaled(0.2), confidence=0.7), SHARP // 20, ("small", "dark", "unsure")),
    ],
)
def test_each_factor_has_its_word(face, crop, words):
    assert QualityCheck(video=False)(frame(), face, crop) == words
    assert replace(face, quality=words).is_usable == (not words)


def test_sharpness_does_not_depend_on_light_and_crop_size():
    grey = SHARP[..., 0].astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), 2)
    assert sharpness(grey * 0.2, 112) == pytest.approx(sharpness(grey, 112), abs=1e-5)
    larger = cv2.resize(soft, (224, 224), interpolation=cv2.INTER_CUBIC)
    assert sharpness(larger, 224) == pytest.approx(sharpness(soft, 112), rel=0.05)
    assert sharpness(np.zeros((8, 8), np.float32), 112) == 0 < LEAST_SHARPNESS


def test_a_new_number_is_told_for_half_a_second_and_never_at_the_start():
    check, other = QualityCheck(video=True), replace(FACE, face_id=7)
    assert check(frame(0.0), FACE, SHARP) == ()
    assert [check(frame(time_s), other, SHARP) for time_s in (0.1, 0.5, 0.6)] == [("new_id",), ("new_id",), ()]
    assert check(frame(0.7), FACE, SHARP) == () and replace(FACE, quality=("new_id",)).is_usable
    photographs = QualityCheck(video=False)
    assert photographs(frame(0), FACE, SHARP) == photographs(frame(0.1), other, SHARP) == ()
