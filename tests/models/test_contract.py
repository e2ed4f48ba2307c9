"""What every entry of MODELS must do."""

import pytest
from small_models import BY_HEART_LR, MIXES_AUS, SMALL

from actionunits.models import MODELS, find_model
from actionunits.testing import CHECKS, ModelUnderTest, check_learning_by_heart

LEARN_SLOWLY = ("eacnet", "ofnet")  # by heart, in ten seconds each
CASES = [
    pytest.param(check, key, marks=[pytest.mark.slow] * (check is check_learning_by_heart and key in LEARN_SLOWLY))
    for check in CHECKS
    for key in sorted(MODELS)
]


@pytest.mark.parametrize(("check", "key"), CASES)
def test_contract(check, key):
    check(ModelUnderTest(find_model(key), SMALL[key], BY_HEART_LR.get(key, 3e-3), MIXES_AUS.get(key, ())))
