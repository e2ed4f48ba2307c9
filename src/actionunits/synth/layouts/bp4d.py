"""Renders as BP4D stores its data: numbered JPEG files, one table of codes per sequence, tracked points for MATLAB.

F001/T1/0990.jpg                    first number and zero padding differ by sequence
2DFeatures/F001_T1.mat              fit.pred, 49 points per frame number, empty where nothing was tracked
AUCoding/AU_INT/AU06/F001_T1_AU06.csv
AUCoding/AU_OCC/F001_T1.csv         a column for every number to 99; 9 where an AU is not coded
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionunits.aus import DATASET_AUS, UNKNOWN_CODE, au_label
from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49
from actionunits.files import write_atomically
from actionunits.synth.layouts.clip import LabelledClip, write_jpeg, write_text

SUBJECTS: tuple[str, ...] = tuple(f"F{k:03d}" for k in range(1, 24)) + tuple(f"M{k:03d}" for k in range(1, 19))
TASKS: tuple[str, ...] = tuple(f"T{k}" for k in range(1, 9))
COLUMNS = tuple(range(1, 100))  # the position of a column is the number of its AU
INTENSITY_AUS = DATASET_AUS["bp4d_intensity"]
# AUs that coders of BP4D and BP4D+ looked at; renders carry others too, which a real table holds as unknown.
CODED_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 27, 28)  # fmt: skip

_MAT_HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 14 12:00:00 2013 HDF5 schema 1.00 ."
_MAT_VERSION = b"\x00\x02IM"


def subject_name(subject: int) -> str:
    """Official name of person k, from 0; beyond the official ones the numbers of men go on."""
    return SUBJECTS[subject] if subject < len(SUBJECTS) else f"M{subject - len(SUBJECTS) + 19:03d}"


def first_number(subject: int, task: int) -> int:
    """Frame number with which a sequence begins; it differs by sequence, as in the recordings."""
    return 1 + (989 + 137 * subject + 61 * task) % 2400


def write_clip(root: Path, clip: LabelledClip) -> None:
    """Write one sequence; one whose table of codes is there is left as it is.

    Raises UserError for a task beyond the eight of BP4D.
    """
    if clip.task >= len(TASKS):
        raise UserError(f"BP4D holds {len(TASKS)} sequences per person; render no more clips each")
    subject, task = subject_name(clip.subject), TASKS[clip.task]
    numbers = first_number(clip.subject, clip.task) + np.arange(len(clip))
    labels = Path(root) / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv"
    if labels.is_file():
        return
    digits = max(3 + (clip.subject + clip.task) % 2, len(str(numbers[-1])))
    write_pictures(Path(root) / subject / task, clip, numbers, digits)
    write_tracked_points(Path(root) / "2DFeatures" / f"{subject}_{task}.mat", clip.landmarks_px, numbers)
    write_intensities(Path(root) / "AUCoding" / "AU_INT", f"{subject}_{task}", clip, numbers)
    write_occurrence(labels, clip, numbers, COLUMNS)


def write_pictures(folder: Path, clip: LabelledClip, numbers: np.ndarray, digits: int) -> None:
    """Write the pictures of a clip under these numbers, zero-padded to so many digits."""
    for number, image in zip(numbers, clip.images(), strict=True):
        write_jpeg(folder / f"{number:0{digits}d}.jpg", image)


def write_intensities(folder: Path, sequence: str, clip: LabelledClip, frames: np.ndarray) -> None:
    """Write a table without header, `frame,intensity`, for each AU whose intensity is coded."""
    for au in INTENSITY_AUS:
        levels = clip.levels(au) if au in clip.aus else np.full(len(clip), UNKNOWN_CODE)
        rows = (f"{frame},{level}\n" for frame, level in zip(frames, levels, strict=True))
        write_text(folder / au_label(au) / f"{sequence}_{au_label(au)}.csv", "".join(rows))


def write_occurrence(path: Path, clip: LabelledClip, frames: np.ndarray, columns: Sequence[int]) -> None:
    """Write the table of codes: a header of AU numbers behind a 0, then a row per frame behind its number."""
    codes = np.full((len(clip), len(columns)), UNKNOWN_CODE)
    for k, au in enumerate(columns):
        if au in CODED_AUS and au in clip.aus:
            codes[:, k] = clip.levels(au) > 0
    header = ",".join(map(str, (0, *columns)))
    rows = (",".join(map(str, (frame, *row))) for frame, row in zip(frames, codes, strict=True))
    write_text(path, "\n".join((header, *rows)) + "\n")


def write_tracked_points(path: Path, landmarks_px: np.ndarray, frames: np.ndarray) -> None:
    """Write the 49 points of each frame as MATLAB 7.3 writes a struct array `fit` with a field `pred`.

    The element of frame f has index f - 1 from 0; elements before the first frame are empty. The field is a column
    of references to the points, each (2, 49), since HDF5 turns MATLAB's order of axes around.
    """
    import h5py

    with write_atomically(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=512) as file:
            held = file.create_group("#refs#")
            empty = held.create_dataset("a", data=np.zeros(2, np.uint64))
            empty.attrs["MATLAB_class"] = np.bytes_("double")
            empty.attrs["MATLAB_empty"] = np.uint8(1)
            references = np.full((int(frames[-1]), 1), empty.ref, h5py.ref_dtype)
            for frame, points in zip(frames, np.asarray(landmarks_px, np.float64), strict=True):
                data = held.create_dataset(f"f{frame}", data=points[list(POINTS_49)].T)
                data.attrs["MATLAB_class"] = np.bytes_("double")
                references[frame - 1, 0] = data.ref
            fit = file.create_group("fit")
            fit.attrs["MATLAB_class"] = np.bytes_("struct")
            fit.create_dataset("pred", data=references, dtype=h5py.ref_dtype)
        with temporary.open("r+b") as raw:
            raw.write(_MAT_HEADER.ljust(116) + bytes(8) + _MAT_VERSION)
