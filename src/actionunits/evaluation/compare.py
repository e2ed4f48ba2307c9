"""Paired tests between two models on the same frames: is the difference more than luck with these people?

Two tests, both with people as the unit, because frames of one person are alike:

- Paired bootstrap: people are drawn with replacement, the same ones for both models, and the difference of the
  scores is taken anew; percentile interval, and a two-sided p from the share of draws on either side of zero.
  Efron & Tibshirani, An Introduction to the Bootstrap, 1993, Sec. 13.3 and 15.
- Sign-flip permutation: were the models equal, the difference of their scores on one person would have either
  sign with equal chance. p is the share of sign patterns whose mean difference is at least as far from zero: of
  all patterns for few people, of random ones otherwise. Good, Permutation, Parametric, and Bootstrap Tests of
  Hypotheses, 2005, Ch. 3. A person in whom an AU never occurs says nothing about its F1 and AUC.

Where a model was trained with several seeds, its score is the mean over its trainings, and every draw of people also
draws trainings of each model with replacement: the interval then holds the noise of training too.

The p of single AUs are not corrected for their number.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.errors import UserError
from actionunits.evaluation.predictions import FramePredictions, read_predictions
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.scores import bootstrap, metrics
from actionunits.scores.events import Timeline

METRICS = ("f1", "f1_event", "auc", "icc", "mae")
OF_INTENSITY = ("icc", "mae")
UNITS = ("subject", "fold")
MEAN = "mean"  # name of the row of the mean over AUs
FLIPS = 10_000  # random sign patterns
EXACT_UNITS = 13  # up to so many units, all 2^n patterns are taken


@dataclass(frozen=True)
class Comparison:
    """Differences between two models on the same frames.

    table: one row per metric and AU, and one per metric for the mean over AUs: metric, au ("AU01" or MEAN), a, b
    (scores), difference (a - b), low, high (95%), p_bootstrap, units (that say something about the AU), p_flip.
    """

    table: pd.DataFrame
    aus: tuple[int, ...]
    left_out: tuple[int, ...]  # AUs that only one of the two has
    frames: int
    subjects: int
    data: str
    unit: str  # of the sign flips, one of UNITS
    occurrence_level: float
    names: tuple[str, str]  # of the two models


def compare(
    first: FramePredictions | Sequence[FramePredictions],
    second: FramePredictions | Sequence[FramePredictions],
    *,
    metric_names: tuple[str, ...] | None = None,
    replicates: int = bootstrap.REPLICATES,
    flips: int = FLIPS,
    unit: str = "subject",
    seed: int = 0,
) -> Comparison:
    """Compare two models' outputs on the same frames with the same labels.

    first, second: of one training each, or of several with different seeds. metric_names: of METRICS; by default all
    that both models have outputs for. unit: of the sign flips, "subject" or "fold". Raises UserError where frames or
    labels differ, no AU is shared, or there is but one unit.
    """
    if unit not in UNITS:
        raise UserError(f"unknown unit '{unit}'; known are {', '.join(UNITS)}")
    sides = [[given] if isinstance(given, FramePredictions) else list(given) for given in (first, second)]
    a, b = sides[0][0], sides[1][0]
    aus = tuple(au for au in a.aus if all(au in frames.aus for side in sides for frames in side))
    if not aus:
        raise UserError("the two models have no action unit in common")
    left, right = (_Trainings.of(side, a, aus) for side in sides)
    names = _metric_names(metric_names, left, right)
    owners, subject = np.unique(a.subject.number, return_inverse=True)
    if len(owners) < 2:
        raise UserError("both tests need two subjects or more")
    unit_of, units = (subject, len(owners)) if unit == "subject" else _fold_units(a)
    # In one go, because a score's sums per subject are the work: everybody once, then the draws.
    draws = np.concatenate(
        [np.ones((1, len(owners)), np.int64), bootstrap.draw_subjects(len(owners), replicates, seed)]
    )
    alone = np.eye(units, dtype=np.int64)
    occurs = _occurs(left.sides[0], unit_of, units)
    tables = []
    for name in names:
        drawn_a, drawn_b = (side.drawn(name, draws, subject, seed + k) for k, side in enumerate((left, right)))
        single = left.mean(name, alone, unit_of) - right.mean(name, alone, unit_of)
        if name in ("f1", "f1_event"):
            single = np.where(occurs, single, np.nan)
        tables.append(_rows(name, aus, drawn_a[0], drawn_b[0], drawn_a[1:] - drawn_b[1:], single, flips, seed))
    return Comparison(
        table=pd.concat(tables, ignore_index=True),
        aus=aus,
        left_out=tuple(sorted(set(a.aus) ^ set(b.aus))),
        frames=len(a),
        subjects=len(owners),
        data=" + ".join(a.data.present().names),
        unit=unit,
        occurrence_level=a.occurrence_level,
        names=(left.name("first"), right.name("second")),
    )


def compare_files(
    first: Sequence[Path], second: Sequence[Path], metric: str, unit: str, replicates: int, seed: int
) -> Comparison:
    """`compare` on files of `predictions`, one per training. metric: names with commas, or nothing for all."""
    names = tuple(name.strip() for name in metric.split(",") if name.strip()) or None
    a, b = ([read_predictions(path) for path in paths] for paths in (first, second))
    return compare(a, b, metric_names=names, unit=unit, replicates=replicates, seed=seed)


def write_comparison(path: Path | str, result: Comparison) -> None:
    """Write the table as CSV, with both models' names and what they were compared on."""
    table = result.table.copy()
    about = {
        "first": result.names[0],
        "second": result.names[1],
        "data": result.data,
        "occurrence_level": result.occurrence_level,
        "frames": result.frames,
        "subjects": result.subjects,
        "unit": result.unit,
        "commit": source_commit(),
    }
    for position, (name, value) in enumerate(about.items()):
        table.insert(position, name, value)
    with write_atomically(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


@dataclass(frozen=True)
class _Side:
    """One model's outputs and the labels, for the shared AUs and in the order of the first model's rows."""

    present: np.ndarray
    known: np.ndarray
    detected: np.ndarray
    prob: np.ndarray
    intensity: np.ndarray
    rated: np.ndarray
    predicted: np.ndarray | None
    timeline: Timeline | None  # of the first model's rows

    @classmethod
    def of(cls, frames: FramePredictions, aus: tuple[int, ...], rows: np.ndarray, timeline: Timeline | None) -> _Side:
        pick = np.ix_(rows, np.array([frames.aus.index(au) for au in aus]))
        predicted = frames.au_intensity_predicted
        return cls(
            frames.au_present[pick],
            frames.au_present_valid[pick],
            frames.au_detected[pick],
            frames.au_prob[pick],
            frames.au_intensity[pick],
            frames.au_intensity_valid[pick],
            None if predicted is None else predicted[pick],
            timeline,
        )

    def score(self, name: str, draws: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Score of every replicate, (R, A)."""
        if name == "f1":
            return bootstrap.f1(draws, owner, self.present, self.detected, self.known)
        if name == "auc":
            return bootstrap.auc(draws, owner, self.present, self.prob, self.known)
        if name == "f1_event":
            assert self.timeline is not None
            return bootstrap.f1_event(draws, owner, self.present, self.detected, self.known, self.timeline)
        assert self.predicted is not None
        score = bootstrap.icc_3_1 if name == "icc" else bootstrap.mae
        return score(draws, owner, self.intensity, self.predicted, self.rated)


@dataclass(frozen=True)
class _Trainings:
    """All trainings of one model."""

    sides: tuple[_Side, ...]
    runs: tuple[str, ...]  # names of those that have one

    @classmethod
    def of(
        cls, trainings: Sequence[FramePredictions], reference: FramePredictions, aus: tuple[int, ...]
    ) -> _Trainings:
        """Rows in the order of those of `reference`. Raises UserError where frames or labels differ from its own."""
        timeline, own = reference.timeline(), _Side.of(reference, aus, np.arange(len(reference)), None)
        sides = []
        for frames in trainings:
            side = _Side.of(frames, aus, _same_rows(reference, frames), timeline)
            _check_labels(own, side, reference, frames)
            sides.append(side)
        return cls(tuple(sides), tuple(str(frames.about["run"]) for frames in trainings if "run" in frames.about))

    def name(self, otherwise: str) -> str:
        """Names of its runs."""
        return " + ".join(dict.fromkeys(self.runs)) or otherwise

    @property
    def rates_intensity(self) -> bool:
        """Whether all trainings give intensities."""
        return all(side.predicted is not None for side in self.sides)

    def mean(self, name: str, draws: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Mean over trainings of the score of every replicate, (R, A)."""
        return np.mean([side.score(name, draws, owner) for side in self.sides], axis=0)

    def drawn(self, name: str, draws: np.ndarray, owner: np.ndarray, seed: int) -> np.ndarray:
        """The same with trainings drawn anew for every replicate but the first, which is the sample itself."""
        count = len(self.sides)
        share = (
            np.random.default_rng((seed, 7)).multinomial(count, np.full(count, 1 / count), size=len(draws)) / count
        )
        share[0] = 1 / count
        scores = np.stack([side.score(name, draws, owner) for side in self.sides], axis=1)  # (R, K, A)
        return np.where(share[..., None] > 0, scores * share[..., None], 0).sum(1)


def _same_rows(a: FramePredictions, b: FramePredictions) -> np.ndarray:
    """For every row of `a` the row of `b` with the same frame, (N,)."""
    keys_a, keys_b = a.frame_keys(), b.frame_keys()
    place = {key: row for row, key in enumerate(keys_b)}
    for keys, which in ((keys_a, "first"), (keys_b, "second")):
        if len(set(keys)) < len(keys):
            raise UserError(f"the {which} table has a frame twice; frames cannot be paired")
    only_a = [key for key in keys_a if key not in place]
    only_b = sorted(set(keys_b) - set(keys_a))
    for only, which, other in ((only_a, "first", "second"), (only_b, "second", "first")):
        if only:
            data, subject, clip, frame = only[0]
            raise UserError(
                f"{len(only)} frames are in the {which} table and not in the {other}, such as frame {frame} of "
                f"{clip} ({subject}, {data}); compare models on the same frames"
            )
    return np.array([place[key] for key in keys_a])


def _check_labels(left: _Side, right: _Side, a: FramePredictions, b: FramePredictions) -> None:
    if a.occurrence_level != b.occurrence_level:
        raise UserError(
            f"the tables count an AU as present from different intensities: {a.occurrence_level:g} and "
            f"{b.occurrence_level:g}"
        )
    same = np.array_equal(left.known, right.known) and np.array_equal(
        left.present[left.known], right.present[right.known]
    )
    if not same or not np.array_equal(left.intensity, right.intensity, equal_nan=True):
        raise UserError("the two tables hold different labels for the same frames; evaluate both on the same data")


def _metric_names(wanted: tuple[str, ...] | None, left: _Trainings, right: _Trainings) -> tuple[str, ...]:
    both_rate, in_time = left.rates_intensity and right.rates_intensity, left.sides[0].timeline is not None
    if wanted is None:
        left_out = {*(() if both_rate else OF_INTENSITY), *(() if in_time else ("f1_event",))}
        return tuple(name for name in METRICS if name not in left_out)
    for name in wanted:
        if name not in METRICS:
            raise UserError(f"unknown metric '{name}'; known are {', '.join(METRICS)}")
    rating = [name for name in wanted if name in OF_INTENSITY]
    if rating and not both_rate:
        raise UserError(f"{rating[0]} needs intensities, and one of the two models gives none")
    if "f1_event" in wanted and not in_time:
        raise UserError("f1_event needs frames that follow each other, and these are single pictures")
    return tuple(dict.fromkeys(wanted))


def _fold_units(frames: FramePredictions) -> tuple[np.ndarray, int]:
    used, number = np.unique(frames.fold.number, return_inverse=True)
    if len(used) < 2:
        raise UserError("the first table holds a single fold; the unit must be subject")
    return number, len(used)


def _occurs(side: _Side, owner: np.ndarray, units: int) -> np.ndarray:
    """Whether an AU is present in a frame of the unit, (U, A)."""
    found = np.zeros((units, side.present.shape[1]), bool)
    np.logical_or.at(found, owner, side.present & side.known)
    return found


def _rows(
    name: str,
    aus: tuple[int, ...],
    score_a: np.ndarray,
    score_b: np.ndarray,
    drawn: np.ndarray,
    single: np.ndarray,
    flips: int,
    seed: int,
) -> pd.DataFrame:
    """Rows of one metric. score_a, score_b: (A,); drawn: (R, A) and single: (U, A), differences."""
    # The mean is over AUs that have a value for both, so that the difference of means is the mean difference.
    both = np.isfinite(score_a) & np.isfinite(score_b)
    columns = [(au_label(au), score_a[k], score_b[k], drawn[:, k], single[:, k]) for k, au in enumerate(aus)]
    mean_a, mean_b = (metrics.mean_over_aus(score[both]) for score in (score_a, score_b))
    columns.append((MEAN, mean_a, mean_b, _mean_of_rows(drawn[:, both]), _mean_of_rows(single[:, both])))
    rows = []
    for label, own, other, replicates, per_unit in columns:
        low, high = interval(replicates)
        rows.append(
            {
                "metric": name,
                "au": label,
                "a": own,
                "b": other,
                "difference": own - other,
                "low": low,
                "high": high,
                "p_bootstrap": bootstrap_p(replicates),
                "units": int(np.isfinite(per_unit).sum()),
                "p_flip": sign_flip_p(per_unit, flips, seed),
            }
        )
    return pd.DataFrame(rows)


def _mean_of_rows(values: np.ndarray) -> np.ndarray:
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice"
        return np.nanmean(values, 1)


def interval(replicates: np.ndarray, level: float = bootstrap.LEVEL) -> tuple[float, float]:
    """Percentile interval of the replicates that have a value, (R,); NaN without any."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(replicates: np.ndarray) -> float:
    """Two-sided p of a difference from its bootstrap replicates, (R,).

    Twice the smaller share of replicates that lie on one side of zero or on it; the observed sample counts as one
    replicate on either side, so that p is never 0.

    >>> bootstrap_p(np.array([0.1, 0.2, 0.3]))
    0.5
    """
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return np.nan
    below, above = (known <= 0).sum(), (known >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(known))))


def sign_flip_p(differences: np.ndarray, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p that the mean of the units' differences, (U,), is zero; units without a value are left out.

    NaN for fewer than two units.

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))
    0.25
    """
    known = differences[np.isfinite(differences)]
    if len(known) < 2:
        return np.nan
    exact = len(known) <= EXACT_UNITS
    if exact:
        signs = 1 - 2 * ((np.arange(2 ** len(known))[:, None] >> np.arange(len(known))) & 1)
    else:
        signs = np.random.default_rng(seed).choice(np.array([-1, 1]), (flips, len(known)))
    # Rounding must not tell a pattern from the observed one when both give the same sum.
    reached = np.abs(signs @ known) >= np.abs(known.sum()) - 1e-12 * np.abs(known).sum()
    return float(reached.mean() if exact else (1 + reached.sum()) / (1 + flips))
