"""The torch device that a user names, and the way there and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from actionunits.errors import UserError


def choose_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is a GPU where there is one. Raises UserError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"'{name}' is not a device of this machine; use cpu, cuda or auto") from None
    return device


def on_device(values: Mapping[str, np.ndarray], device: torch.device | str) -> dict[str, Tensor]:
    """The arrays as tensors there, by one transfer."""
    # The widest numbers first, so that all begin at a multiple of their width.
    names = sorted(values, key=lambda name: -values[name].itemsize)
    joined = np.concatenate([np.ascontiguousarray(values[name]).reshape(-1).view(np.uint8) for name in names])
    parts = torch.from_numpy(joined).to(device).split([values[name].nbytes for name in names])
    kinds = {name: torch.from_numpy(np.empty(0, values[name].dtype)).dtype for name in names}
    return {name: part.view(kinds[name]).view(values[name].shape) for name, part in zip(names, parts, strict=True)}


def on_host(values: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors as float32 arrays, by one transfer: each alone would wait for the device once more."""
    joined = torch.cat([value.float().flatten() for value in values.values()]).cpu()
    parts = joined.split([value.numel() for value in values.values()])
    return {name: part.view(value.shape).numpy() for (name, value), part in zip(values.items(), parts, strict=True)}
