"""The torch device that a user names."""

from __future__ import annotations

import torch

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
