"""Frame results kept on disk, for calibrations that can only be known at the end of a video."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

import numpy as np

from actionunits.types import Frame, FrameResult


class ResultSpool:
    """Results in a temporary file, about 1 kB per face, read back in order as often as needed.

    Pictures and meshes are not kept: a frame comes back with a picture of its shape that takes no memory.
    """

    def __init__(self) -> None:
        # Without a name on disk: nobody else can change what is unpickled below.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.frames = 0

    def add(self, result: FrameResult) -> None:
        """Append the result of the next frame."""
        frame = result.frame
        head = (frame.image_rgb.shape, frame.index, frame.time_s, frame.source)
        faces = [replace(face, mesh_px=None) for face in result.faces]
        pickle.dump((head, faces, result.predictions), self._file, pickle.HIGHEST_PROTOCOL)
        self.frames += 1

    def __iter__(self) -> Iterator[FrameResult]:
        self._file.seek(0)
        for _ in range(self.frames):
            (shape, index, time_s, source), faces, predictions = pickle.load(self._file)
            picture = np.broadcast_to(np.uint8(0), shape)
            yield FrameResult(Frame(picture, index, time_s, source), faces, predictions)

    def __enter__(self) -> ResultSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
