"""The 52 ARKit blendshape scores of a MediaPipe Tasks model: an independent reader of facial expression.

Source: MediaPipe FaceLandmarker ("MediaPipe BlendShape V2" model card, 2022). It is evidence beside our scores in
tables and model cards; the detector does not use it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from actionunits.errors import UserError
from actionunits.faces.quiet import quiet_native_start


class BlendshapeReader:
    """Blendshape scores of the most prominent face of an image."""

    def __init__(self, model: Path) -> None:
        """model: a `face_landmarker.task` file. Raises UserError if it is not one with blendshapes, or if
        MediaPipe is not installed."""
        if not Path(model).is_file():
            raise UserError(f"there is no face landmark model {model}")
        try:
            from mediapipe import Image, ImageFormat
            from mediapipe.tasks.python import BaseOptions
            from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions
        except ImportError:
            raise UserError(
                "reading blendshapes needs MediaPipe: install it with `pip install 'actionunits[blendshapes]'`"
            ) from None
        with quiet_native_start():
            try:
                self._landmarker = FaceLandmarker.create_from_options(
                    FaceLandmarkerOptions(
                        base_options=BaseOptions(model_asset_buffer=Path(model).read_bytes()),
                        output_face_blendshapes=True,
                    )
                )
            except (RuntimeError, ValueError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[-1]
                raise UserError(f"{model} is not a face_landmarker.task with blendshapes: {reason}") from None
            self._picture = lambda image_rgb: Image(image_format=ImageFormat.SRGB, data=image_rgb)
            # The networks say their last start-up words when they first run.
            self(np.zeros((64, 64, 3), np.uint8))

    def __call__(self, image_rgb: np.ndarray) -> dict[str, float] | None:
        """Score 0-1 by blendshape name for an image (H, W, 3) uint8; None where no face is found."""
        result = self._landmarker.detect(self._picture(np.ascontiguousarray(image_rgb)))
        if not result.face_blendshapes:
            return None
        return {c.category_name: float(c.score) for c in result.face_blendshapes[0]}

    def close(self) -> None:
        """Free the networks."""
        self._landmarker.close()

    def __enter__(self) -> BlendshapeReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
