"""Renders as BP4D+ stores its data: like BP4D, but pictures count from 0 where the tables count from 1.

2D+3D/F001/T1/0411.jpg     unpacked; the real pictures come in one zip file per person
2DFeatures, AUCoding       as in `bp4d.py`, with 34 AUs in the table of codes
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionunits.errors import UserError
from actionunits.synth.layouts.bp4d import write_intensities, write_occurrence, write_pictures, write_tracked_points
from actionunits.synth.layouts.clip import LabelledClip

SUBJECTS: tuple[str, ...] = tuple(f"F{k:03d}" for k in range(1, 83)) + tuple(f"M{k:03d}" for k in range(1, 59))
TASKS = ("T1", "T6", "T7", "T8")  # the four of the ten tasks that are coded
COLUMNS = (1, 2, 4, 5, 6, 7, *range(9, 21), 22, 23, 24, *range(27, 40))
PICTURE_FROM_FRAME = -1


def subject_name(subject: int) -> str:
    """Official name of person k, from 0; beyond the official ones the numbers of men go on."""
    return SUBJECTS[subject] if subject < len(SUBJECTS) else f"M{subject - len(SUBJECTS) + 59:03d}"


def first_frame(subject: int, task: int) -> int:
    """Frame number with which the coded part of a sequence begins."""
    return 2 + (410 + 89 * subject + 53 * task) % 1500


def write_clip(root: Path, clip: LabelledClip) -> None:
    """Write the coded part of one sequence; one whose table of codes is there is left as it is.

    Raises UserError for a task beyond the four that are coded.
    """
    if clip.task >= len(TASKS):
        raise UserError(f"BP4D+ holds {len(TASKS)} coded sequences per person; render no more clips each")
    subject, task = subject_name(clip.subject), TASKS[clip.task]
    frames = first_frame(clip.subject, clip.task) + np.arange(len(clip))
    labels = Path(root) / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv"
    if labels.is_file():
        return
    pictures = frames + PICTURE_FROM_FRAME
    digits = max(3 + (clip.subject + clip.task + 1) % 2, len(str(pictures[-1])))
    write_pictures(Path(root) / "2D+3D" / subject / task, clip, pictures, digits)
    write_tracked_points(Path(root) / "2DFeatures" / f"{subject}_{task}.mat", clip.landmarks_px, frames)
    write_intensities(Path(root) / "AUCoding" / "AU_INT", f"{subject}_{task}", clip, frames)
    write_occurrence(labels, clip, frames, COLUMNS)
