"""Folds: which action draws which, in whom, and that they can be seen at all."""

from dataclasses import replace

import numpy as np
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.synth.folds import (
    ACTION_SHARE,
    DEEPEST,
    FOLD_GROUPS,
    REST_SHARE,
    fold_lines,
    fold_strengths,
    fold_weights,
)
from actionunits.synth.staged import staged_motion

ONES, ZEROS = np.ones(len(FOLD_GROUPS), np.float32), np.zeros(len(FOLD_GROUPS), np.float32)


def acting(*aus):
    au = np.zeros(len(SYNTH_AUS), np.float32)
    au[[SYNTH_AUS.index(k) for k in aus]] = 5
    return au


def deepened(left, right):
    """Names of the folds that these actions draw to half of their depth or more."""
    return {
        name for name, depth in zip(FOLD_GROUPS, fold_weights(ZEROS, ONES, left, right), strict=True) if depth >= 0.5
    }


@pytest.mark.parametrize(
    ("aus", "places"),
    [
        ((1,), {"forehead_middle"}),
        ((2,), {"forehead_middle", "forehead"}),
        ((4,), {"glabella"}),
        ((1, 4), {"forehead_middle", "glabella", "omega"}),
        ((6,), {"crow", "lower_lid"}),
        ((7,), {"lower_lid"}),
        ((9,), {"nose_root", "wing"}),
        ((10,), {"wing", "nasolabial"}),
        ((12,), {"nasolabial", "corner"}),
        ((14,), {"corner"}),
        ((15,), {"mouth_side"}),
        ((17,), {"chin"}),
        ((23,), {"lip_lines"}),
        ((25, 26, 45), set()),
    ],
)
def test_an_action_draws_the_folds_that_facs_names(aus, places):
    drawn = deepened(acting(*aus), acting(*aus))
    assert {name.removesuffix("_left").removesuffix("_right") for name in drawn} == places
    one_sided = deepened(acting(*aus), acting())
    assert not any(name.endswith("_right") for name in one_sided)


def test_folds_never_tell_the_action_by_themselves():
    rng = np.random.default_rng(0)
    people = [fold_strengths(rng, rng.random()) for _ in range(2000)]
    others = [k for k, name in enumerate(FOLD_GROUPS) if name != "none" and not name.startswith("nasolabial")]
    rest, gain = (np.array([person[k][others].max() > 0 for person in people]) for k in (0, 1))
    assert rest.mean() == pytest.approx(REST_SHARE, abs=0.05)
    assert gain.mean() == pytest.approx(ACTION_SHARE, abs=0.05)
    assert abs(np.corrcoef(rest, gain)[0, 1]) < 0.08


def test_folds_get_deeper_with_age_and_never_black():
    depth = [np.mean([fold_strengths(np.random.default_rng(k), age)[1] for k in range(300)]) for age in (0, 0.5, 1)]
    assert depth[0] < depth[1] < depth[2]
    assert fold_weights(2 * ONES, ONES, acting(4), acting(4)).max() == np.float32(DEEPEST)


def test_every_group_has_lines():
    lines = fold_lines(np.random.default_rng(0))
    assert set(lines) == set(FOLD_GROUPS[1:]) and all(lines.values())


def test_furrows_between_the_brows_are_seen_in_a_small_picture(render):
    renderer = render(staged_motion(np.stack([acting(), acting(4)])), 0)
    points = renderer.labels.landmarks_px[1]
    middle = points[21:23].mean(0) + 0.25 * (points[27] - points[21:23].mean(0))
    rows, columns = (slice(round(c) - 3, round(c) + 4) for c in (middle[1], middle[0]))
    with_folds, without = (
        _with_gain(renderer, gain).frame(1)[rows, columns].astype(float).mean(2) for gain in (ONES, ZEROS)
    )
    darker = without - with_folds
    assert darker.mean(0).max() > 8, "dark upright lines"
    assert np.ptp(darker.mean(0)) > 2 * np.ptp(darker.mean(1))


def _with_gain(renderer, gain):
    renderer.person = replace(renderer.person, fold_rest=ZEROS, fold_gain=gain)
    return renderer
