"""Scores of action unit detection per AU, as pure functions of arrays.

Every function takes arrays of one row per frame and one column per AU, (N, A), and returns one number per
AU, (A,) float64. `valid` is True where the label is known; an unknown label never enters. A mean over AUs
is `mean_over_aus`. What has no value is NaN, never a made-up number:

- A prediction for a known label that is not finite is a ValueError: the caller decides what it means.
- F1, precision, recall: 0 / 0 counts as 0, as in scikit-learn with `zero_division=0`; NaN without any known
  label.
- F1-norm: NaN when only one class is present, as the AUC.
- Accuracy: NaN without any known label.
- AUC: probability that a positive frame scores above a negative one, ties count half (Mann-Whitney U); NaN
  when only one class is present.
- ICC(3,1): two-way mixed, single measures, consistency (Shrout & Fleiss 1979); NaN below two frames, and when
  neither labels nor predictions vary.
- MAE: in intensity levels, 0-5.
- PCC: Pearson; NaN when labels or predictions do not vary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.metrics import mean_absolute_error, roc_auc_score

# Sums of squares below this share of the values' own square are rounding, not variation.
_NO_VARIATION = 1e-12


def _columns(
    score: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, guess: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """`score(truth, guess)` of the known rows of every AU, (A,)."""
    truth, guess, valid = np.asarray(truth), np.asarray(guess), np.asarray(valid, bool)
    if truth.shape != guess.shape or truth.shape != valid.shape or truth.ndim != 2:
        raise ValueError(f"arrays (N, A) of one shape needed, not {truth.shape}, {guess.shape}, {valid.shape}")
    result = np.full(truth.shape[1], np.nan)
    for a in range(truth.shape[1]):
        known = valid[:, a]
        if known.any():
            if not np.isfinite(guess[known, a]).all():
                raise ValueError(f"predictions of column {a} are not all finite")
            result[a] = score(truth[known, a].astype(np.float64), guess[known, a].astype(np.float64))
    return result


def confusion(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Counts of true positives, false positives, false negatives, true negatives, (A, 4) int64."""
    truth, guess, known = np.asarray(au_present) > 0, np.asarray(au_detected) > 0, np.asarray(valid, bool)
    if truth.shape != guess.shape or truth.shape != known.shape:
        raise ValueError(f"arrays (N, A) of one shape needed, not {truth.shape}, {guess.shape}, {known.shape}")
    cells = (truth & guess, ~truth & guess, truth & ~guess, ~truth & ~guess)
    return np.stack([(cell & known).sum(0) for cell in cells], -1).astype(np.int64)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, known: np.ndarray) -> np.ndarray:
    value = np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
    return np.where(known > 0, value, np.nan)


def precision_from(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FP) of counts (A, 4)."""
    return _ratio(counts[:, 0], counts[:, 0] + counts[:, 1], counts.sum(-1))


def recall_from(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of counts (A, 4)."""
    return _ratio(counts[:, 0], counts[:, 0] + counts[:, 2], counts.sum(-1))


def f1_from(counts: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of counts (A, 4)."""
    return _ratio(2 * counts[:, 0], 2 * counts[:, 0] + counts[:, 1] + counts[:, 2], counts.sum(-1))


def f1_norm_from(counts: np.ndarray) -> np.ndarray:
    """Skew-normalised F1 of counts (A, 4): F1 as it would be with as many negative as positive frames.

    With the ratio q = positives / negatives = (TP + FN) / (FP + TN), the two cells of the negative frames
    are multiplied by q:

        F1-norm = 2 TP / (2 TP + q FP + FN) = 2 r / (1 + r + f)

    where r = TP / (TP + FN) and f = FP / (FP + TN) are the rates of true and of false alarms: the base rate
    drops out. Jeni, Cohn & De la Torre, "Facing imbalanced data", ACII 2013; hybrid paper, Sec. IV-B. The
    latter's words "false negatives and true negatives" are read as the negative frames that are classified
    falsely (FP) and truly (TN): scaling FN in place of FP would leave the score dependent on the base rate.
    """
    positives, negatives = counts[:, 0] + counts[:, 2], counts[:, 1] + counts[:, 3]
    both = (positives > 0) & (negatives > 0)
    hit_rate = counts[:, 0] / np.where(both, positives, 1)
    alarm_rate = counts[:, 1] / np.where(both, negatives, 1)
    return np.where(both, 2 * hit_rate / (1 + hit_rate + alarm_rate), np.nan)


def accuracy_from(counts: np.ndarray) -> np.ndarray:
    """Share of known frames that are right, of counts (A, 4)."""
    return _ratio(counts[:, 0] + counts[:, 3], counts.sum(-1), counts.sum(-1))


def precision(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Share of detections that are right."""
    return precision_from(confusion(au_present, au_detected, valid))


def recall(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Share of present AUs that are detected."""
    return recall_from(confusion(au_present, au_detected, valid))


def f1(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall over frames (F1-frame)."""
    return f1_from(confusion(au_present, au_detected, valid))


def f1_norm(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """F1 over frames, normalised for the base rate: see `f1_norm_from`."""
    return f1_norm_from(confusion(au_present, au_detected, valid))


def accuracy(au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Share of known frames that are right."""
    return accuracy_from(confusion(au_present, au_detected, valid))


def _auc(truth: np.ndarray, score: np.ndarray) -> float:
    positive = truth > 0
    if positive.all() or not positive.any():
        return np.nan
    return float(roc_auc_score(positive, score))


def auc(au_present: np.ndarray, au_score: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of any score that grows with presence."""
    return _columns(_auc, np.asarray(au_present) > 0, au_score, valid)


def _icc_3_1(truth: np.ndarray, guess: np.ndarray) -> float:
    if len(truth) < 2:
        return np.nan
    both = np.stack([truth, guess], 1)
    frame_mean, rater_mean, mean = both.mean(1), both.mean(0), both.mean()
    between = 2 * np.sum((frame_mean - mean) ** 2) / (len(truth) - 1)
    residual = np.sum((both - frame_mean[:, None] - rater_mean + mean) ** 2) / (len(truth) - 1)
    if between + residual <= _NO_VARIATION * np.mean(both**2):
        return np.nan
    return float((between - residual) / (between + residual))


def icc_3_1(au_intensity: np.ndarray, au_predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Intra-class correlation ICC(3,1): consistency of label and prediction as two fixed raters.

    (BMS - EMS) / (BMS + (k - 1) EMS) with k = 2; Shrout & Fleiss, Psychological Bulletin 86(2), 1979.
    """
    return _columns(_icc_3_1, au_intensity, au_predicted, valid)


def mae(au_intensity: np.ndarray, au_predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Mean absolute error."""
    return _columns(mean_absolute_error, au_intensity, au_predicted, valid)


def _pcc(truth: np.ndarray, guess: np.ndarray) -> float:
    both = np.stack([truth, guess])
    if (both.var(1) <= _NO_VARIATION * np.square(both).mean(1)).any():
        return np.nan
    return float(np.corrcoef(both)[0, 1])


def pcc(au_intensity: np.ndarray, au_predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pearson correlation of label and prediction."""
    return _columns(_pcc, au_intensity, au_predicted, valid)


def mean_over_aus(per_au: np.ndarray) -> float:
    """Mean over the AUs that have a value; NaN when none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice"
        return float(np.nanmean(np.asarray(per_au, np.float64)))


def best_f1_threshold(au_present: np.ndarray, au_score: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Threshold per AU (score >= threshold is a detection) that gives the highest F1 on these frames, (A,).

    Choose it on validation frames, never on test frames. It lies halfway to the next lower score, so that
    it does not cling to one frame; of equally good ones the highest is taken. NaN for an AU without a
    positive.
    """
    return _columns(_best_f1_threshold, np.asarray(au_present) > 0, au_score, valid)


def _best_f1_threshold(truth: np.ndarray, score: np.ndarray) -> float:
    positive = truth > 0
    if not positive.any():
        return np.nan
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_tie = np.append(np.diff(ranked) != 0, True)
    hits, detected = np.cumsum(positive[order])[last_of_tie], np.flatnonzero(last_of_tie) + 1
    best = int(np.argmax(2 * hits / (detected + positive.sum())))
    levels = ranked[last_of_tie]
    if best + 1 == len(levels):
        return float(levels[best])
    halfway = (levels[best] + levels[best + 1]) / 2
    return float(halfway if halfway > levels[best + 1] else levels[best])
