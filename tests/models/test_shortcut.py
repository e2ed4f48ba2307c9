"""The shortcut's convolution: gradients are sound at every width, with the kernels of every processor."""

import os
import subprocess
import sys

import pytest
import torch
from small_models import AUS, SMALL
from torch import nn

from actionunits.models import MODELS, find_model
from actionunits.models.layers.shortcut import LARGEST_BLOCK, ShortcutConv2d

# In a process of its own: where a gradient is computed wrongly, memory is overwritten, and the process dies or hangs.
COMPARE_LAYOUTS = """
import torch
from actionunits.models.layers.shortcut import ShortcutConv2d

for threads in (1, 2):
    torch.set_num_threads(threads)
    for channels in (*range(1, 18), 31, 32):
        torch.manual_seed(channels)
        layer = ShortcutConv2d(channels, 2 * channels, 2)
        image = torch.randn(16, channels, 28, 28)
        weights = torch.randn(16, 2 * channels, 14, 14)
        gradients = []
        for layout in (torch.contiguous_format, torch.channels_last):
            layer.to(memory_format=layout)
            x = image.clone(memory_format=layout).requires_grad_()
            layer.zero_grad()
            (layer(x) * weights).sum().backward()
            gradients.append((layer.weight.grad.clone(), x.grad))
        for contiguous, channels_last in zip(*gradients, strict=True):
            torch.testing.assert_close(channels_last, contiguous, rtol=1e-4, atol=1e-3)
"""


@pytest.mark.parametrize("instructions", ["AVX2", "ALL"])
def test_gradients_of_both_layouts_agree_at_small_widths(instructions):
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions}
    run = subprocess.run(
        [sys.executable, "-c", COMPARE_LAYOUTS], env=environment, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("channels", [3, LARGEST_BLOCK])
@pytest.mark.parametrize("with_gradients", [True, False])
def test_it_computes_a_strided_convolution(channels, with_gradients):
    layer = ShortcutConv2d(channels, 5, 2)
    plain = nn.Conv2d(channels, 5, 1, 2, bias=False)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, channels, 9, 6)
    with torch.set_grad_enabled(with_gradients):
        torch.testing.assert_close(layer(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", MODELS)
def test_no_model_strides_with_a_plain_pointwise_convolution(key):
    entry = find_model(key)
    for name, module in entry.model(entry.config(**SMALL[key]), AUS).named_modules():
        is_plain = isinstance(module, nn.Conv2d) and not isinstance(module, ShortcutConv2d)
        assert not (is_plain and module.kernel_size == (1, 1) and module.stride != (1, 1)), name
