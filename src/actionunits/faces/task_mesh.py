"""The mesh network of a MediaPipe Tasks file (`face_landmarker.task`), by LiteRT.

Network: "Face mesh detection model v2" of MediaPipe FaceLandmarker, 2022; LiteRT comes with the extra `landmarker`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.errors import UserError
from actionunits.faces.quiet import quiet_native_start

TASK_FILE = "face_landmarker.task"

_MEMBER = "face_landmarks_detector.tflite"


class TaskMesh:
    """Stands in for the mesh network that comes with the finder."""

    def __init__(self, path: Path) -> None:
        """Raises UserError for a file that is not a MediaPipe face landmarker, and where LiteRT is not installed."""
        try:
            with zipfile.ZipFile(path) as bundle:
                network = bundle.read(_MEMBER)
            with quiet_native_start():
                self._network = _litert(network)
                self.side_px: int = self._network.get_input_details()[0]["shape"][1]
                # LiteRT says its last start-up words when a network first runs.
                self(np.zeros((self.side_px, self.side_px, 3), np.uint8))
        except ImportError:
            raise UserError(
                f"{path} needs LiteRT to be read: pip install 'actionunits[landmarker]', or do without the file"
            ) from None
        except (OSError, zipfile.BadZipFile, KeyError, RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            raise UserError(f"{path} is not a MediaPipe face landmarker file ({TASK_FILE}): {reason}") from None

    def __call__(self, picture_rgb: np.ndarray) -> list[np.ndarray]:
        """Mesh (478, 3) float32 in pixels of a picture (S, S, 3) uint8, and presence (), 0-1."""
        (pixels,) = self._network.get_input_details()
        self._network.set_tensor(pixels["index"], picture_rgb[None] / np.float32(255))
        self._network.invoke()
        mesh, presence_logit, _ = (
            self._network.get_tensor(out["index"]) for out in self._network.get_output_details()
        )
        return [mesh.reshape(-1, 3), 1 / (1 + np.exp(-presence_logit.reshape(())))]

    def many(self, pictures_rgb: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The same of each of several pictures."""
        return [self(picture) for picture in pictures_rgb]


def _litert(network: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=network, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter
