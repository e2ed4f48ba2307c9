"""A resting face by hand: what is taken off, what never is, and who has none."""

from itertools import pairwise

import numpy as np
import pytest

from actionunits.scores.resting import MIN_FRAMES, NEWS, REST_PROB, next_look, resting_face

NEUTRAL = np.array([-4.0, -1.0, -4.0])
USUAL = np.log(REST_PROB / (1 - REST_PROB))


def clip(frames=40, rest=10):
    """Three AUs over a clip that begins at rest: log-odds and intensities."""
    acts = np.arange(frames)[:, None] >= rest
    logit = np.where(acts, [3.0, 3.0, -12.0], [-2.5, 0.0, -4.0])
    return logit, np.where(acts, [3.0, 2.0, 0.0], [0.1, 0.05, 0.0])


def test_what_a_face_reads_at_rest_is_taken_off_and_nothing_else():
    logit, intensity = clip()
    rest = resting_face(logit, intensity + [0, 0, 0.1], NEUTRAL)
    # The third reads less than a resting face may, and much less still while the others act. Its intensity goes with
    # its probability.
    np.testing.assert_allclose(rest.excess_logit, [-2.5 - USUAL, 1.0, 0])
    np.testing.assert_allclose(rest.intensities, [0.1, 0.05, 0.0])


def test_rest_does_not_hang_on_where_or_how_long_it_is():
    logit, intensity = clip(rest=5)
    expected = resting_face(*clip(), NEUTRAL).excess_logit
    for order in (np.arange(40)[::-1], np.random.default_rng(0).permutation(40)):
        np.testing.assert_allclose(resting_face(logit[order], intensity[order], NEUTRAL).excess_logit, expected)


@pytest.mark.parametrize(("frames", "rest"), [(40, 0), (MIN_FRAMES - 1, 10)], ids=["never rests", "too short"])
def test_no_rest_is_no_reference(frames, rest):
    assert resting_face(*clip(frames, rest), NEUTRAL) is None


def test_an_action_unit_that_is_strong_at_rest_is_left():
    many = np.full(20, -4.0)
    logit, intensity = np.tile(many, (40, 1)), np.zeros((40, 20))
    logit[:, 0], intensity[:, 0] = 3.0, 2.0
    logit[:, 1] = 0.0
    rest = resting_face(logit, intensity, many)
    assert rest.excess_logit[0] == rest.intensities[0] == 0 and rest.excess_logit[1] == -USUAL


def alone_and_together(frames=60):
    """Twenty AUs of a face that never rests: the first acts alone in every fifth frame, the others in the rest."""
    alone = np.arange(frames)[:, None] % 5 == 0
    first = np.arange(20) == 0
    acts = np.where(alone, first, ~first)
    return np.where(acts, 0.0, -6.0), np.where(acts, 1.2, 0.0)


def test_an_action_unit_that_acts_in_the_quietest_frames_alone_is_left():
    rest = resting_face(*alone_and_together(), np.full(20, -4.0))
    assert (rest.excess_logit == 0).all() and (rest.intensities == 0).all()
    # What it hardly ever falls below is taken off. A single frame may be misread.
    logit, intensity = alone_and_together()
    logit[:, 0], intensity[:, 0] = np.maximum(logit[:, 0], -2.0), np.maximum(intensity[:, 0], 0.3)
    logit[7, 0], intensity[7, 0] = -9.0, 0.0
    rest = resting_face(logit, intensity, np.full(20, -4.0))
    np.testing.assert_allclose(rest.excess_logit[0], -2.0 - USUAL)
    np.testing.assert_allclose(rest.intensities[0], 0.3)


def test_sides_and_models_without_intensity():
    logit, intensity = clip()
    sides = np.stack([intensity, intensity * 2, intensity * 0], -1)
    rest = resting_face(logit, sides, NEUTRAL)
    np.testing.assert_allclose(rest.intensities, [[0.1, 0.2, 0], [0.05, 0.1, 0], [0, 0, 0]])
    unknown = resting_face(np.where(logit < 3, logit - 2.5, logit), np.full_like(intensity, np.nan), NEUTRAL - 2)
    assert np.isnan(unknown.intensities).tolist() == (unknown.excess_logit > 0).tolist() == [False, True, False]


def test_looks_at_a_face_become_rare_beside_what_was_seen_and_never_end():
    looks = [next_look(0)]
    while looks[-1] < 10_000:
        looks.append(next_look(looks[-1]))
    assert looks[0] == MIN_FRAMES and all(0 < b - a <= max(1, NEWS * a + 0.5) for a, b in pairwise(looks))
    assert len(looks) < 200
