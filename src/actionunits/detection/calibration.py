"""A person's own neutral face as reference: how a constant offset of face, camera or light is removed.

With r0 and l0 a person's intensity and logit on a neutral face, l_model the model's mean logit on neutral
validation frames (`neutral_logit` of the checkpoint), each prediction of that person becomes

    intensity   r' = clip((r - r0) * 5 / (5 - r0), 0, 5)      r0 reads 0 and 5 stays 5
    logit       l' = l + l_model - l0                         then the model's thresholds as before

The reference is a frame that the user calls neutral, a photograph of the person, or, without any, the person's own
resting face, see scores/resting.py: there l0 is such that no logit is raised, and a person who never rests has none.
Source of the idea: OpenFace's person-specific offset (Baltrušaitis, Mahmoud & Robinson, "Cross-dataset learning and
person-specific normalisation for automatic action unit detection", FERA 2015).
Deviations: the intensity is stretched so that 5 stays reachable; probabilities are corrected too.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actionunits.scores.resting import above_rest, next_look, resting_face
from actionunits.types import FrameResult, Prediction

PROB_MARGIN = 1e-6  # keeps the logit of a saturated probability finite
MOST_KEPT = 16_384  # frames of a person; with more, every second one is let go, so that memory stays flat


@dataclass(frozen=True)
class NeutralReference:
    """One person's outputs on a neutral face, in the order of the predictions' `aus`."""

    au_logit: np.ndarray  # (A,) float
    intensities: np.ndarray  # (A, 1 or 3) float, 0-5, see `all_intensities`; NaN where the model has none


def logit_of(au_prob: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, finite at 0 and 1."""
    prob = np.clip(np.asarray(au_prob, np.float64), PROB_MARGIN, 1 - PROB_MARGIN)
    return np.log(prob) - np.log1p(-prob)


def prob_of(au_logit: np.ndarray) -> np.ndarray:
    """Probability of log-odds, float32."""
    return np.exp(-np.logaddexp(0, -np.asarray(au_logit, np.float64))).astype(np.float32)


def all_intensities(prediction: Prediction) -> np.ndarray:
    """Overall intensity of every action unit, (A, 1), and beside it those of left and right, (A, 3), where told."""
    whole = prediction.au_intensity[:, None]
    return whole if prediction.au_sides is None else np.concatenate([whole, prediction.au_sides], 1)


def apart(intensities: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Overall intensity (A,), and those of both sides (A, 2) where `all_intensities` has them."""
    return intensities[:, 0], intensities[:, 1:] if intensities.shape[1] > 1 else None


def reference_of(prediction: Prediction) -> NeutralReference:
    """The reference that one prediction on a neutral face gives."""
    return NeutralReference(logit_of(prediction.au_prob), all_intensities(prediction).astype(np.float64))


def mean_reference(references: Sequence[NeutralReference]) -> NeutralReference:
    """The reference that several of one person give."""
    return NeutralReference(
        np.mean([reference.au_logit for reference in references], axis=0),
        np.mean([reference.intensities for reference in references], axis=0),
    )


class Calibration:
    """Moves predictions by their person's neutral reference.

    thresholds and neutral_logit: (A,), of the model, in the order of the predictions. references: by `face_id`;
    for_others: the reference of everybody who has none. A face without a reference is left as it is.
    """

    def __init__(
        self,
        thresholds: np.ndarray,
        neutral_logit: np.ndarray,
        references: Mapping[int, NeutralReference],
        for_others: NeutralReference | None = None,
    ) -> None:
        self.thresholds, self.neutral_logit = thresholds, neutral_logit
        self.references, self.for_others = dict(references), for_others

    def __call__(self, prediction: Prediction, face_id: int) -> Prediction:
        """The same face's prediction relative to its neutral reference."""
        reference = self.references.get(face_id, self.for_others)
        if reference is None:
            return prediction
        prob = prob_of(logit_of(prediction.au_prob) + self.neutral_logit - reference.au_logit)
        intensity = above_rest(all_intensities(prediction), reference.intensities)
        whole, sides = apart(intensity.astype(np.float32))
        return replace(
            prediction, au_prob=prob, au_intensity=whole, au_present=prob >= self.thresholds, au_sides=sides
        )

    def of_frame(self, result: FrameResult) -> FrameResult:
        """All faces of a frame, each relative to its reference."""
        pairs = zip(result.predictions, result.faces, strict=True)
        return replace(result, predictions=[self(prediction, face.face_id) for prediction, face in pairs])


class _Outputs:
    """The outputs of one person, 8 to 16 bytes per action unit and frame that is kept."""

    def __init__(self) -> None:
        self.seen = self._kept = 0  # frames
        self._every = 1  # of the frames seen, one in so many is kept
        self._shape: tuple[int, ...] = ()  # of a frame
        self._values = array("f")

    def add(self, prediction: Prediction) -> None:
        if self.seen % self._every == 0:
            told = np.column_stack([logit_of(prediction.au_prob), all_intensities(prediction)]).astype(np.float32)
            self._shape, self._kept = told.shape, self._kept + 1
            self._values.frombytes(told.tobytes())
        self.seen += 1
        if self._kept == MOST_KEPT:
            half = self._table()[::2]
            self._values = array("f", half.tobytes())
            self._kept, self._every = len(half), 2 * self._every

    def reference(self, neutral_logit: np.ndarray) -> NeutralReference | None:
        """The resting face, if there is one."""
        table = self._table().astype(np.float64)
        rest = resting_face(table[..., 0], table[..., 1:], neutral_logit)
        return None if rest is None else NeutralReference(neutral_logit + rest.excess_logit, rest.intensities)

    def _table(self) -> np.ndarray:
        """(T, A, 2 or 4): log-odds and intensities."""
        return np.frombuffer(self._values, np.float32).reshape(self._kept, *self._shape)


class RestCollector:
    """Collects the outputs of every person over a video."""

    def __init__(self) -> None:
        self._people: dict[int, _Outputs] = {}

    def add(self, prediction: Prediction, face_id: int) -> None:
        """Take note of one face of one frame."""
        self._people.setdefault(face_id, _Outputs()).add(prediction)

    def add_frame(self, result: FrameResult) -> None:
        """Take note of the usable faces of a frame."""
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            if face.is_usable:
                self.add(prediction, face.face_id)

    def references(self, neutral_logit: np.ndarray) -> dict[int, NeutralReference]:
        """The resting face of every person who shows one; neutral_logit: (A,), as the Calibration gets it."""
        found = {face_id: outputs.reference(neutral_logit) for face_id, outputs in self._people.items()}
        return {face_id: reference for face_id, reference in found.items() if reference is not None}


class RestSoFar(RestCollector):
    """The resting face that every person has shown so far, for an input without an end, such as a webcam.

    shown: by `face_id`, of who has shown one. neutral_logit: (A,), as the Calibration gets it.
    """

    def __init__(self, neutral_logit: np.ndarray) -> None:
        super().__init__()
        self._neutral_logit = neutral_logit
        self._looks: dict[int, int] = {}  # how much of a person is to be seen before the next look
        self.shown: dict[int, NeutralReference] = {}

    def add(self, prediction: Prediction, face_id: int) -> None:
        super().add(prediction, face_id)
        outputs = self._people[face_id]
        if outputs.seen < self._looks.setdefault(face_id, next_look(0)):
            return
        self._looks[face_id] = next_look(outputs.seen)
        reference = outputs.reference(self._neutral_logit)
        if reference is None:
            self.shown.pop(face_id, None)
        else:
            self.shown[face_id] = reference
