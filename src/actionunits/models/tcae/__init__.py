"""TCAE: action units and head pose told apart in unlabelled videos, by moving pixels from one frame to another."""

from actionunits.models.contract import ModelEntry
from actionunits.models.tcae.config import TcaeConfig
from actionunits.models.tcae.model import Tcae

ENTRY = ModelEntry(config=TcaeConfig, model=Tcae)

__all__ = ["ENTRY", "Tcae", "TcaeConfig"]
