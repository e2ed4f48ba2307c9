"""HOG features with one linear support vector machine per action unit."""

from actionunits.models.contract import ModelEntry
from actionunits.models.hog.config import HogConfig
from actionunits.models.hog.model import HogSvm

ENTRY = ModelEntry(config=HogConfig, model=HogSvm)

__all__ = ["ENTRY", "HogConfig", "HogSvm"]
