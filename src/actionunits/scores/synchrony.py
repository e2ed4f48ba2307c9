"""Synchrony of two people: how closely the course of one resembles that of the other, and at which delay.

The correlation of two courses is taken at every lag within MOST_LAG_S, and the highest is kept with its lag. Two
people who do not know of each other reach some height, too, since the highest of many is chosen and faces move
slowly. So it is held against surrogates: the same, where one course is shifted in time by more than any lag that is
looked at; what leaves at the end comes in at the beginning.

Cross-correlation: Boker, Rotondo, Xu & King, "Windowed cross-correlation and peak picking", Psychological Methods
2002; surrogates: Moulder, Boker, Ramseyer & Tschacher, "Determining synchrony between behavioral time series",
Psychological Methods 2018.
Deviations: one window holds the whole recording; all shifts are surrogates, not some by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_LAG_S = 3.0
LEAST_COMMON_S = 10.0  # for which both must be known
LEAST_SURROGATES = 8  # windows of lags side by side, for a floor
FLOOR_SHARE = 0.95  # of the surrogates lie below the floor
_LEAST_VARIANCE = 1e-6  # of a course that changes, where intensities are 0-5


@dataclass(frozen=True)
class Synchrony:
    """Of two courses; NaN is unknown."""

    r: float  # correlation without a lag
    peak_r: float  # the highest correlation
    lag_s: float  # where that is; above 0 the second course follows the first
    frames: int  # in which both are known there
    floor_r: float  # what peak_r of 95% of the surrogates stays below; NaN where there are too few


def synchrony(first: np.ndarray, second: np.ndarray, step_s: float) -> Synchrony | None:
    """Synchrony of two courses of equal length, (T,), every `step_s` seconds; NaN where they are unknown.

    None where they are known together for too short a time, or one of them does not change.
    """
    frames, most = len(first), max(1, round(MOST_LAG_S / step_s))
    least = LEAST_COMMON_S / step_s
    if frames < least:
        return None
    r, known = lagged_correlations(first, second, frames + most)
    lags = np.arange(-most, most + 1)  # negative ones lie at the end
    r, known = np.where(known[lags] >= least, r[lags], np.nan), known[lags]
    if np.isnan(r).all():
        return None
    peak = int(np.nanargmax(r))
    return Synchrony(
        float(r[most]),
        float(r[peak]),
        float(lags[peak] * step_s),
        int(known[peak]),
        _floor(first, second, most, least),
    )


def lagged_correlations(first: np.ndarray, second: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of first[t] with second[t + s], (size,), by s; and the number of frames in which both are known.

    Time goes in a circle of `size` frames, at least as many as there are; with more, ends do not meet. NaN where one
    does not change over the common frames.
    """
    spectra = [_spectra(values, size) for values in (first, second)]

    def total(power_first: int, power_second: int) -> np.ndarray:
        return np.fft.irfft(np.conj(spectra[0][power_first]) * spectra[1][power_second], size)

    count = np.rint(total(0, 0))
    known = np.maximum(count, 1)
    means = total(1, 0) / known, total(0, 1) / known
    variances = total(2, 0) / known - means[0] ** 2, total(0, 2) / known - means[1] ** 2
    changes = (count > 1) & (np.minimum(*variances) > _LEAST_VARIANCE)
    spread = np.sqrt(np.where(changes, variances[0] * variances[1], 1.0))
    r = np.where(changes, (total(1, 1) / known - means[0] * means[1]) / spread, np.nan)
    return np.clip(r, -1, 1), count.astype(int)


def _spectra(values: np.ndarray, size: int) -> list[np.ndarray]:
    """Of what is known (1 or 0), of the values, and of their squares."""
    known = np.isfinite(values)
    centred = np.where(known, values - (values[known].mean() if known.any() else 0.0), 0.0)
    return [np.fft.rfft(part, size) for part in (known.astype(float), centred, centred**2)]


def _floor(first: np.ndarray, second: np.ndarray, most: int, least: float) -> float:
    """The height that 95% of the surrogates stay below: windows of lags around every larger shift."""
    frames, width = len(first), 2 * most + 1
    # Windows begin behind the lags that are looked at, and end before they come again.
    if frames - width < LEAST_SURROGATES * width:
        return float("nan")
    r, known = lagged_correlations(first, second, frames)
    shifted = np.where(known >= least, r, -np.inf)[most + 1 : frames - most]
    peaks = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(shifted, nan=-np.inf), width).max(1)
    peaks = peaks[np.isfinite(peaks)]
    return float(np.quantile(peaks, FLOOR_SHARE)) if len(peaks) else float("nan")
