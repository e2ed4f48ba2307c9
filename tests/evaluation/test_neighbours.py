"""What the nearest frames share, against literal loops."""

import numpy as np
import pytest

from actionunits.evaluation.neighbours import nearest, same_au, same_person


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(8), 5)
    return rng.normal(size=(40, 3)), clip, clip // 2


def test_nearest_frames_are_those_of_other_clips(frames):
    features, clip, _ = frames
    found = nearest(features, clip, 4)
    for row in range(40):
        others = sorted(
            (float(((features[row] - features[k]) ** 2).sum()), k) for k in range(40) if clip[k] != clip[row]
        )
        assert found[row].tolist() == [k for _, k in others[:4]]


def test_features_of_people_find_people_and_noise_finds_chance(frames):
    _, clip, subject = frames
    told = np.eye(4)[subject] + np.random.default_rng(1).normal(0, 0.01, (40, 4))
    # The ten nearest hold all five frames of the person's other clip, which are among 35 of other clips.
    np.testing.assert_allclose(same_person(told, clip, subject), [[0.5, 5 / 35]] * 40)
    large = np.repeat(np.arange(60), 10)
    noise = np.random.default_rng(2).normal(size=(600, 3))
    share, chance = same_person(noise, large, large // 6).mean(0)
    assert share == pytest.approx(chance, abs=0.02)


def test_one_clip_each_says_nothing_of_people(frames):
    features, clip, _ = frames
    assert np.isnan(same_person(features, clip, clip)).all()


def test_features_of_an_au_find_the_au_in_known_frames(frames):
    _, clip, _ = frames
    present = np.arange(40) % 2
    valid = np.arange(40) != 7
    features = np.stack([5.0 * present, np.zeros(40)], 1)
    features[7] = (5.0, 0.0)  # unknown: no neighbour, and none is asked of it
    assert same_au(features, clip, present, valid) == (1.0, 0.0)
    assert np.isnan(same_au(features, clip, np.ones(40), valid)).all()
    assert np.isnan(same_au(features, clip, present, np.zeros(40, bool))).all()
