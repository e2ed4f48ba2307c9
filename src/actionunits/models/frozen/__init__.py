"""A frozen network of pictures with a linear probe: what a descriptor that learned something else knows of AUs."""

from actionunits.models.contract import ModelEntry
from actionunits.models.frozen.config import FrozenConfig
from actionunits.models.frozen.model import Frozen

ENTRY = ModelEntry(config=FrozenConfig, model=Frozen)

__all__ = ["ENTRY", "Frozen", "FrozenConfig"]
