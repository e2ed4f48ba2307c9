"""One recording to registered crops: pictures are decoded, faces registered, and every row kept or lost for a reason.

Where the data set brings landmarks ("read"), they alone decide. Where they are found, see `face_tracks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from actionunits.datasets.crops.crop_files import GrowingArray
from actionunits.datasets.crops.crop_task import CroppedRecording, CropTask
from actionunits.datasets.crops.face_tracks import crop_found
from actionunits.datasets.crops.pictures import row_pictures
from actionunits.datasets.readers.recording import Recording
from actionunits.faces.align import cut_out, transform_points
from actionunits.faces.mean_face import REGISTRATION_POINTS

if TYPE_CHECKING:
    from actionunits.faces import FaceFinder

NO_LANDMARKS = "no landmarks"


def crop_recording(
    recording: Recording, task: CropTask, finder: FaceFinder | None, on_rows: Callable[[int], None]
) -> list[CroppedRecording]:
    """Write the recording's crops and, where landmarks are found, its meshes; no file where no row is kept.

    One result, but for a recording without labels one per track, and one of the rows that show no face. finder:
    follows faces, needed where `task.find`. on_rows is told how many rows more are done, now and then; what it raises
    ends the work. Where landmarks are found, the same call then goes on from the last checkpoint. Raises UserError
    where files cannot be written.
    """
    (task.out / ".parts").mkdir(exist_ok=True)
    points = np.full((len(recording), 68, 2), np.nan, np.float32)
    result = CroppedRecording(recording, _lost_at_the_start(recording, task), points)
    if task.find:
        assert finder is not None
        return crop_found(recording, task, finder, on_rows, result)
    _crop_read(recording, task, on_rows, result)
    return [result]


def _lost_at_the_start(recording: Recording, task: CropTask) -> list[str]:
    """Reasons that are known before any picture is opened."""
    lost = [""] * len(recording)
    if not task.find:
        if recording.landmarks_px is None:
            lost = [NO_LANDMARKS] * len(recording)
        else:
            points = recording.landmarks_px[:, list(REGISTRATION_POINTS)]
            # Some files write zeros where tracking failed: points that coincide are none.
            known = np.isfinite(points).all((1, 2)) & (np.ptp(points, axis=1).max(1) > 1)
            lost = ["" if k else NO_LANDMARKS for k in known]
    for row, reason in (recording.lost or {}).items():
        lost[row] = reason
    return lost


def _crop_read(
    recording: Recording, task: CropTask, on_rows: Callable[[int], None], result: CroppedRecording
) -> None:
    if recording.landmarks_px is None:
        on_rows(len(recording))
        return
    factor = np.ones(len(recording), int)
    for row in result.kept:
        matrix = task.transform(recording.landmarks_px[row])
        factor[row] = decode_factor(float(np.hypot(matrix[0, 0], matrix[1, 0])))
    crops = GrowingArray(task.out / ".parts" / f"{recording.name}.npy", (task.crop_size, task.crop_size, 3), np.uint8)
    try:
        for row, image, used in row_pictures(recording, result.lost, on_rows, factor=factor):
            points = recording.landmarks_px[row].astype(np.float64)
            crops.append(cut_out(image, task.transform((points + 0.5) / used - 0.5), task.crop_size))
            result.landmarks_px[row] = transform_points(points, task.transform(points))
        if crops.rows:
            crops.finish(task.out / task.crops_name(recording))
    finally:
        crops.discard()


def decode_factor(scale: float) -> int:
    """How far a JPEG may be reduced while it is decoded: as far as registration would halve it in any case.

    scale: crop pixels per picture pixel.

    >>> decode_factor(0.6), decode_factor(0.3), decode_factor(0.15), decode_factor(0.01)
    (1, 2, 4, 8)
    """
    return int(min(8, 2 ** max(0, np.ceil(np.log2(0.5 / scale)))))
