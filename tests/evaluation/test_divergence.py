"""Divergence between people by Eq. (5) of the hybrid network against a literal loop and scipy; hand-made features."""

import math

import numpy as np
import pytest
import torch
from random_crops import random_people
from scipy.spatial.distance import jensenshannon

from actionunits.errors import UserError
from actionunits.evaluation.divergence import (
    GABOR_CELLS,
    gabor,
    gabor_bank,
    hand_made_features,
    js_divergence,
    subject_distribution,
    subject_divergences,
)
from actionunits.models.batch import Batch


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    subject = np.repeat([4, 7, 9], [5, 8, 3])
    return rng.gamma(2.0, size=(16, 6)) + 0.2 * subject[:, None] * rng.random(6), subject


def test_divergence_is_equation_5(features):
    values, subject = features
    found = {}
    for person in (4, 7, 9):
        mean = [sum(row[d] for row, s in zip(values, subject, strict=True) if s == person) for d in range(6)]
        mean = [total / int((subject == person).sum()) for total in mean]
        middle = (sorted(mean)[2] + sorted(mean)[3]) / 2
        squeezed = [1 / (1 + math.exp(-a / middle)) for a in mean]
        found[person] = [s / sum(squeezed) for s in squeezed]
    expected = []
    for p in (4, 7, 9):
        total = 0.0
        for q in (4, 7, 9):
            if q != p:
                m = [(a + b) / 2 for a, b in zip(found[p], found[q], strict=True)]
                total += sum(a * math.log(a / c) for a, c in zip(found[p], m, strict=True)) / 2
                total += sum(b * math.log(b / c) for b, c in zip(found[q], m, strict=True)) / 2
        expected.append(total / math.log(6) * 1e6)
    np.testing.assert_allclose(subject_divergences(values, subject), expected, rtol=1e-10)
    dead = np.zeros((16, 20))
    np.testing.assert_allclose(subject_divergences(np.hstack([dead, values]), subject), expected, rtol=1e-10)


def test_divergence_is_that_of_scipy_and_symmetric():
    p, q = (v / v.sum() for v in np.random.default_rng(1).random((2, 9)) + 0.1)
    assert js_divergence(p, q) == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12) == js_divergence(q, p)
    assert js_divergence(p, p) == 0


def test_people_who_look_alike_diverge_less(features):
    values, subject = features
    same = np.tile(values[:4], (4, 1))
    assert np.allclose(subject_divergences(same, np.repeat(range(4), 4)), 0)
    assert (subject_divergences(values, subject) > 0).all()


def test_one_person_and_dead_features_are_told():
    with pytest.raises(UserError, match="the data holds only one; name data of two or more"):
        subject_divergences(np.ones((4, 3)), np.zeros(4, int))
    with pytest.raises(UserError, match="at least half of the features are 0"):
        subject_distribution(np.array([0.0, 0.0, 0.0, 1.0]))


def test_gabor_answers_to_waves_of_its_frequency_and_direction():
    bank = gabor_bank()
    across = torch.arange(64) * 2 * math.pi / 8  # one wave in 8 pixels, the third frequency
    wave = (0.5 + 0.4 * torch.cos(across)).expand(1, 3, 64, 64)
    answer = gabor(Batch(image=wave.contiguous()), bank).view(5, 8, GABOR_CELLS, GABOR_CELLS).mean((2, 3))
    assert answer.argmax() == 2 * 8 + 0
    turned = gabor(Batch(image=wave.mT.contiguous()), bank).view(5, 8, GABOR_CELLS, GABOR_CELLS).mean((2, 3))
    assert turned.argmax() == 2 * 8 + 4


def test_shape_has_the_points_that_all_frames_have():
    data = random_people(24, points=True)
    data.landmarks[5, 3] = np.nan
    found = hand_made_features(data, 42)
    assert found["shape"].shape == (24, 2 * 67) and set(found) == {"shape", "Gabor", "HOG"}
    assert list(hand_made_features(random_people(24), 42)) == ["Gabor", "HOG"]
