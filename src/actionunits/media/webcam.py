"""A webcam through OpenCV, with the time at which each picture was taken."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from actionunits.errors import UserError
from actionunits.media.reader import MediaReader
from actionunits.types import Frame


class WebcamReader(MediaReader):
    """Pictures of a webcam until the reader is closed; times are of a monotonic clock, from the first picture."""

    kind = "webcam"
    can_repeat = False

    def __init__(self, index: int) -> None:
        self._index = index
        super().__init__((f"webcam:{index}",))

    def _frames(self) -> Generator[Frame, None, None]:
        import cv2

        source = self.sources[0]
        cv2.setLogLevel(0)  # a camera that is not there is told below
        capture = cv2.VideoCapture(self._index)
        try:
            if not capture.isOpened():
                raise UserError(f"{source} cannot be opened: no such camera, or another program uses it")
            self.fps = capture.get(cv2.CAP_PROP_FPS) or None
            index, start_s = 0, 0.0
            while capture.grab():
                now_s = time.monotonic()
                start_s = start_s if index else now_s
                taken, image_bgr = capture.retrieve()
                if not taken:
                    break
                image_rgb = np.ascontiguousarray(image_bgr[:, :, ::-1])
                yield Frame(image_rgb, index, now_s - start_s, source)
                index += 1
            self.damage = f"{source} stopped giving pictures after {index} frames"
        finally:
            capture.release()
