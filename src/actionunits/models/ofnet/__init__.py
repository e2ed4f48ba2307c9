"""OF-Net and AU-Net: optical flow to a neutral face, learned from single images, and action units from the flow."""

from actionunits.models.contract import ModelEntry
from actionunits.models.ofnet.config import OfNetConfig
from actionunits.models.ofnet.model import OfNet

ENTRY = ModelEntry(config=OfNetConfig, model=OfNet)

__all__ = ["ENTRY", "OfNet", "OfNetConfig"]
