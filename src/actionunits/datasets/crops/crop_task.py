"""What is done to every recording of a data set, and what becomes of the rows of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionunits.datasets.readers.recording import Recording
from actionunits.faces.align import face_transform
from actionunits.types import MESH_POINTS

MESH_SHAPE = (MESH_POINTS, 3)


@dataclass(frozen=True)
class CropTask:
    """What is done to every recording of a data set."""

    out: Path
    crop_size: int  # stored width, margin included
    margin: float
    find: bool  # find landmarks, rather than read them
    align: bool = True  # register faces, rather than cut out the square around their landmarks

    def transform(self, landmarks_px: np.ndarray) -> np.ndarray:
        """From pixels of the picture to those of the crop, (2, 3)."""
        return face_transform(self.align)(landmarks_px, self.crop_size, self.margin)

    def crops_name(self, recording: Recording) -> str:
        """Path of the crops inside the prepared folder."""
        return f"crops/{recording.name}.npy"

    def mesh_name(self, recording: Recording) -> str:
        """Path of the 478 points inside the prepared folder; written where landmarks are found."""
        return f"meshes/{recording.name}.npy"


@dataclass
class CroppedRecording:
    """What became of the rows of a recording of T rows."""

    recording: Recording
    lost: list[str]  # (T,) why a row is lost, empty for one that is kept
    landmarks_px: np.ndarray  # (T, 68, 2) float32 in the stored crop, NaN where lost or not marked

    @property
    def kept(self) -> np.ndarray:
        """Rows whose crops are stored, in order."""
        return np.flatnonzero([not reason for reason in self.lost])
