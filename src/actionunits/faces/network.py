"""The networks that come with the face finder: a picture in, arrays out, by ONNX Runtime on one thread.

They are MediaPipe's own, converted once; `models/NOTICE.md` says from which files, and what was changed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "models"


class PictureNetwork:
    """A network that reads one square uint8 picture."""

    def __init__(self, path: Path) -> None:
        """path: an ONNX file with one input `image`, (1, S, S, 3) uint8."""
        self._session = _session(path)
        self.side_px: int = self._session.get_inputs()[0].shape[1]

    def __call__(self, picture_rgb: np.ndarray) -> list[np.ndarray]:
        """The outputs for a picture (S, S, 3) uint8, in the file's order."""
        return self._session.run(None, {"image": picture_rgb[None]})


@cache
def _session(path: Path) -> Any:
    """One for all finders of this process, in any thread, since loading takes long."""
    # Only a finder needs it: faces whose landmarks are known pass without.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The networks are too small to share: a second thread would mostly wait, and spin while it does.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; warnings tell of optimisations that do not apply
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
