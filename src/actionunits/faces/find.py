"""Frame to faces: box search, mesh, pose and identity behind one interface.

A photograph is searched whole and in tiles. In a video the faces of the previous frame are followed: each face's
mesh is read from the region where it was. A search of the frame for new faces runs twice a second, more often
while somebody is missing, and in every frame while nobody is in view.

The mesh network alone is no judge: it lays a face over an upside-down head, a hand or a wall and is sure of it.
So every new face, and every followed face five times a second, is looked at once more by the box detector, in a
close-up turned and scaled by the mesh; the face stands if the detector sees one there whose eyes are where the
mesh has them. That score is the face's `confidence`. A face that is not confirmed loses confidence at every look
until it falls below the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from actionunits.errors import UserError
from actionunits.faces.boxes import Detection
from actionunits.faces.detect import FaceDetector, same_face, tile_corners, tile_side
from actionunits.faces.gaze import gaze_of
from actionunits.faces.landmarks import landmarks_from_mesh
from actionunits.faces.mesh import (
    MIN_PRESENCE,
    MeshReader,
    MeshReading,
    Region,
    cut_region,
    mesh_network,
    region_of_mesh,
    region_of_points,
)
from actionunits.faces.pose import estimate_pose
from actionunits.faces.task_mesh import TASK_FILE
from actionunits.faces.track import Appearance, IdentityTracker, Sighting, appearance_of, state_below
from actionunits.files import cache_folder
from actionunits.types import Face, Frame

_SEARCH_EVERY_S = 0.5
_SEARCH_EVERY_FRAMES = 30  # where frame times do not advance
_SEARCH_LOST_EVERY_S = 0.1
_TILES_PER_SEARCH = 2  # a video search looks at the whole frame and at this many tiles, in turn
_MIN_DETECTION = 0.5  # MediaPipe's own default
_CHECK_EVERY_S = 0.2
_CLOSE_UP = 1.35  # side of the checked surroundings over the side of the mesh region
_CLOSE_UP_PX = 128  # input side of the short-range network
_EYE_TOLERANCE = 0.09  # between detector and mesh, in sides of the mesh region; about 0.4 eye distances
_UNCONFIRMED = 0.75  # factor on a followed face's confidence at a look that does not confirm it
_NEVER_CONFIRMED = 0.5  # the same for a new face
_TURNS_RAD = (np.pi, np.pi / 2, -np.pi / 2)  # tried where the upright reading is not confirmed
_MIN_FACE_PX = 12.0
_EYES = ((33, 133), (362, 263))  # mesh vertices: corners of the eye at the left, at the right of the image


@dataclass
class _Candidate:
    mesh_px: np.ndarray  # (478, 3)
    box_xyxy_px: np.ndarray  # (4,)
    presence: float
    confidence: float
    looks: Appearance | None = None  # in the frame that the mesh was read from


def cached_task_model() -> Path | None:
    """The Tasks model in the cache folder, if there."""
    path = cache_folder() / TASK_FILE
    return path if path.is_file() else None


class FaceFinder:
    """Finds the faces of photographs, or follows those of one video after the other.

    An instance may be used from any one thread at a time.
    """

    def __init__(
        self,
        video: bool,
        max_faces: int | None = None,
        model: Path | None = None,
        min_confidence: float = 0.5,
        device: str = "cpu",
    ) -> None:
        """video: frames come in order and identities are kept; another `Frame.source`, or an
        index that goes back, starts anew.

        max_faces: keep only the largest. model: a `face_landmarker.task` file; without one the cached file is
        used, and without that the network that comes with the package. min_confidence: faces with a lower box
        detector score are left out. device: of torch, unless "cpu": where several pictures of a frame pass a network
        at once. Raises UserError for a file that is missing or not such a model.
        """
        if max_faces is not None and max_faces < 1:
            raise UserError(f"the largest number of faces is {max_faces}; give 1 or more")
        if not 0 < min_confidence <= 1:
            raise UserError(f"the smallest face confidence is {min_confidence}; give a number above 0, up to 1")
        if model is not None and not Path(model).is_file():
            raise UserError(f"there is no face landmark model {model}")
        self.video = video
        self.model = Path(model) if model is not None else cached_task_model()
        self._max_faces = max_faces
        self._min_confidence = min_confidence
        self._mesh = MeshReader(mesh_network(self.model, device))
        self._detector = FaceDetector(min(min_confidence, _MIN_DETECTION), device)
        self._identities = IdentityTracker()
        self._active: list[_Candidate] = []
        self._source: str | None = None
        self._size: np.ndarray | None = None  # (2,) width and height of the previous frame
        self._index = -1
        self._time_s = -np.inf
        self._searched_s = -np.inf
        self._checked_s = -np.inf
        self._frames_since_search = 0
        self._tiles_done = 0

    def __call__(self, frame: Frame) -> list[Face]:
        """The faces of a frame, by `face_id`: in a photograph from left to right, in a video by appearance."""
        image = np.ascontiguousarray(frame.image_rgb)
        if not self.video:
            found = self._keep_largest(self._found_by_search(image, self._detector.search(image), []))
            found.sort(key=lambda c: float(c.box_xyxy_px[0] + c.box_xyxy_px[2]))
            return [_face(c, k, image) for k, c in enumerate(found)]
        if frame.source != self._source or frame.index < self._index:
            self._forget()
        self._source, self._index = frame.source, frame.index
        self._follow_size(image)
        # Damaged streams have times that step back.
        self._time_s = time_s = max(self._time_s, frame.time_s)
        found = self._followed(image)
        if _passed(time_s - self._checked_s, _CHECK_EVERY_S):
            found = self._checked(image, found)
            self._checked_s = time_s
        if self._search_due(time_s, bool(found)):
            detections = self._detector.whole(image) + self._next_tiles(image, bool(found))
            found += self._found_by_search(image, detections, found)
            self._searched_s, self._frames_since_search = time_s, 0
        self._frames_since_search += 1
        self._active = self._keep_largest(found)
        ids = self._identities.update([_sighting(c) for c in self._active], time_s)
        faces = [_face(c, k, image) for c, k in zip(self._active, ids, strict=True)]
        return sorted(faces, key=lambda face: face.face_id)

    def stayed(self, time_s: float) -> None:
        """Tell of a later frame of the video, which is not shown, that all faces are where they were."""
        self._time_s = max(self._time_s, time_s)
        self._identities.stayed(self._time_s)

    def state(self) -> dict[str, np.ndarray]:
        """All that the faces of the video's later frames depend on, for `restore`."""
        times = (self._time_s, self._searched_s, self._checked_s)
        counts = (self._index, self._frames_since_search, self._tiles_done)
        arrays = {"times": np.array(times), "counts": np.array(counts)}
        arrays["size"] = np.empty(0) if self._size is None else self._size
        arrays["faces"] = np.array([(c.presence, c.confidence) for c in self._active]).reshape(-1, 2)
        for k, candidate in enumerate(self._active):
            arrays |= {f"{k}.mesh": candidate.mesh_px, f"{k}.box": candidate.box_xyxy_px}
        return arrays | {f"people.{name}": array for name, array in self._identities.state().items()}

    def restore(self, source: str, state: Mapping[str, np.ndarray]) -> None:
        """Go on in a video from where a finder was when its `state` was taken. Raises KeyError for something else."""
        self._forget()
        self._identities.restore(state_below("people", state))
        self._source = source
        self._time_s, self._searched_s, self._checked_s = state["times"].tolist()
        self._index, self._frames_since_search, self._tiles_done = state["counts"].tolist()
        self._size = state["size"] if len(state["size"]) else None
        self._active = [
            _Candidate(state[f"{k}.mesh"], state[f"{k}.box"], presence, confidence)
            for k, (presence, confidence) in enumerate(state["faces"].tolist())
        ]

    def close(self) -> None:
        """The finder is of no use afterwards; its networks stay for the next one."""
        del self._mesh, self._detector

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forget(self) -> None:
        self._identities = IdentityTracker()
        self._active = []
        self._size = None
        self._time_s = -np.inf
        self._searched_s = -np.inf
        self._checked_s = -np.inf
        self._tiles_done = 0

    def _follow_size(self, image: np.ndarray) -> None:
        """Where a stream changes its size on the way, everybody is at the same place of the picture as before."""
        size = np.array(image.shape[1::-1], float)
        if self._size is not None and (size != self._size).any():
            ratio = size / self._size
            self._identities.resize(ratio)
            for candidate in self._active:
                candidate.mesh_px = (candidate.mesh_px * [*ratio, ratio[0]]).astype(np.float32)
                candidate.box_xyxy_px = candidate.box_xyxy_px * np.tile(ratio, 2)
        self._size = size

    def _search_due(self, time_s: float, anyone: bool) -> bool:
        if not anyone:
            return True
        wait_s = _SEARCH_LOST_EVERY_S if self._identities.lost() else _SEARCH_EVERY_S
        return _passed(time_s - self._searched_s, wait_s) or self._frames_since_search >= _SEARCH_EVERY_FRAMES

    def _next_tiles(self, image: np.ndarray, anyone: bool) -> list[Detection]:
        height, width = image.shape[:2]
        side = tile_side(height, width, 1)
        if side is None:
            return []
        corners = tile_corners(height, width, side)
        # The first frame is searched fully; with nobody in view every frame is searched, so one tile will do.
        count = len(corners) if not self._tiles_done else _TILES_PER_SEARCH if anyone else 1
        turns = range(self._tiles_done, self._tiles_done + count)
        self._tiles_done += count
        return self._detector.tiles(image, [corners[k % len(corners)] for k in turns], side)

    def _followed(self, image: np.ndarray) -> list[_Candidate]:
        """The faces of the previous frame, where they still are; two that slid onto one face become one."""
        found: list[_Candidate] = []
        before = sorted(self._active, key=lambda c: -c.confidence)
        regions = [region_of_mesh(last.mesh_px) for last in before]
        for candidate in self._read_all(image, regions, [last.confidence for last in before]):
            if candidate and all(not same_face(candidate.box_xyxy_px, c.box_xyxy_px) for c in found):
                found.append(candidate)
        return found

    def _read(self, image: np.ndarray, region: Region, confidence: float) -> _Candidate | None:
        """The face in a region, unless the mesh network or the place says that it is none."""
        (candidate,) = self._read_all(image, [region], [confidence])
        return candidate

    def _read_all(
        self, image: np.ndarray, regions: list[Region], confidences: list[float]
    ) -> list[_Candidate | None]:
        """The same of several regions."""
        likely = [_may_hold_face(region, image) for region in regions]
        readings = iter(self._mesh.many(image, [region for region, may in zip(regions, likely, strict=True) if may]))
        return [
            _candidate(next(readings), confidence) if may else None
            for may, confidence in zip(likely, confidences, strict=True)
        ]

    def _found_by_search(
        self, image: np.ndarray, detections: list[Detection], known: list[_Candidate]
    ) -> list[_Candidate]:
        """The confirmed faces among the detections that are none of the known ones."""
        found: list[_Candidate] = []
        for detection in detections:
            taken = [c.box_xyxy_px for c in known + found]
            if any(same_face(detection.box_xyxy_px, box) for box in taken):
                continue
            candidate = self._read_new(image, detection)
            if (
                candidate
                and candidate.confidence >= self._min_confidence
                and not any(same_face(candidate.box_xyxy_px, box) for box in taken)
            ):
                found.append(candidate)
        return found

    def _read_new(self, image: np.ndarray, detection: Detection) -> _Candidate | None:
        """The face of a detection; where the upright reading is not confirmed, turned readings are tried."""
        start = region_of_points(detection.box_xyxy_px.reshape(2, 2), *detection.points_px[:2])
        doubtful: _Candidate | None = None
        for turn in (0.0, *_TURNS_RAD):
            region = Region(start.centre_px, start.side_px, start.angle_rad + turn)
            first = self._read(image, region, detection.score)
            # Read again from the mesh's own region, as a followed face is.
            candidate = first and self._read(image, region_of_mesh(first.mesh_px), detection.score)
            if candidate is None:
                continue
            score = self._confirmation(image, candidate)
            if score is not None:
                candidate.confidence = score
                return candidate
            if turn == 0:
                doubtful = candidate
                doubtful.confidence *= _NEVER_CONFIRMED
        return doubtful

    def _checked(self, image: np.ndarray, followed: list[_Candidate]) -> list[_Candidate]:
        """Followed faces with renewed confidence, without those that long were not confirmed."""
        for candidate in followed:
            score = self._confirmation(image, candidate)
            candidate.confidence = candidate.confidence * _UNCONFIRMED if score is None else score
        return [c for c in followed if c.confidence >= self._min_confidence]

    def _confirmation(self, image: np.ndarray, candidate: _Candidate) -> float | None:
        """Score of the box detector for the face that the mesh shows; None where it does not see that face."""
        region = region_of_mesh(candidate.mesh_px)
        surroundings = Region(region.centre_px, region.side_px * _CLOSE_UP, region.angle_rad)
        crop, to_image = cut_region(image, surroundings, _CLOSE_UP_PX)
        eyes = np.stack([candidate.mesh_px[list(corners), :2].mean(0) for corners in _EYES])
        scores = []
        for detection in self._detector.close_up(crop):
            seen = detection.points_px[:2] @ to_image[:, :2].T + to_image[:, 2]
            if np.hypot(*(seen - eyes).T).max() <= _EYE_TOLERANCE * region.side_px:
                scores.append(detection.score)
        return max(scores, default=None)

    def _keep_largest(self, found: list[_Candidate]) -> list[_Candidate]:
        if self._max_faces is None or len(found) <= self._max_faces:
            return found
        return sorted(found, key=lambda c: -np.prod(c.box_xyxy_px[2:] - c.box_xyxy_px[:2]))[: self._max_faces]


def _may_hold_face(region: Region, image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    inside = bool((region.centre_px >= 0).all() and (region.centre_px < (width, height)).all())
    return inside and _MIN_FACE_PX <= region.side_px <= 4 * max(height, width)


def _candidate(reading: MeshReading, confidence: float) -> _Candidate | None:
    points = reading.mesh_px[:, :2]
    box = np.concatenate([points.min(0), points.max(0)])
    if reading.presence < MIN_PRESENCE or np.ptp(points, axis=0).max() < _MIN_FACE_PX:
        return None
    looks = appearance_of(reading.picture, landmarks_from_mesh(reading.in_picture_px))
    return _Candidate(reading.mesh_px, box, reading.presence, confidence, looks)


def _passed(elapsed_s: float, wait_s: float) -> bool:
    # Half a millisecond of slack: frame times are rounded.
    return elapsed_s >= wait_s - 5e-4


def _sighting(candidate: _Candidate) -> Sighting:
    assert candidate.looks is not None  # it was read from this frame
    size_px = float((candidate.box_xyxy_px[2:] - candidate.box_xyxy_px[:2]).max())
    return Sighting(landmarks_from_mesh(candidate.mesh_px).mean(0), size_px, candidate.looks)


def _face(candidate: _Candidate, face_id: int, image_rgb: np.ndarray) -> Face:
    landmarks = landmarks_from_mesh(candidate.mesh_px)
    pose, position = estimate_pose(landmarks, (image_rgb.shape[0], image_rgb.shape[1]))
    return Face(
        box_xyxy_px=candidate.box_xyxy_px.astype(np.float32),
        landmarks_px=landmarks,
        confidence=candidate.confidence,
        pose_deg=pose,
        position_mm=position,
        mesh_px=candidate.mesh_px,
        face_id=face_id,
        gaze=gaze_of(candidate.mesh_px, pose, position),
    )
