"""What every entry of MODELS must do."""

import pytest
from small_models import BY_HEART_LR, MIXES_AUS, SMALL

from actionunits.models import MODELS, find_model
from actionunits.testing import CHECKS, ModelUnderTest


@pytest.mark.parametrize("key", sorted(MODELS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, key):
    check(ModelUnderTest(find_model(key), SMALL[key], BY_HEART_LR.get(key, 3e-3), MIXES_AUS.get(key, ())))
