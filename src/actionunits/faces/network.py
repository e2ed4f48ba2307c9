"""The networks that come with the face finder: pictures in, arrays out, by ONNX Runtime on one thread.

A GPU takes over where there are several pictures at once. The networks are MediaPipe's own, converted once;
`models/NOTICE.md` says from which files, and what was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "models"
# The hundreds of operations of a pass are started one by one on a GPU; a core reads fewer pictures sooner. How many
# is an estimate, which benchmarks/gpu.py puts to the test.
_LEAST_BATCH = 4


class PictureNetwork:
    """A network that reads square uint8 pictures."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """path: an ONNX file with one input `image`, (1, S, S, 3) uint8. device: of torch, unless "cpu"."""
        self._session = _session(path)
        self.side_px: int = self._session.get_inputs()[0].shape[1]
        self._batches = None
        if device != "cpu":
            from actionunits.faces.torch_network import TorchNetwork

            self._batches = TorchNetwork(path, device)

    def __call__(self, picture_rgb: np.ndarray) -> list[np.ndarray]:
        """The outputs for a picture (S, S, 3) uint8, in the file's order."""
        return self._session.run(None, {"image": picture_rgb[None]})

    def many(self, pictures_rgb: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The outputs for each of several pictures; on a GPU in one pass."""
        if self._batches is None or len(pictures_rgb) < _LEAST_BATCH:
            return [self(picture) for picture in pictures_rgb]
        outputs = self._batches(np.stack(pictures_rgb))
        return [list(of_one) for of_one in zip(*outputs, strict=True)]


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
