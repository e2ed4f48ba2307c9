"""BP4D+ (MMSE): 140 people in ten tasks, four of which are coded; read like BP4D, with another numbering.

Zhang, Girard, Wu, Zhang, Liu, Ciftci, Canavan, Reale, Horowitz, Yang, Cohn, Ji & Yin, "Multimodal Spontaneous Emotion
Corpus for Human Behavior Analysis", 2016.

    2D+3D/F001/T1/0000.jpg   the pictures come as 2D+3D/F001.zip and have to be unpacked there
    2DFeatures, AUCoding     as in `bp4d.py`, 34 AUs

Pictures count from 0 and the tables from 1, so frame f of a table is picture f - 1. The user guide says so of the
tables alone; public code that checked the pictures agrees.
"""

from __future__ import annotations

from pathlib import Path

from actionunits.datasets.readers.bp4d import Release, read_release
from actionunits.datasets.readers.recording import Inventory

BP4D_PLUS = Release(
    key="bp4d+",
    title="BP4D+",
    tasks=("T1", "T6", "T7", "T8"),
    women=82,
    men=58,
    frames=None,
    frames_with_landmarks=None,
    example="2D+3D/F001/T1/0000.jpg",
    tops=("", "BP4D+", "BP4DPlus"),
    frame_offset=-1,
)


def read(root: Path | str, *, landmarks_required: bool = False, frame_offset: int | None = None) -> Inventory:
    """All sequences of the four coded tasks that have a table of occurrence.

    frame_offset: number of a picture less the number of its frame in the tables, -1 unless told. landmarks_required:
    frames without tracked points are lost.

    Raises UserError for a folder of another layout, tables with the columns of BP4D unless frame_offset is told,
    pictures that are still in zip files, a table that is damaged or holds an unknown code, and pictures of one
    sequence with the same number.
    """
    return read_release(Path(root), BP4D_PLUS, landmarks_required=landmarks_required, frame_offset=frame_offset)
