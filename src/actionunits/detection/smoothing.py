"""Optional smoothing of predictions over time, per person and causal; off unless asked for.

An exponential moving average of logits and intensities with a time constant in seconds, so that the frame rate
does not matter. After a gap longer than three time constants a person starts anew.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from actionunits.detection.calibration import all_intensities, apart, logit_of, prob_of
from actionunits.types import Prediction

FORGET_AFTER = 3.0  # in time constants


class Smoother:
    """Exponential moving average; thresholds: (A,), of the model, in the order of the predictions."""

    def __init__(self, time_constant_s: float, thresholds: np.ndarray) -> None:
        if not time_constant_s > 0:
            raise ValueError(f"the time constant must be above 0 s, not {time_constant_s}")
        self.time_constant_s, self.thresholds = time_constant_s, thresholds
        self._state: dict[int, tuple[float, np.ndarray, np.ndarray]] = {}  # time, logits, intensities

    def __call__(self, prediction: Prediction, face_id: int, time_s: float) -> Prediction:
        """The smoothed prediction of this face at this time."""
        logit, intensity = logit_of(prediction.au_prob), all_intensities(prediction).astype(np.float64)
        if face_id in self._state:
            last_s, last_logit, last_intensity = self._state[face_id]
            passed = (time_s - last_s) / self.time_constant_s
            if 0 <= passed <= FORGET_AFTER:
                keep = np.exp(-passed)
                logit = keep * last_logit + (1 - keep) * logit
                intensity = keep * last_intensity + (1 - keep) * intensity
        self._state[face_id] = (time_s, logit, intensity)
        prob = prob_of(logit)
        whole, sides = apart(intensity.astype(np.float32))
        return replace(
            prediction, au_prob=prob, au_intensity=whole, au_present=prob >= self.thresholds, au_sides=sides
        )
