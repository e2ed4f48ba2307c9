"""ResNet-18 with one head for the presence and one for the intensity of every action unit."""

from actionunits.models.contract import ModelEntry
from actionunits.models.resnet18.config import ResNet18Config
from actionunits.models.resnet18.model import ResNet18

ENTRY = ModelEntry(config=ResNet18Config, model=ResNet18)

__all__ = ["ENTRY", "ResNet18", "ResNet18Config"]
