"""Scores of all folds of a protocol as one table: every fold, their mean, and all test frames pooled.

The mean over folds is what papers print; a single fold is not comparable with it. Its interval draws people, of all
folds at once, and takes the mean over folds anew for every draw. Pooled scores take each fold's own thresholds; their
AUC compares probabilities of different models, which the mean over folds does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actionunits.aus import au_label
from actionunits.evaluation.crossval import FoldOutputs
from actionunits.evaluation.predictions import FramePredictions, concatenate
from actionunits.evaluation.protocols import LEVEL_METRICS, METRICS, score_frames
from actionunits.scores import bootstrap
from actionunits.scores.metrics import mean_over_aus

MEAN, POOLED, AVERAGE = "mean", "pooled", "average"
SCORES = (*METRICS, *LEVEL_METRICS)
INTERVALS = ("f1", "auc", "icc")  # scores that get low and high columns
COLUMNS = (
    "fold",
    "fold_seed",
    "occurrence_level",
    "threshold_rule",
    "frames",
    "subjects",
    "au",
    "n",
    "base_rate",
    *SCORES,
    *(f"{name}_{bound}" for name in INTERVALS for bound in ("low", "high")),
    "n_intensity",
    "threshold",
    "commit",
    "seed",
    "config",
)


def score_folds(
    outputs: Sequence[FoldOutputs], rule: str, replicates: int = bootstrap.REPLICATES, seed: int = 0
) -> pd.DataFrame:
    """One row per fold and AU, and the same with fold "mean" and "pooled"; the AU "average" is the mean over AUs.

    Columns: COLUMNS; low and high are 95% intervals over people. With several seeds of the division, frames are
    pooled within each, as "seed0-pooled". rule: one of crossval.THRESHOLD_RULES.
    """
    drawing = _Drawing(rule, replicates, seed)
    frames = [fold.with_rule(rule) for fold in outputs]
    parts = [drawing.rows(piece, fold.name, [fold]) for fold, piece in zip(outputs, frames, strict=True)]
    parts.append(drawing.mean_rows(parts, frames, outputs))
    if len(outputs) > 1:
        for division in dict.fromkeys(fold.seed for fold in outputs):
            own = [k for k, fold in enumerate(outputs) if fold.seed == division]
            prefix = outputs[own[0]].name.rpartition("-")[0] if len(own) < len(outputs) else ""
            name = f"{prefix}-{POOLED}" if prefix else POOLED
            parts.append(drawing.rows(concatenate([frames[k] for k in own]), name, [outputs[k] for k in own]))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True)
class _Drawing:
    """How rows are scored and how their intervals are drawn."""

    rule: str
    replicates: int
    seed: int

    def rows(self, frames: FramePredictions, fold: str, outputs: Sequence[FoldOutputs]) -> pd.DataFrame:
        """Rows of one test set, with intervals of its own people."""
        result = score_frames(frames, self.replicates, self.seed)
        table = result.table.copy()
        average: dict[str, Any] = {"au": AVERAGE, "n": np.nan, "n_intensity": np.nan, "threshold": np.nan}
        average |= {name: mean_over_aus(table[name].to_numpy()) for name in ("base_rate", *SCORES)}
        for name, (low, high) in result.intervals.items():
            average |= {f"{name}_low": low, f"{name}_high": high}
        table = pd.concat([table, pd.DataFrame([average])], ignore_index=True)
        return self._described(table, fold, frames.occurrence_level, len(frames), result.subjects, outputs)

    def mean_rows(
        self, parts: Sequence[pd.DataFrame], frames: Sequence[FramePredictions], outputs: Sequence[FoldOutputs]
    ) -> pd.DataFrame:
        """Mean over folds of every AU, with the interval of that mean."""
        aus = [au_label(au) for au in frames[0].aus]
        rows: list[dict[str, Any]] = []
        columns = ["base_rate", *SCORES]
        stacked = np.stack([part[part["au"] != AVERAGE][columns].to_numpy(np.float64) for part in parts])  # (F, A, M)
        mean = np.array([[mean_over_aus(cell) for cell in au] for au in stacked.transpose(1, 2, 0)])  # (A, M)
        # Frames are counted once, however many divisions they are in.
        once = [part.iloc[:-1] for part, output in zip(parts, outputs, strict=True) if output.seed == outputs[0].seed]
        counts = {name: sum(part[name].to_numpy() for part in once) for name in ("n", "n_intensity")}
        for a, au in enumerate(aus):
            number = {name: values[a] for name, values in counts.items()}
            rows.append({"au": au, **dict(zip(columns, mean[a], strict=True)), **number})
        rows.append({"au": AVERAGE, **{name: mean_over_aus(mean[:, k]) for k, name in enumerate(columns)}})
        for name, per_replicate in self._replicates(frames).items():
            bounds = [bootstrap.interval_of_mean(per_replicate[:, [a]]) for a in range(len(aus))]
            for row, (low, high) in zip(rows, [*bounds, bootstrap.interval_of_mean(per_replicate)], strict=True):
                row |= {f"{name}_low": low, f"{name}_high": high}
        tested = sum(int(part["frames"].iloc[0]) for part in once)
        people = len(_people(frames)[0])
        return self._described(pd.DataFrame(rows), MEAN, frames[0].occurrence_level, tested, people, outputs)

    def _replicates(self, frames: Sequence[FramePredictions]) -> dict[str, np.ndarray]:
        """Mean over folds of each score in every draw of people, (R, A)."""
        people, owners = _people(frames)
        draws = bootstrap.draw_subjects(len(people), self.replicates, self.seed)
        found: dict[str, list[np.ndarray]] = {}
        for piece, owner in zip(frames, owners, strict=True):
            labels = (piece.au_present, piece.au_detected, piece.au_present_valid)
            found.setdefault("f1", []).append(bootstrap.f1(draws, owner, *labels))
            auc = bootstrap.auc(draws, owner, piece.au_present, piece.au_prob, piece.au_present_valid)
            found.setdefault("auc", []).append(auc)
            predicted = piece.au_intensity_predicted
            if predicted is not None:
                rated = piece.au_intensity_valid
                icc = bootstrap.icc_3_1(draws, owner, piece.au_intensity, predicted, rated)
                found.setdefault("icc", []).append(icc)
        return {name: _mean_of_known(np.stack(values)) for name, values in found.items()}

    def _described(
        self,
        table: pd.DataFrame,
        fold: str,
        level: float,
        frames: int,
        subjects: int,
        outputs: Sequence[FoldOutputs],
    ) -> pd.DataFrame:
        """The rows with what they are of, in the order of COLUMNS."""
        headers = [output.header for output in outputs]
        seeds = {output.seed for output in outputs}
        # Base rates are filled in by training and differ from fold to fold.
        config = {name: value for name, value in headers[0]["config"].items() if name != "au_rates"}
        config["model"] = headers[0]["model"]
        table = table.assign(
            fold=fold,
            fold_seed=next(iter(seeds)) if len(seeds) == 1 else None,
            occurrence_level=level,
            threshold_rule=self.rule,
            frames=frames,
            subjects=subjects,
            commit=" ".join(dict.fromkeys(header["commit"] for header in headers)),
            seed=headers[0]["seed"],
            config=json.dumps(config, sort_keys=True),
        )
        return table.reindex(columns=COLUMNS).astype({"n": "Int64", "n_intensity": "Int64", "fold_seed": "Int64"})


def _people(frames: Sequence[FramePredictions]) -> tuple[list[str], list[np.ndarray]]:
    """Names of all people, and the number of its person for every row of each piece."""
    names = sorted({name for piece in frames for name in piece.subject.present().names})
    place = {name: k for k, name in enumerate(names)}
    owners = []
    for piece in frames:
        present = piece.subject.present()
        owners.append(np.array([place[name] for name in present.names])[present.number])
    return names, owners


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(0)
    return np.divide(total, known.sum(0), out=np.full(total.shape, np.nan), where=known.any(0))
