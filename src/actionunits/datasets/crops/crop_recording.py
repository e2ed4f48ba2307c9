"""One recording to registered crops: pictures are decoded, faces registered, and every row kept or lost for a reason.

Where the data set brings landmarks ("read"), they alone decide. Where they are found, faces are followed through the
recording as through a video. Of a recording with labels one person is kept: see `chosen_tracks`. Of one without,
every unbroken track of a face becomes a clip of its own, so that an absence, a cut or a second person costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionunits.datasets.crops.crop_files import GrowingArray
from actionunits.datasets.readers.recording import PictureFiles, Recording, VideoFile
from actionunits.errors import UserError
from actionunits.faces.align import cut_out, face_transform, transform_points
from actionunits.faces.mean_face import REGISTRATION_POINTS
from actionunits.types import MESH_POINTS

if TYPE_CHECKING:
    from actionunits.faces import FaceFinder

NO_PICTURE = "no picture"
DAMAGED_PICTURE = "damaged picture"
NO_LANDMARKS = "no landmarks"
NO_FACE = "no face found"
OTHER_FACE = "only another face"
VIDEO_ENDS = "video ends early"

MAX_FACES = 4  # people that are followed at once in one recording
SAME_SIZE = 2.0  # faces of one person in one recording differ in size by less than this factor
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


def crop_recording(
    recording: Recording, task: CropTask, finder: FaceFinder | None, on_rows: Callable[[int], None]
) -> list[CroppedRecording]:
    """Write the recording's crops and, where landmarks are found, its meshes; no file where no row is kept.

    One result, but for a recording without labels one per track, and one of the rows that show no face. finder:
    follows faces, needed where `task.find`. on_rows is told how many rows more are done, now and then; what it raises
    ends the work without a trace. Raises UserError where files cannot be written.
    """
    (task.out / ".parts").mkdir(exist_ok=True)
    points = np.full((len(recording), 68, 2), np.nan, np.float32)
    result = CroppedRecording(recording, _lost_at_the_start(recording, task), points)
    if task.find:
        assert finder is not None
        return _crop_found(recording, task, finder, on_rows, result)
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
        for row, image, used in _pictures(recording, result.lost, factor, on_rows):
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


def _pictures(
    recording: Recording, lost: list[str], factor: np.ndarray | None, on_rows: Callable[[int], None]
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Rows that are not lost, with their picture and the factor by which it is reduced.

    Rows whose picture cannot be had are marked in `lost`.
    """
    source = recording.pixels
    decode = _picture_files(source, lost, factor) if isinstance(source, PictureFiles) else _video_rows(source, lost)
    done = 0
    for row, image, used in decode:
        if row >= done + 8:
            on_rows(row - done)
            done = row
        yield row, image, used
    on_rows(len(recording) - done)


def _picture_files(
    source: PictureFiles, lost: list[str], factor: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray, int]]:
    from actionunits.media.images import read_image_reduced

    for row, path in enumerate(source.paths):
        if lost[row]:
            continue
        if not path.is_file():
            lost[row] = NO_PICTURE
            continue
        try:
            image, used = read_image_reduced(path, 1 if factor is None else int(factor[row]))
        except UserError:
            lost[row] = DAMAGED_PICTURE
            continue
        yield row, image, used


def _video_rows(source: VideoFile, lost: list[str]) -> Iterator[tuple[int, np.ndarray, int]]:
    from actionunits.media.video import VideoReader

    row, rows = 0, len(source.index)
    try:
        with VideoReader(source.path, only=source.index) as reader:
            for frame in reader:
                while row < rows and source.index[row] <= frame.index:
                    if source.index[row] < frame.index:
                        lost[row] = lost[row] or DAMAGED_PICTURE
                    elif not lost[row]:
                        yield row, frame.image_rgb, 1
                    row += 1
                if row == rows:
                    break
    except UserError:
        pass  # it holds no frame at all
    for late in range(row, rows):
        lost[late] = lost[late] or (VIDEO_ENDS if source.path.is_file() else NO_PICTURE)


@dataclass
class _Track:
    """One face while it is followed; its crops grow on disk."""

    crops: GrowingArray
    meshes: GrowingArray
    rows: list[int] = field(default_factory=list)
    landmarks_px: list[np.ndarray] = field(default_factory=list)  # in the crop
    side_px: list[float] = field(default_factory=list)


def _crop_found(
    recording: Recording,
    task: CropTask,
    finder: FaceFinder,
    on_rows: Callable[[int], None],
    result: CroppedRecording,
) -> list[CroppedRecording]:
    from actionunits.types import Frame

    tracks: dict[int, _Track] = {}
    try:
        for row, image, _ in _pictures(recording, result.lost, None, on_rows):
            faces = finder(Frame(image, row, float(recording.time_s[row]), recording.name))
            if not faces:
                result.lost[row] = NO_FACE
            for face in faces:
                if face.face_id not in tracks:
                    tracks[face.face_id] = _start_track(recording, task, face.face_id)
                track = tracks[face.face_id]
                matrix = task.transform(face.landmarks_px)
                track.crops.append(cut_out(image, matrix, task.crop_size))
                mesh = np.full(MESH_SHAPE, np.nan) if face.mesh_px is None else transform_points(face.mesh_px, matrix)
                track.meshes.append((mesh + np.array([0.5, 0.5, 0])) / task.crop_size)
                track.rows.append(row)
                track.landmarks_px.append(transform_points(face.landmarks_px, matrix))
                track.side_px.append(float(np.ptp(face.box_xyxy_px.reshape(2, 2), axis=0).max()))
        if not recording.aus:
            return _tracks_apart(list(tracks.values()), recording, task, result)
        rows = {number: np.array(track.rows) for number, track in tracks.items()}
        sides = {number: float(np.median(track.side_px)) for number, track in tracks.items()}
        kept = [tracks[number] for number in chosen_tracks(rows, sides)]
        _join_tracks(kept, recording, task, result)
        return [result]
    finally:
        for track in tracks.values():
            track.crops.discard()
            track.meshes.discard()


def _start_track(recording: Recording, task: CropTask, number: int) -> _Track:
    parts, crop_shape = task.out / ".parts", (task.crop_size, task.crop_size, 3)
    return _Track(
        GrowingArray(parts / f"{recording.name}.{number}.npy", crop_shape, np.uint8),
        GrowingArray(parts / f"{recording.name}.{number}.mesh.npy", MESH_SHAPE, np.float16),
    )


def chosen_tracks(rows: dict[int, np.ndarray], side_px: dict[int, float]) -> list[int]:
    """Which of the followed faces are the person of a recording with labels, which is known to show one.

    rows: where each face is seen; side_px: its size. The face that is large and stays is kept: the product of size
    and number of rows decides. A face of about the same size that is never seen beside the kept ones is the same
    person come back; they are kept too.

    >>> chosen_tracks({0: np.arange(50), 1: np.arange(90), 2: np.arange(60, 80)}, {0: 90, 1: 40, 2: 80})
    [0, 2]
    """
    if not rows:
        return []
    order = sorted(rows, key=lambda number: (-len(rows[number]) * side_px[number], number))
    chosen = [order[0]]
    seen = set(rows[order[0]].tolist())
    for number in order[1:]:
        ratio = side_px[number] / side_px[order[0]]
        if 1 / SAME_SIZE <= ratio <= SAME_SIZE and seen.isdisjoint(rows[number].tolist()):
            chosen.append(number)
            seen.update(rows[number].tolist())
    return sorted(chosen)


def _tracks_apart(
    tracks: list[_Track], recording: Recording, task: CropTask, result: CroppedRecording
) -> list[CroppedRecording]:
    """Every track as a recording of its own, in order of appearance; the first one keeps the name."""
    pieces = []
    for number, track in enumerate(tracks, start=1):
        name = recording.task if number == 1 else f"{recording.task}.track{number}"
        piece = recording.part(np.array(track.rows), name)
        track.crops.finish(task.out / task.crops_name(piece))
        track.meshes.finish(task.out / task.mesh_name(piece))
        points = np.stack(track.landmarks_px).astype(np.float32)
        pieces.append(CroppedRecording(piece, [""] * len(piece), points))
    lost = np.flatnonzero([bool(reason) for reason in result.lost])
    if len(lost):
        rest = recording.part(lost, recording.task)
        reasons = [result.lost[row] for row in lost]
        pieces.append(CroppedRecording(rest, reasons, result.landmarks_px[lost]))
    return pieces


def _join_tracks(kept: list[_Track], recording: Recording, task: CropTask, result: CroppedRecording) -> None:
    """The kept faces as one file in row order, and rows that show none of them as lost."""
    for track in kept:
        result.landmarks_px[track.rows] = np.stack(track.landmarks_px)
    missing = np.isnan(result.landmarks_px[:, 0, 0])
    result.lost = [reason or (OTHER_FACE if m else "") for reason, m in zip(result.lost, missing, strict=True)]
    if not kept:
        return
    names = (task.crops_name(recording), task.mesh_name(recording))
    if len(kept) == 1:
        kept[0].crops.finish(task.out / names[0])
        kept[0].meshes.finish(task.out / names[1])
        return
    order = sorted((row, t, k) for t, track in enumerate(kept) for k, row in enumerate(track.rows))
    for name, arrays in zip(names, ([t.crops for t in kept], [t.meshes for t in kept]), strict=True):
        for array in arrays:
            array.finish(array.path)
        stored = [np.load(array.path, mmap_mode="r") for array in arrays]
        joined = GrowingArray(
            task.out / ".parts" / f"{recording.name}.joined.npy", stored[0].shape[1:], stored[0].dtype.type
        )
        try:
            for _, t, k in order:
                joined.append(stored[t][k])
            joined.finish(task.out / name)
        finally:
            joined.discard()
