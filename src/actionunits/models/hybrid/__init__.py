"""CNN, stacked LSTMs on its features, and their fusion: action units from single frames and from time."""

from actionunits.models.hybrid.config import HybridConfig
from actionunits.models.hybrid.model import HybridNet

__all__ = ["HybridConfig", "HybridNet"]
