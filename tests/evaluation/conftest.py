"""What tests of protocols share."""

import pytest
import torch

from actionunits.training.hardware import Hardware, make_fabric


@pytest.fixture(scope="module")
def fabric():
    torch.set_num_threads(1)
    return make_fabric(Hardware(precision="32", accelerator="cpu"))
