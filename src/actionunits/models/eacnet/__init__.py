"""EAC-Net: VGG-19 with attention to the regions of action units and crops of them; with FVGG and E-Net."""

from actionunits.models.contract import ModelEntry
from actionunits.models.eacnet.config import EacNetConfig
from actionunits.models.eacnet.model import EacNet

ENTRY = ModelEntry(config=EacNetConfig, model=EacNet)

__all__ = ["ENTRY", "EacNet", "EacNetConfig"]
