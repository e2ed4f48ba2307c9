"""The 1x1 convolution on the shortcut of a residual block, safe to train at any width.

He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016, Sec. 3.3 (option B).
Deviations: none; how narrow layers are computed is ours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# oneDNN (uxlfoundation/oneDNN#6035) computes the weight gradient of a strided 1x1 convolution in blocks of channels.
# In the channels-last layout it writes past its workspace where the input has fewer channels than a block: the
# process crashes, or gradients are wrong without a word. A block has 8 channels with AVX2 and 16 with AVX-512.
LARGEST_BLOCK = 16


class ShortcutConv2d(nn.Conv2d):
    """(B, C_in, H, W) to (B, C_out, H / stride, W / stride), rounded up, without a bias; named as `nn.Conv2d`."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.in_channels < LARGEST_BLOCK and torch.is_grad_enabled():
            # The same pixels, taken first: a convolution of stride 1 has a sound gradient.
            rows, columns = self.stride
            return F.conv2d(x[:, :, ::rows, ::columns], self.weight)
        return super().forward(x)
