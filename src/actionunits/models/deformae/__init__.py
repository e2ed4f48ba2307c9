"""DeformAE: a face taken apart into a texture in a common frame and the deformation that makes the face of it."""

from actionunits.models.contract import ModelEntry
from actionunits.models.deformae.config import DeformAeConfig
from actionunits.models.deformae.model import DeformAe

ENTRY = ModelEntry(config=DeformAeConfig, model=DeformAe)

__all__ = ["ENTRY", "DeformAe", "DeformAeConfig"]
