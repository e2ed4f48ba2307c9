"""AU43, eyes that stay closed, from AU45.

The models know closed eyes as AU45 alone. FACS calls them a blink (AU45) where they open again within half a second,
and AU43 where they do not (Ekman, Friesen & Hager, Facial Action Coding System, 2002).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from actionunits.detection.detector import Detector
from actionunits.detection.options import AnalysisOptions
from actionunits.errors import UserError
from actionunits.reports.episodes import GAP_S
from actionunits.types import FrameResult, Prediction

CLOSED, BLINK = 43, 45
LASTS_S = 0.5  # closed for longer: no blink
_ROUNDING_S = 1e-6


@dataclass(eq=False)
class _Stretch:
    """Frames of one person with AU45 present, in a row."""

    onset_s: float
    last_s: float
    lasts: bool = False
    is_over: bool = False

    def reach(self, time_s: float) -> None:
        self.lasts |= time_s - self.onset_s > LASTS_S + _ROUNDING_S


class ClosedEyesOption:
    """AU43 beside the action units of the detector, where the options ask for it.

    aus: those of the results. Raises UserError where the detector reports no AU45, or AU43 itself.
    """

    def __init__(self, detector: Detector, options: AnalysisOptions) -> None:
        self.aus, self._wanted = detector.aus, options.eyes_closed
        self._open: dict[int, _Stretch] = {}  # by face_id
        if not self._wanted:
            return
        if CLOSED in detector.aus:
            raise UserError(f"{detector.weights} reports AU43 by itself; leave --eyes-closed out")
        if BLINK not in detector.aus:
            raise UserError("--eyes-closed is made from AU45, which is not reported; add 45 to --aus")
        self._place = detector.aus.index(BLINK)
        self.aus = (*self.aus[: self._place], CLOSED, *self.aus[self._place :])

    def applied(self, results: Iterator[FrameResult]) -> Iterator[FrameResult]:
        """The results with AU43; they wait, for a second at most, until it is known whether closed eyes stay so."""
        return self._applied(results) if self._wanted else results

    def _applied(self, results: Iterator[FrameResult]) -> Iterator[FrameResult]:
        waiting: deque[tuple[FrameResult, Mapping[int, _Stretch]]] = deque()
        for result in results:
            waiting.append((result, self._stretches(result)))
            while waiting and all(stretch.lasts or stretch.is_over for stretch in waiting[0][1].values()):
                yield self._told(*waiting.popleft())
        for each in waiting:
            yield self._told(*each)

    def _stretches(self, result: FrameResult) -> dict[int, _Stretch]:
        """The stretches of which a frame is part, by `face_id`; faces that cannot be used begin and end none."""
        time_s = result.frame.time_s
        for face_id, stretch in list(self._open.items()):
            if time_s - stretch.last_s > GAP_S + _ROUNDING_S:  # lost from sight
                self._open.pop(face_id).is_over = True
        found = {}
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            is_closed = bool(prediction.au_present[self._place])
            if face.is_usable and is_closed:
                stretch = self._open.setdefault(face.face_id, _Stretch(time_s, time_s))
                stretch.last_s = time_s
                stretch.reach(time_s)
            elif face.is_usable and face.face_id in self._open:
                stretch = self._open.pop(face.face_id)
                stretch.reach(time_s)
                stretch.is_over = True
            if is_closed and face.face_id in self._open:
                found[face.face_id] = self._open[face.face_id]
        return found

    def _told(self, result: FrameResult, stretches: Mapping[int, _Stretch]) -> FrameResult:
        stays = {face_id for face_id, stretch in stretches.items() if stretch.lasts}
        pairs = zip(result.faces, result.predictions, strict=True)
        return replace(result, predictions=[self._beside(told, face.face_id in stays) for face, told in pairs])

    def _beside(self, prediction: Prediction, stays: bool) -> Prediction:
        """AU43 is what AU45 is where eyes stay closed, and absent elsewhere."""

        def both(values: np.ndarray) -> np.ndarray:
            return np.insert(values, self._place, values[self._place] * stays, axis=0)

        return replace(
            prediction,
            aus=self.aus,
            au_prob=both(prediction.au_prob),
            au_intensity=both(prediction.au_intensity),
            au_present=both(prediction.au_present),
            au_sides=None if prediction.au_sides is None else both(prediction.au_sides),
        )
