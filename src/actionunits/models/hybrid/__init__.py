"""CNN, stacked LSTMs on its features, and their fusion: action units from single frames and from time."""

from actionunits.models.contract import ModelEntry
from actionunits.models.hybrid.config import HybridConfig
from actionunits.models.hybrid.model import HybridNet

ENTRY = ModelEntry(config=HybridConfig, model=HybridNet)

__all__ = ["ENTRY", "HybridConfig", "HybridNet"]
