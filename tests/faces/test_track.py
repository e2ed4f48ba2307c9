"""Identity from motion and appearance, on points without pictures."""

import numpy as np

from actionunits.faces.track import FORGET_AFTER_S, Appearance, IdentityTracker, Sighting, appearance_of

RATE = 25


def looks(seed: int) -> Appearance:
    rng = np.random.default_rng(seed)
    brightness = rng.normal(size=144).astype(np.float32)
    brightness -= brightness.mean()
    return Appearance(brightness / np.linalg.norm(brightness), rng.uniform(120, 140, 2).astype(np.float32))


ANNA, BERT = looks(1), looks(2)


def at(x: float, appearance: Appearance = ANNA, size: float = 100.0, y: float = 100.0) -> Sighting:
    return Sighting(np.array([x, y]), size, appearance)


def test_new_faces_of_a_frame_are_numbered_from_left_to_right_after_the_earlier_ones() -> None:
    tracker = IdentityTracker()
    assert tracker.update([at(500, looks(3)), at(100, looks(4)), at(300, looks(5))], 0.0) == [2, 0, 1]
    later = [at(0, looks(6)), at(500, looks(3)), at(100, looks(4)), at(300, looks(5))]
    assert tracker.update(later, 1 / RATE) == [3, 2, 0, 1]


def test_numbers_do_not_depend_on_the_order_of_the_sightings() -> None:
    tracker = IdentityTracker()
    tracker.update([at(100, ANNA), at(400, BERT)], 0.0)
    assert tracker.update([at(402, BERT), at(101, ANNA)], 1 / RATE) == [1, 0]


def test_two_who_cross_keep_their_numbers() -> None:
    tracker = IdentityTracker()
    for k in range(100):
        ids = tracker.update([at(100 + 4 * k, ANNA), at(500 - 4 * k, BERT)], k / RATE)
        assert ids == [0, 1]


def test_alike_faces_are_told_apart_by_their_place() -> None:
    tracker = IdentityTracker()
    for k in range(50):
        assert tracker.update([at(100 + k, ANNA), at(300 - k, ANNA)], k / RATE) == [0, 1]


def test_a_person_keeps_the_number_where_the_picture_changes_its_size() -> None:
    tracker = IdentityTracker()
    for k in range(20):
        tracker.update([at(100 + 2 * k, ANNA), at(400, BERT)], k / RATE)
    tracker.resize(np.array([2.0, 2.0]))
    for k in range(20, 40):
        ids = tracker.update([at(200 + 4 * k, ANNA, 200, 200), at(800, BERT, 200, 200)], k / RATE)
        assert ids == [0, 1]


def test_who_stayed_after_moving_is_not_expected_further_on() -> None:
    for stays in (True, False):
        tracker = IdentityTracker()
        for k in range(10):
            tracker.update([at(100 + 25 * k)], k / RATE)
        for k in range(10, 35):
            if stays:
                tracker.stayed(k / RATE)
        assert tracker.update([at(325)], 35 / RATE) == [0 if stays else 1]


def test_who_was_gone_before_the_others_stayed_is_forgotten_all_the_same() -> None:
    tracker = IdentityTracker()
    tracker.update([at(100, ANNA), at(400, BERT)], 0.0)
    tracker.update([at(100, ANNA)], 1.0)
    tracker.stayed(1.5)
    tracker.stayed(2.5)
    assert tracker.update([at(100, ANNA), at(400, BERT)], 3.0) == [0, 2]


def test_a_restored_tracker_goes_on_as_the_one_whose_state_it_has() -> None:
    rng = np.random.default_rng(5)
    frames = [
        [at(x, looks) for x, looks in ((100 + 9 * k, ANNA), (500 - 8 * k, BERT)) if rng.random() < 0.8]
        for k in range(60)
    ]
    tracker, restored = IdentityTracker(), IdentityTracker()
    for k in range(30):
        tracker.update(frames[k], k / RATE)
    restored.restore(tracker.state())
    for k in range(30, 60):
        assert restored.update(frames[k], k / RATE) == tracker.update(frames[k], k / RATE)
    for name, array in tracker.state().items():
        np.testing.assert_array_equal(restored.state()[name], array, strict=True)


def lose_for(seconds: float, back: Sighting) -> int:
    tracker = IdentityTracker()
    for k in range(25):
        tracker.update([at(100 + k)], k / RATE)
    for k in range(25, 25 + round(seconds * RATE)):
        assert tracker.update([], k / RATE) == []
        assert tracker.lost() == (k / RATE - 24 / RATE <= FORGET_AFTER_S)
    return tracker.update([back], 24 / RATE + seconds)[0]


def test_a_person_who_comes_back_soon_keeps_the_number() -> None:
    assert lose_for(1.0, at(150)) == 0
    assert lose_for(1.9, at(250)) == 0


def test_after_two_seconds_it_is_a_new_person() -> None:
    assert lose_for(FORGET_AFTER_S + 0.2, at(125)) == 1


def test_another_person_in_the_same_place_gets_a_new_number() -> None:
    assert lose_for(1.0, at(125, BERT)) == 1


def test_a_cut_to_another_person_or_another_place_gives_a_new_number() -> None:
    for second in (at(100, BERT), at(400, ANNA), at(100, ANNA, size=250)):
        tracker = IdentityTracker()
        tracker.update([at(100, ANNA)], 0.0)
        assert tracker.update([second], 1 / RATE) == [1]


def test_fast_motion_is_followed_by_prediction() -> None:
    tracker = IdentityTracker()
    for k in range(40):
        # 30 pixels per frame for a face of 100; then missed for 5 frames.
        if 20 <= k < 25:
            assert tracker.update([], k / RATE) == []
        else:
            assert tracker.update([at(30 * k)], k / RATE) == [0]


def test_appearance_is_alike_for_one_face_and_not_for_two(photo_finder, as_frame, astronaut) -> None:
    tinted = np.clip(astronaut[:, ::-1] * np.array([0.8, 0.95, 1.15]), 0, 255).astype(np.uint8)
    darker = (astronaut * 0.8).astype(np.uint8)
    shifted = np.roll(astronaut, (7, -12), (0, 1))

    def appearance(picture: np.ndarray) -> Appearance:
        (face,) = photo_finder(as_frame(np.ascontiguousarray(picture)))
        return appearance_of(picture, face.landmarks_px)

    first = appearance(astronaut)
    assert first.distance(first) < 1e-3
    assert first.distance(appearance(shifted)) < 0.05
    assert first.distance(appearance(darker)) < 0.25
    assert first.distance(appearance(tinted)) > 0.4
