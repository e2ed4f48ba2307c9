"""Where a run computes, and how exactly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from actionunits.errors import UserError
from actionunits.runtime.processes import keep_freed_memory

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """Where a run computes; the words are Lightning Fabric's."""

    precision: str = "auto"  # "auto" | "32" | "bf16" | "16"
    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"


def make_fabric(hardware: Hardware) -> Fabric:
    """Fabric on the wanted devices. Raises UserError where they do not exist."""
    precision = hardware.precision
    if precision != "auto" and precision not in PRECISIONS:
        raise UserError(f"unknown precision '{precision}'; known are auto, {', '.join(PRECISIONS)}")
    keep_freed_memory()
    on_gpu = hardware.accelerator in ("gpu", "cuda") or (hardware.accelerator == "auto" and torch.cuda.is_available())
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if on_gpu else torch.cpu._is_avx512_bf16_supported()
        precision = "bf16" if fast else "32"
    devices: Any = hardware.devices
    if hardware.devices.lstrip("-").isdigit():
        devices = int(hardware.devices)
    elif devices == "auto" and not on_gpu:
        devices = 1
    # It announces every precision; warnings still come through.
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        return Fabric(
            accelerator=hardware.accelerator,
            devices=devices,
            num_nodes=hardware.num_nodes,
            strategy=hardware.strategy,
            precision=PRECISIONS[precision],  # type: ignore[arg-type]
        )
    except (ValueError, RuntimeError, TypeError, OverflowError, ImportError) as error:
        raise UserError(f"these devices cannot be used: {' '.join(str(error).split())}") from None
