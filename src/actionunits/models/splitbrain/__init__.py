"""SplitBrain: a network whose halves tell the colours of a face from its light, and its light from its colours."""

from actionunits.models.contract import ModelEntry
from actionunits.models.splitbrain.config import SplitBrainConfig
from actionunits.models.splitbrain.model import SplitBrain

ENTRY = ModelEntry(config=SplitBrainConfig, model=SplitBrain)

__all__ = ["ENTRY", "SplitBrain", "SplitBrainConfig"]
