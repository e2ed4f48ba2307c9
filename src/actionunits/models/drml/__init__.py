"""DRML: a small network whose region layer learns a filter bank for every patch of the face."""

from actionunits.models.contract import ModelEntry
from actionunits.models.drml.config import DrmlConfig
from actionunits.models.drml.model import Drml

ENTRY = ModelEntry(config=DrmlConfig, model=Drml)

__all__ = ["ENTRY", "Drml", "DrmlConfig"]
