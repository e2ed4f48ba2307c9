"""RE-Net: a ResNet-18 whose normalisations belong to the action units and lean on each other over their relations."""

from actionunits.models.contract import ModelEntry
from actionunits.models.renet.config import ReNetConfig
from actionunits.models.renet.model import ReNet, ReNetOutput
from actionunits.models.renet.transfer import add_au

ENTRY = ModelEntry(config=ReNetConfig, model=ReNet)

__all__ = ["ENTRY", "ReNet", "ReNetConfig", "ReNetOutput", "add_au"]
