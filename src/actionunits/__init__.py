"""Facial action units, with intensities, from photos, videos and webcams."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from actionunits.aus import AUS

if TYPE_CHECKING:
    from actionunits.detection.detector import DetectionResult, Detector
    from actionunits.media.sources import Source

__version__ = "0.1.0"
__all__ = ["AUS", "Detector", "__version__", "detect"]

# ONNX Runtime 1.29 and newer reports its use to Microsoft unless this is set before it is imported. A program that
# looks at faces tells nobody anything; whoever wants it otherwise can set 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def detect(source: Source, **options: Any) -> DetectionResult:
    """All results of a photograph, folder, pattern or video; options are those of `Detector`.

    For several inputs, make one `Detector` and call its `detect`. Raises UserError for an unusable input or option.
    """
    from actionunits.detection.detector import Detector

    return Detector(**options).detect(source)


def __getattr__(name: str) -> Any:
    # Importing the package stays quick: the networks are loaded when they are asked for.
    if name == "Detector":
        from actionunits.detection.detector import Detector

        return Detector
    raise AttributeError(f"module 'actionunits' has no attribute '{name}'")
