"""Face identity over time: which face of a frame is which person, from motion and appearance.

Every face of a frame is compared with every person seen in the last two seconds: how far it is from where the
person was heading, and how much it looks like the person did. The pairs are chosen together, at least total cost
(Hungarian assignment); what no person explains is a new person. Persons are numbered from 0 in order of first
appearance, and from left to right within a frame.

Method: Bewley et al., "Simple Online and Realtime Tracking", 2016, with the appearance term of Wojke et al.,
"Simple Online and Realtime Tracking with a Deep Association Metric", 2017.

Deviations: constant velocity with exponential forgetting instead of a Kalman filter; appearance is the registered
face's coarse brightness pattern and colours, not a re-identification network: it holds for seconds, under the
same light, which is what the two-second memory asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from actionunits.faces.align import register
from actionunits.faces.assignment import cheapest_pairs

FORGET_AFTER_S = 2.0

_APPEARANCE_PX = 48  # side of the registered crop
_GRID = 12  # brightness is compared on a grid of this side
_APPEARANCE_WEIGHT = 1.5
_APPEARANCE_LEARNING = 0.1  # share of a new frame in the remembered appearance
_VELOCITY_LEARNING = 0.4
_VELOCITY_FADES_S = 0.5  # a lost face is taken to slow down within this time
_SPEED_SIZES_PER_S = 2.0  # after a loss a face may be this many face sizes per second away from the prediction
_MAX_MOTION = 1.0  # face sizes from the prediction, in consecutive frames
_MAX_CHANGE = 0.4  # of appearance between consecutive frames: a hand, a shadow, but not another person
_MAX_CHANGE_LOST = 0.3  # of appearance over a loss
_NO_PAIR = 1e6


@dataclass(frozen=True)
class Appearance:
    """What a face looks like, roughly and independently of its place, size and roll."""

    brightness: np.ndarray  # (_GRID * _GRID,) float32, zero mean, unit length
    colour: np.ndarray  # (2,) float32: mean a and b of CIE Lab over the face, 8-bit scale

    def distance(self, other: Appearance) -> float:
        """0 for the same picture; below about 0.3 for one person a moment later."""
        pattern = (1.0 - float(self.brightness @ other.brightness)) / 2
        return pattern + min(1.0, float(np.abs(self.colour - other.colour).sum()) / 60)

    def blended(self, other: Appearance, share: float) -> Appearance:
        """This appearance moved towards another one by `share`."""
        brightness = (1 - share) * self.brightness + share * other.brightness
        brightness /= max(float(np.linalg.norm(brightness)), 1e-9)
        return Appearance(brightness, (1 - share) * self.colour + share * other.colour)


def appearance_of(image_rgb: np.ndarray, landmarks_px: np.ndarray) -> Appearance:
    """Appearance of the face with landmarks (68, 2) in an image (H, W, 3) uint8."""
    crop = register(image_rgb, landmarks_px, _APPEARANCE_PX)
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    grid = cv2.resize(lab[..., 0], (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    grid -= grid.mean()
    quarter = _APPEARANCE_PX // 4
    _, *colour, _ = cv2.mean(lab[quarter:-quarter, quarter:-quarter])
    return Appearance(grid / max(float(np.linalg.norm(grid)), 1e-9), np.array(colour, np.float32))


@dataclass(frozen=True)
class Sighting:
    """A face found in the current frame, before it has a number."""

    centre_px: np.ndarray  # (2,)
    size_px: float
    appearance: Appearance


@dataclass
class _Person:
    face_id: int
    centre_px: np.ndarray
    size_px: float
    appearance: Appearance
    seen_s: float
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def predicted_px(self, time_s: float) -> np.ndarray:
        gone_s = time_s - self.seen_s
        return self.centre_px + self.velocity_px_s * _VELOCITY_FADES_S * (1 - np.exp(-gone_s / _VELOCITY_FADES_S))


def state_below(name: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What belongs to one part of a state: its names begin with that of the part and a dot.

    >>> state_below("people", {"people.clock": 1, "size": 2})
    {'clock': 1}
    """
    beginning = f"{name}."
    return {key.removeprefix(beginning): value for key, value in state.items() if key.startswith(beginning)}


class IdentityTracker:
    """Gives the faces of successive frames their numbers."""

    def __init__(self) -> None:
        self._people: list[_Person] = []
        self._next_id = 0
        self._time_s = -np.inf
        self._step_s = 0.04  # time between frames, for what counts as consecutive

    def update(self, sightings: list[Sighting], time_s: float) -> list[int]:
        """The number of each sighting of the frame at `time_s` (not before the previous frame's)."""
        if np.isfinite(self._time_s):
            self._step_s = time_s - self._time_s
        self._time_s = time_s
        self._people = [p for p in self._people if time_s - p.seen_s <= FORGET_AFTER_S]
        ids: list[int | None] = [None] * len(sightings)
        cost = np.array([[self._cost(p, s) for s in sightings] for p in self._people])
        if cost.size:
            for row, column in cheapest_pairs(cost):
                if cost[row, column] < _NO_PAIR:
                    self._see(self._people[row], sightings[column])
                    ids[column] = self._people[row].face_id
        new = [k for k, face_id in enumerate(ids) if face_id is None]
        for k in sorted(new, key=lambda k: float(sightings[k].centre_px[0])):
            s = sightings[k]
            self._people.append(_Person(self._next_id, s.centre_px, s.size_px, s.appearance, time_s))
            ids[k] = self._next_id
            self._next_id += 1
        return [face_id for face_id in ids if face_id is not None]

    def stayed(self, time_s: float) -> None:
        """Everybody whom the previous frame showed is at the same place in the one at `time_s`."""
        for person in self._people:
            if person.seen_s >= self._time_s:
                person.velocity_px_s = (1 - _VELOCITY_LEARNING) * person.velocity_px_s
                person.seen_s = time_s
        self._step_s, self._time_s = time_s - self._time_s, time_s

    def resize(self, ratio_xy: np.ndarray) -> None:
        """Go on in pictures of another size; ratio_xy: (2,) new width and height over the old ones."""
        for person in self._people:
            person.centre_px = person.centre_px * ratio_xy
            person.velocity_px_s = person.velocity_px_s * ratio_xy
            person.size_px *= float(np.sqrt(ratio_xy.prod()))

    def state(self) -> dict[str, np.ndarray]:
        """All that the numbers of later frames depend on, for `restore`."""
        people = [(p.face_id, p.size_px, p.seen_s) for p in self._people]
        arrays = {"people": np.array(people, np.float64).reshape(-1, 3)}
        arrays["clock"] = np.array([self._next_id, self._time_s, self._step_s])
        for k, person in enumerate(self._people):
            arrays |= {f"{k}.centre": person.centre_px, f"{k}.velocity": person.velocity_px_s}
            arrays |= {f"{k}.brightness": person.appearance.brightness, f"{k}.colour": person.appearance.colour}
        return arrays

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where another tracker was when its `state` was taken. Raises KeyError for something else."""
        next_id, self._time_s, self._step_s = state["clock"].tolist()
        self._next_id = int(next_id)
        self._people = []
        for k, (face_id, size_px, seen_s) in enumerate(state["people"].tolist()):
            looks = Appearance(state[f"{k}.brightness"], state[f"{k}.colour"])
            centre_px, velocity_px_s = state[f"{k}.centre"], state[f"{k}.velocity"]
            self._people.append(_Person(int(face_id), centre_px, size_px, looks, seen_s, velocity_px_s))

    def lost(self) -> bool:
        """Whether a person of the last two seconds was missing in the last frame."""
        return any(p.seen_s < self._time_s for p in self._people)

    def _cost(self, person: _Person, sighting: Sighting) -> float:
        size = (person.size_px + sighting.size_px) / 2
        gap = float(np.hypot(*(sighting.centre_px - person.predicted_px(self._time_s)))) / size
        unseen_s = max(0.0, self._time_s - person.seen_s - self._step_s)
        looks = person.appearance.distance(sighting.appearance)
        growth = abs(float(np.log2(sighting.size_px / person.size_px)))
        max_change = _MAX_CHANGE_LOST if unseen_s > 0 else _MAX_CHANGE
        if gap > _MAX_MOTION + _SPEED_SIZES_PER_S * unseen_s or looks > max_change or growth > 1:
            return _NO_PAIR
        # The longer a face was away, the less its place says and the more its looks decide.
        return gap / (1 + _SPEED_SIZES_PER_S * unseen_s) + growth + _APPEARANCE_WEIGHT * looks

    def _see(self, person: _Person, sighting: Sighting) -> None:
        passed_s = self._time_s - person.seen_s
        if passed_s > 0:
            velocity = (sighting.centre_px - person.centre_px) / passed_s
            person.velocity_px_s = person.velocity_px_s + _VELOCITY_LEARNING * (velocity - person.velocity_px_s)
        person.centre_px, person.size_px = sighting.centre_px, sighting.size_px
        person.appearance = person.appearance.blended(sighting.appearance, _APPEARANCE_LEARNING)
        person.seen_s = self._time_s
