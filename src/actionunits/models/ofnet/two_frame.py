"""Flow computed from an image and its anchor by OpenCV: what learned flow is compared with (Sec. IV-D).

Deviations: in place of the paper's Pyflow, DIS (Kroeger, Timofte, Dai & Van Gool, "Fast optical flow using dense
inverse search", ECCV 2016) and TV-L1 (Zach, Pock & Bischof, "A duality based approach for realtime TV-L1 optical
flow", DAGM 2007).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actionunits.errors import UserError


def two_frame_flow(method: str, image: Tensor, anchor: Tensor) -> Tensor:
    """Motion from each image to its anchor, (B, 2, H, W) float32 in pixels, right and down.

    method: "dis" or "tvl1"; image, anchor: (B, 3, H, W) RGB 0-1. Raises UserError where OpenCV has no TV-L1.
    """
    computer = _flow_computer(method)
    pairs = zip(_grey(image), _grey(anchor), strict=True)
    flows = np.stack([computer.calc(here, there, None) for here, there in pairs])
    return torch.from_numpy(flows).permute(0, 3, 1, 2).contiguous().to(image.device)


def has_tvl1() -> bool:
    """Whether the installed OpenCV has the TV-L1 flow, which contrib builds bring."""
    return hasattr(import_module("cv2"), "optflow")


def _flow_computer(method: str) -> Any:
    cv2: Any = import_module("cv2")  # its type hints lack both classes
    if method == "dis":
        dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setFinestScale(0)  # the preset stops at half of a crop's few pixels
        return dis
    if not has_tvl1():
        raise UserError(
            "this OpenCV has no TV-L1 flow; use variant=dis, or put opencv-contrib-python-headless in the place of "
            "opencv-python-headless: pip uninstall this one, then install that one"
        )
    return cv2.optflow.DualTVL1OpticalFlow_create()


def _grey(image: Tensor) -> np.ndarray:
    """(B, H, W) uint8, ITU-R BT.601 as OpenCV weighs colours."""
    weights = image.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    luma = (image.detach().float() * weights).sum(1)
    return (luma.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
