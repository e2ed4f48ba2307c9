"""The models by name: one folder each, and one line in MODELS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actionunits.models.eacnet import EacNet, EacNetConfig
from actionunits.models.hog import HogConfig, HogSvm
from actionunits.models.hybrid import HybridConfig, HybridNet
from actionunits.models.ofnet import OfNet, OfNetConfig
from actionunits.models.renet import ReNet, ReNetConfig
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.models.tcae import Tcae, TcaeConfig


@dataclass(frozen=True)
class ModelEntry:
    """What it takes to build a model: `entry.model(entry.config(...), aus)`."""

    config: type[Any]  # frozen dataclass; its defaults are the paper's values
    model: type[Any]  # nn.Module built from a config and the AU numbers, in the order of its outputs


MODELS: dict[str, ModelEntry] = {
    "eacnet": ModelEntry(config=EacNetConfig, model=EacNet),
    "hog": ModelEntry(config=HogConfig, model=HogSvm),
    "hybrid": ModelEntry(config=HybridConfig, model=HybridNet),
    "ofnet": ModelEntry(config=OfNetConfig, model=OfNet),
    "renet": ModelEntry(config=ReNetConfig, model=ReNet),
    "resnet18": ModelEntry(config=ResNet18Config, model=ResNet18),
    "tcae": ModelEntry(config=TcaeConfig, model=Tcae),
}

__all__ = ["MODELS", "ModelEntry"]
