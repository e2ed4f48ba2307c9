"""Displacements of pixels: pictures are sampled by them, and two of them are integrated (Sec. 3.1, 3.2).

Deviation, as in the released code: a picture that is sampled gets no gradient, only the displacement does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from actionunits.models.tcae.decoder import Movement


def warp(image: Tensor, displacement: Tensor) -> Tensor:
    """T(I): the picture whose pixel at p is that of `image` at p + T(p), bilinear; (B, 3, H, W).

    displacement: (B, H, W, 2), x and y, -1 to 1 spans the picture; what points outside takes the border's pixel.
    """
    with torch.autocast(image.device.type, enabled=False):
        image = image.detach().to(displacement.dtype)
        still = torch.eye(2, 3, device=image.device, dtype=image.dtype).expand(len(image), 2, 3)
        grid = F.affine_grid(still, list(image.shape), align_corners=False)
        place = (grid + displacement).clamp(-1, 1)
        return F.grid_sample(image, place, mode="bilinear", padding_mode="border", align_corners=False)


def integrate(au: Movement, pose: Movement) -> tuple[Tensor, Tensor]:
    """T = a^A T^A + a^p T^p with a^A + a^p = 1 at every place, and the mask a^A, (B, H, W, 2) and (B, H, W).

    The weights are the softmax of the two mask logits. Sec. 3.2.
    """
    mask = torch.sigmoid(au.mask_logit - pose.mask_logit)
    return torch.lerp(pose.displacement, au.displacement, mask[..., None]), mask


def added(au: Movement, pose: Movement) -> Tensor:
    """T^A + T^p, (B, H, W, 2): what the AU movement does besides the pose movement, which gets no gradient."""
    return au.displacement + pose.displacement.detach()
