"""HOG features with one linear support vector machine per action unit."""

from actionunits.models.hog.config import HogConfig
from actionunits.models.hog.model import HogSvm

__all__ = ["HogConfig", "HogSvm"]
