"""Confidence intervals of mean scores by drawing subjects, not frames, with replacement.

Frames of one person are alike: an interval over frames would be far too narrow. Efron & Tibshirani, An
Introduction to the Bootstrap, 1993, percentile intervals (Sec. 13.3), with the subject as the unit.

A replicate is put together from sums per subject. Scikit-learn's scores of the drawn frames, or
`scipy.stats.bootstrap` over them, would sort all frames in every replicate: minutes where this takes a second.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.integrate import trapezoid

from actionunits.scores import events, metrics

REPLICATES = 1000
LEVEL = 0.95
DRAWS_AT_ONCE = 128  # whose event curves are made together, for the memory they take
SUBJECTS_AT_ONCE = 64  # counted together, for the memory it takes


def draw_subjects(subjects: int, replicates: int, seed: int) -> np.ndarray:
    """How often each subject is drawn in each replicate, (R, S) int64; every row sums to S."""
    return np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=replicates)


def interval_of_mean(per_replicate: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the mean over AUs. per_replicate: (R, A), NaN where an AU has no value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice"
        means = np.nanmean(per_replicate, 1)
    means = means[np.isfinite(means)]
    if not len(means):
        return np.nan, np.nan
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _per_subject(values: np.ndarray, subject: np.ndarray, subjects: int) -> np.ndarray:
    """Sums over the rows of each subject, (N, A) -> (S, A)."""
    sums = np.zeros((subjects, values.shape[1]))
    np.add.at(sums, subject, values)
    return sums


def counts(
    draws: np.ndarray, subject: np.ndarray, au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """Confusion counts of every replicate, (R, A, 4), for `metrics.f1_from` and its like.

    draws: (R, S); subject: (N,) numbers below S.
    """
    cells = np.stack(
        [
            metrics.confusion(au_present[subject == s], au_detected[subject == s], valid[subject == s])
            for s in range(draws.shape[1])
        ]
    )  # (S, A, 4)
    return np.tensordot(draws, cells, 1)


def f1(
    draws: np.ndarray, subject: np.ndarray, au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """F1 of every replicate, (R, A)."""
    return np.stack([metrics.f1_from(c) for c in counts(draws, subject, au_present, au_detected, valid)])


def auc(
    draws: np.ndarray, subject: np.ndarray, au_present: np.ndarray, au_score: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """AUC of every replicate, (R, A); NaN where a replicate has one class only.

    How often the positives of subject s score above the negatives of subject t is counted once; a replicate
    then is a sum over pairs of subjects.
    """
    subjects = draws.shape[1]
    result = np.full((len(draws), au_present.shape[1]), np.nan)
    for a in range(au_present.shape[1]):
        known = valid[:, a]
        positive, score, owner = au_present[known, a] > 0, au_score[known, a], subject[known]
        n_positive = np.bincount(owner[positive], minlength=subjects)
        n_negative = np.bincount(owner[~positive], minlength=subjects)
        pairs = (draws @ n_positive) * (draws @ n_negative)
        wins = _wins(score[positive], owner[positive], score[~positive], owner[~positive], subjects)
        won = np.einsum("rs,rs->r", draws @ wins, draws)
        np.divide(won, pairs, out=result[:, a], where=pairs > 0)
    return result


def _wins(
    score: np.ndarray, owner: np.ndarray, against: np.ndarray, against_owner: np.ndarray, subjects: int
) -> np.ndarray:
    """Pairs in which a score of subject s is above one of subject t, ties count half, (S, S). Arrays: (P,), (Q,)."""
    wins = np.zeros((subjects, subjects))
    if not len(score) or not len(against):
        return wins
    order = np.argsort(owner, kind="stable")
    score, owner = score[order], owner[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    order = np.argsort(against, kind="stable")
    against, against_owner = against[order], against_owner[order]
    below, up_to = (np.searchsorted(against, score, side) for side in ("left", "right"))
    for first in range(0, subjects, SUBJECTS_AT_ONCE):
        width = min(SUBJECTS_AT_ONCE, subjects - first)
        here = (against_owner >= first) & (against_owner < first + width)
        seen = np.zeros((len(against) + 1, width), np.int32)  # of each subject among the lowest so many
        seen[1:][here, against_owner[here] - first] = 1
        np.cumsum(seen, axis=0, out=seen)
        counts = np.add.reduceat(seen[below] + seen[up_to], starts, axis=0, dtype=np.int64)
        wins[owner[starts], first : first + width] = counts / 2
    return wins


def icc_3_1(
    draws: np.ndarray, subject: np.ndarray, au_intensity: np.ndarray, au_predicted: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """ICC(3,1) of every replicate, (R, A).

    With two raters it is 2 cov / (var + var): it follows from sums per subject.
    """
    t = np.where(valid, au_intensity, 0).astype(np.float64)
    g = np.where(valid, au_predicted, 0).astype(np.float64)
    sums = [_per_subject(v, subject, draws.shape[1]) for v in (valid.astype(np.float64), t, g, t * t, g * g, t * g)]
    n, st, sg, stt, sgg, stg = (draws @ s for s in sums)
    n = np.where(n >= 2, n, np.nan)
    covariance, variance = stg - st * sg / n, stt - st * st / n + sgg - sg * sg / n
    varies = variance > 1e-12 * (stt + sgg)
    return np.divide(2 * covariance, variance, out=np.full_like(variance, np.nan), where=varies)


def mae(
    draws: np.ndarray, subject: np.ndarray, au_intensity: np.ndarray, au_predicted: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """Mean absolute error of every replicate, (R, A); NaN without a known label."""
    error = np.abs(np.where(valid, au_predicted, 0) - np.where(valid, au_intensity, 0)).astype(np.float64)
    total, n = (draws @ _per_subject(v, subject, draws.shape[1]) for v in (error, valid.astype(np.float64)))
    return np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)


def f1_event(
    draws: np.ndarray,
    subject: np.ndarray,
    au_present: np.ndarray,
    au_detected: np.ndarray,
    valid: np.ndarray,
    timeline: events.Timeline,
) -> np.ndarray:
    """F1-event of every replicate, (R, A); NaN without a known label."""
    subjects = draws.shape[1]
    each = events.count_events_of_each(au_present, au_detected, valid, timeline, subject, subjects)
    known = draws @ _per_subject(valid.astype(np.float64), subject, subjects)
    found = np.full(known.shape, np.nan)
    for first in range(0, len(draws), DRAWS_AT_ONCE):
        rows = slice(first, first + DRAWS_AT_ONCE)
        drawn = events.EventCounts(*(np.tensordot(draws[rows], part, 1) for part in (each.found, each.right)))
        found[rows] = trapezoid(events.f1_event_curve(drawn)) / events.STEPS
    return np.where(known > 0, found, np.nan)
