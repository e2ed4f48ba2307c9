"""A recording whose landmarks are found: faces are followed through it as through a video, and cut out.

Of a recording with labels one person is kept: see `chosen_tracks`. Of one without, every unbroken track of a face
becomes a clip of its own, so that an absence, a cut or a second person costs nothing.

What a killed run has written lies in `.parts` of the prepared folder, with a checkpoint (`NAME.state.npz`) from which
the next run goes on as if nothing had happened.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionunits.datasets.crops.crop_files import GrowingArray
from actionunits.datasets.crops.crop_task import MESH_SHAPE, CroppedRecording, CropTask
from actionunits.datasets.crops.follower import Follower
from actionunits.datasets.crops.pictures import row_pictures
from actionunits.datasets.readers.recording import Recording
from actionunits.faces.align import cut_out, transform_points
from actionunits.faces.track import state_below
from actionunits.files import write_atomically
from actionunits.types import Face

if TYPE_CHECKING:
    from actionunits.faces import FaceFinder

NO_FACE = "no face found"
OTHER_FACE = "only another face"

MAX_FACES = 4  # people that are followed at once in one recording
CHECKPOINT_EVERY_S = 20.0  # of the clock: what a killed run loses at most
_SAME_SIZE = 2.0  # faces of one person in one recording differ in size by less than this factor


@dataclass
class _Track:
    """One face while it is followed; its crops grow on disk."""

    number: int
    crops: GrowingArray
    meshes: GrowingArray
    points: GrowingArray  # the 68 landmarks, in pixels of the crop
    rows: list[int] = field(default_factory=list)
    side_px: list[float] = field(default_factory=list)

    def add(self, row: int, image: np.ndarray, face: Face, task: CropTask) -> None:
        """The face in one more picture."""
        matrix = task.transform(face.landmarks_px)
        self.crops.append(cut_out(image, matrix, task.crop_size))
        mesh = np.full(MESH_SHAPE, np.nan) if face.mesh_px is None else transform_points(face.mesh_px, matrix)
        self.meshes.append((mesh + np.array([0.5, 0.5, 0])) / task.crop_size)
        self.points.append(transform_points(face.landmarks_px, matrix))
        self.rows.append(row)
        self.side_px.append(float(np.ptp(face.box_xyxy_px.reshape(2, 2), axis=0).max()))

    def discard(self) -> None:
        """Remove what is not finished."""
        for array in (self.crops, self.meshes, self.points):
            array.discard()


def crop_found(
    recording: Recording,
    task: CropTask,
    finder: FaceFinder,
    on_rows: Callable[[int], None],
    result: CroppedRecording,
) -> list[CroppedRecording]:
    """See `crop_recording`; result: of no row yet, `lost` as known beforehand."""
    follower, tracks = Follower(finder, recording.name, reduces=not recording.aus), list[_Track]()
    checkpoint = task.out / ".parts" / f"{recording.name}.state.npz"
    start = _go_on(checkpoint, recording, task, follower, tracks, result.lost)
    by_number = {track.number: track for track in tracks}
    saved_s = time.monotonic()
    try:
        for row, image, _ in row_pictures(recording, result.lost, on_rows, start=start, follower=follower):
            faces = follower.faces(image, row, float(recording.time_s[row]))
            if not faces:
                result.lost[row] = NO_FACE
            for face in faces:
                if face.face_id not in by_number:
                    tracks.append(_track(recording, task, face.face_id, [], []))
                    by_number[face.face_id] = tracks[-1]
                by_number[face.face_id].add(row, image, face, task)
            if time.monotonic() - saved_s >= CHECKPOINT_EVERY_S:
                _save(checkpoint, row + 1, follower, tracks, result.lost)
                saved_s = time.monotonic()
        pieces = _finished(recording, task, tracks, result)
    except BaseException:
        if not checkpoint.is_file():
            for track in tracks:
                track.discard()
        raise
    for track in tracks:
        track.discard()
    checkpoint.unlink(missing_ok=True)
    return pieces


def _track(recording: Recording, task: CropTask, number: int, rows: list[int], side_px: list[float]) -> _Track:
    """A new track, or one of an interrupted run. Raises ValueError where its files hold less than `rows`."""

    def array(kind: str, shape: tuple[int, ...], dtype: type[np.generic]) -> GrowingArray:
        return GrowingArray(task.out / ".parts" / f"{recording.name}.{number}{kind}.npy", shape, dtype, len(rows))

    return _Track(
        number,
        array("", (task.crop_size, task.crop_size, 3), np.uint8),
        array(".mesh", MESH_SHAPE, np.float16),
        array(".points", (68, 2), np.float32),
        rows,
        side_px,
    )


def _save(path: Path, row: int, follower: Follower, tracks: list[_Track], lost: list[str]) -> None:
    """Write the checkpoint in front of a row."""
    arrays = {"row": np.array(row), "lost": np.array(lost), "tracks": np.array([track.number for track in tracks])}
    for track in tracks:
        arrays |= {f"{track.number}.rows": np.array(track.rows), f"{track.number}.sides": np.array(track.side_px)}
    arrays |= {f"follower.{name}": array for name, array in follower.state().items()}
    with write_atomically(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _go_on(
    path: Path, recording: Recording, task: CropTask, follower: Follower, tracks: list[_Track], lost: list[str]
) -> int:
    """The row to go on with after a checkpoint, what it holds put into the last three; 0 without a whole one."""
    if not path.is_file():
        return 0
    try:
        with np.load(path) as file:
            state = dict(file)
        for number in state["tracks"].tolist():
            rows, sides = state[f"{number}.rows"].tolist(), state[f"{number}.sides"].tolist()
            tracks.append(_track(recording, task, number, rows, sides))
        follower.restore(state_below("follower", state))
        lost[:] = state["lost"].tolist()
        return int(state["row"])
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)
        tracks.clear()
        return 0


def _finished(
    recording: Recording, task: CropTask, tracks: list[_Track], result: CroppedRecording
) -> list[CroppedRecording]:
    if not recording.aus:
        return _tracks_apart(tracks, recording, task, result)
    by_number = {track.number: track for track in tracks}
    rows = {track.number: np.array(track.rows) for track in tracks}
    sides = {track.number: float(np.median(track.side_px)) for track in tracks}
    _join_tracks([by_number[number] for number in chosen_tracks(rows, sides)], recording, task, result)
    return [result]


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
        if 1 / _SAME_SIZE <= ratio <= _SAME_SIZE and seen.isdisjoint(rows[number].tolist()):
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
        pieces.append(CroppedRecording(piece, [""] * len(piece), np.array(track.points.stored())))
    lost = np.flatnonzero([bool(reason) for reason in result.lost])
    if len(lost):
        rest = recording.part(lost, recording.task)
        reasons = [result.lost[row] for row in lost]
        pieces.append(CroppedRecording(rest, reasons, result.landmarks_px[lost]))
    return pieces


def _join_tracks(kept: list[_Track], recording: Recording, task: CropTask, result: CroppedRecording) -> None:
    """The kept faces as one file in row order, and rows that show none of them as lost."""
    for track in kept:
        result.landmarks_px[track.rows] = track.points.stored()
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
        stored = [array.stored() for array in arrays]
        joined = GrowingArray(
            task.out / ".parts" / f"{recording.name}.joined.npy", stored[0].shape[1:], stored[0].dtype.type
        )
        try:
            for _, t, k in order:
                joined.append(stored[t][k])
            joined.finish(task.out / name)
        finally:
            joined.discard()
