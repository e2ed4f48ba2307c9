"""Shapes of our own, resting faces, and lids that meet."""

import numpy as np
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.synth.action_units import SHAPES_OF_AU, shape_strengths
from actionunits.synth.facekit import EXPRESSIONS, EYE_LEFT, EYE_RIGHT, GUMS_AND_TONGUE, LANDMARK_VERTICES, TEETH
from actionunits.synth.shapes import PULLS, REST_LIMIT, SHAPES, rest_strengths

LEFT_OF_RIGHT = {17: 26, 19: 24, 21: 22, 36: 45, 37: 44, 31: 35, 48: 54, 50: 52}


def strengths(person, **levels):
    """Shapes (S,) of a person for intensities such as AU4=5."""
    drive = np.zeros((1, len(SYNTH_AUS)), np.float32)
    for name, level in levels.items():
        drive[0, SYNTH_AUS.index(int(name.removeprefix("AU")))] = level
    return shape_strengths(drive, drive, person.amplitude)[0]


def landmarks(person, **levels):
    moved = np.tensordot(strengths(person, **levels), person.head.kit.expression[:, LANDMARK_VERTICES], 1)
    return person.landmarks_cm + moved


def test_every_shape_is_there_once_and_used(casting):
    assert len(casting.head.kit.expression) == len(SHAPES) == len(set(SHAPES))
    used = {shape.removesuffix("_S") for shapes in SHAPES_OF_AU.values() for shape, _ in shapes}
    assert {*PULLS, "noseWrinkle", "lipsThin"} <= used


@pytest.mark.parametrize("name", [*PULLS, "noseWrinkle"])
def test_sides_mirror_each_other_and_eyes_and_teeth_keep_still(casting, name):
    left, right = (casting.head.kit.expression[SHAPES.index(f"{name}_{side}")] for side in "LR")
    mirror = np.array([-1, 1, 1])
    for right_point, left_point in LEFT_OF_RIGHT.items():
        there = right[LANDMARK_VERTICES[right_point]] * mirror
        np.testing.assert_allclose(left[LANDMARK_VERTICES[left_point]], there, atol=0.04)
    for part in (EYE_LEFT, EYE_RIGHT, TEETH, GUMS_AND_TONGUE):
        assert np.abs(left[part]).max() < 0.02
    assert np.abs(left).max() > 0.1


def test_brows_slant_when_their_inner_ends_rise_and_more_so_when_drawn_together(people):
    for person in people:
        rest, raised, both = landmarks(person), landmarks(person, AU1=5), landmarks(person, AU1=5, AU4=5)
        slant = [p[[21, 22], 1].mean() - p[[18, 25], 1].mean() for p in (rest, raised, both)]
        assert slant[1] > slant[0] + 0.3 and slant[2] > slant[0] + 0.2
        gap = [p[22, 0] - p[21, 0] for p in (rest, raised, both)]
        assert gap[2] < gap[0] - 0.5


def test_a_wrinkled_nose_does_not_bare_the_teeth_and_a_raised_lip_leaves_the_corners(people):
    for person in people:
        change = landmarks(person, AU9=5) - landmarks(person)
        assert change[[61, 62, 63], 1].max() < 0.35 * change[[31, 35], 1].min()
        change = landmarks(person, AU10=5) - landmarks(person)
        assert change[[48, 54], 1].max() < 0.6 * change[[50, 52], 1].min()


def test_corners_sink_with_a_dimple_and_go_aside_with_a_stretch(people):
    for person in people:
        dimple, stretch = (landmarks(person, **{au: 5}) - landmarks(person) for au in ("AU14", "AU20"))
        assert dimple[[48, 54], 2].max() < -0.5
        aside = stretch[54, 0] - stretch[48, 0]
        assert aside > 1.0 and np.abs(stretch[[48, 54], 1]).max() < 0.4 * aside


def test_lids_meet_in_every_blink_and_never_pass_far(casting):
    everyone = [casting.sample(np.random.default_rng((7, k))) for k in range(25)]

    def gaps(**levels):
        points = np.array([landmarks(person, **levels) for person in everyone])
        return points[:, [37, 38, 43, 44], 1] - points[:, [41, 40, 47, 46], 1]

    for others in ({}, {"AU6": 5}, {"AU6": 5, "AU7": 5}, {"AU4": 5, "AU9": 5}):
        closed = gaps(AU45=5, **others)
        assert closed.max() < 0.08 and closed.min() > -0.4, others
    assert gaps(AU6=5, AU7=5).mean() > 0.05, "narrowed eyes see"


def test_neutral_faces_differ_in_brows_lids_and_lips():
    rng = np.random.default_rng(0)
    rest = np.array([rest_strengths(rng) for _ in range(500)])
    for name, limit in REST_LIMIT.items():
        left, right = (rest[:, SHAPES.index(f"{name}_{side}")] for side in "LR")
        assert 0.25 * limit < left.std() and max(np.abs(left).max(), np.abs(right).max()) <= np.float32(limit)
        assert np.corrcoef(left, right)[0, 1] > 0.8, "mostly alike on both sides"
    named = [SHAPES.index(f"{name}_{side}") for name in REST_LIMIT for side in "LR"]
    assert not np.delete(rest, named, axis=1).any()
    assert set(REST_LIMIT) <= {name[:-2] for name in EXPRESSIONS if name.endswith("_L")}
