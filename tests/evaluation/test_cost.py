"""The estimate of GPU time."""

import pytest
from random_crops import random_crops
from small_models import SMALL

from actionunits.evaluation.cost import training_hours
from actionunits.training.settings import make_settings


def test_hours_go_with_frames_and_epochs():
    few, many = random_crops(20, "A", 0), random_crops(60, "B", 1)
    values = SMALL["drml"] | {"epochs": 2, "balance": "none"}
    one, three = training_hours("drml", make_settings("drml", values), [few, many])
    assert 0 < one == pytest.approx(three / 3)
    (twice,) = training_hours("drml", make_settings("drml", values | {"epochs": 4}), [few])
    assert twice == pytest.approx(2 * one)
