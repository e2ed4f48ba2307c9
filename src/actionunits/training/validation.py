"""Scores of a model on validation crops, and what its checkpoint needs from them: thresholds and neutral logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import nn

from actionunits.aus import au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import center_crop
from actionunits.datasets.sampling.rows import rows_of_clips
from actionunits.datasets.sampling.sequences import PairSampler
from actionunits.errors import UserError
from actionunits.models.batch import Output
from actionunits.models.contract import over_time, prediction_inputs
from actionunits.scores import metrics

OF_SEQUENCES = {"anchor": "anchor frames", "flow": "flow of two frames"}  # inputs that only data of sequences has
DEFAULT_THRESHOLD = 0.5  # for an AU that no validation frame shows
PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class CropPredictions:
    """Outputs of a model for every row of a CropData."""

    au_logit: np.ndarray  # (N, A) float32
    au_intensity: np.ndarray | None  # (N, A) float32, 0-5
    au_level: np.ndarray | None = None  # (N, A) int8, 0-5: the most probable level, of models that classify levels

    @classmethod
    def of(cls, output: Output) -> CropPredictions:
        """What a model returned, as arrays."""
        intensity, level = output.au_intensity, output.au_level
        return cls(
            output.au_logit.float().cpu().numpy(),
            None if intensity is None else intensity.float().cpu().numpy(),
            None if level is None else level.cpu().numpy().astype(np.int8),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[CropPredictions]) -> CropPredictions:
        """Rows of several, one after the other."""

        def joined(name: str) -> np.ndarray | None:
            values = [getattr(part, name) for part in parts]
            return None if values[0] is None else np.concatenate(values)

        return cls(np.concatenate([part.au_logit for part in parts]), joined("au_intensity"), joined("au_level"))

    def select(self, rows: np.ndarray) -> CropPredictions:
        """Some of the rows, in the given order."""
        chosen = (None if values is None else values[rows] for values in (self.au_intensity, self.au_level))
        return CropPredictions(self.au_logit[rows], *chosen)

    @property
    def au_prob(self) -> np.ndarray:
        """(N, A), 0-1."""
        return expit(self.au_logit.astype(np.float64))


def row_groups(model: Any, data: CropData, size: int) -> list[np.ndarray]:
    """All rows in groups that can pass the model apart from each other: `size` rows, or whole clips in time order.

    The latter where the output for a frame depends on the frames before, with `size` rows or more if there are.
    """
    if over_time(model) is None:
        return [np.arange(start, min(start + size, len(data))) for start in range(0, len(data), size)]
    groups: list[list[np.ndarray]] = [[]]
    for rows in rows_of_clips(data.clip, data.frame, np.unique(data.clip).tolist()):
        if sum(map(len, groups[-1])) >= size:
            groups.append([])
        groups[-1].append(rows)
    return [np.concatenate(group) for group in groups]


@torch.inference_mode()
def predict_crops(
    model: Any,
    data: CropData,
    image_size: int,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    bf16: bool = False,
) -> CropPredictions:
    """Outputs of a model in eval mode for all rows, from their plain registered crops; of clips in time order.

    Raises UserError where the model reads anchors or flow and the data has none.
    """
    inputs = prediction_inputs(model)
    for name, what in OF_SEQUENCES.items():
        if name in inputs and getattr(data, name) is None:
            raise UserError(f"the model reads {what}, and not every part of the data has them; prepare it again")
    device = torch.device(device)
    temporal = over_time(model)
    order, parts = [], []
    for group in row_groups(model, data, batch_size if temporal is None else 1):
        state = None
        for start in range(0, len(group), batch_size):
            rows = group[start : start + batch_size]
            batch = center_crop(data.batch(rows, device, inputs), image_size, data.margin)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                if temporal is None:
                    output = model(batch)
                else:
                    one = torch.zeros(len(rows), dtype=torch.long, device=device)
                    output, state = temporal.stream(dataclasses.replace(batch, sequence=one), state)
            order.append(rows)
            parts.append(CropPredictions.of(output))
    return CropPredictions.concatenate(parts).select(np.argsort(np.concatenate(order)))


@torch.inference_mode()
def pair_scores(
    model: nn.Module,
    data: CropData,
    image_size: int,
    frames: int | None = None,
    device: torch.device | str = "cpu",
    bf16: bool = False,
) -> dict[str, float]:
    """Mean losses of a model in eval mode over pairs of frames of one clip, and `score`, less their sum.

    The pairs are drawn once, from plain registered crops, and show as many frames as the data has, at most `frames`.
    Raises UserError where no clip has two frames.
    """
    device = torch.device(device)
    sampler = PairSampler((data.subject, data.clip), min(PAIRS_AT_ONCE, max(1, len(data) // 4)), seed=0)
    steps = sampler.steps_per_epoch
    if frames is not None:
        steps = min(steps, max(1, frames // (2 * sampler.batch_size)))
    sums: dict[str, float] = {}
    for step in range(steps):
        batch = center_crop(data.batch(sampler.batch_indices(step), device), image_size, data.margin)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            losses = model.losses(model(batch), batch)  # type: ignore[operator]
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value) / steps
    return sums | {"score": -sum(sums.values())}


def judged(model: nn.Module, data: CropData, image_size: int, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What a checkpoint tells of a model by its validation crops: thresholds, neutral logits, scores.

    In full precision, as detection runs. A model that was trained without labels has scores on pairs of frames alone.
    """
    if not data.aus:
        return {"scores": {"validation": _rounded(pair_scores(model, data, image_size, device=device))}}
    predictions = predict_crops(model, data, image_size, device=device)
    return {
        "thresholds": thresholds(data, predictions),
        "neutral_logit": neutral_logits(data, predictions),
        "scores": {
            "validation": _rounded(scores(data, predictions)),
            "validation_per_au": per_au_scores(data, predictions),
        },
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def scores(data: CropData, predictions: CropPredictions) -> dict[str, float]:
    """Mean AUC, best F1, ICC(3,1) over AUs where they exist, and `score`, the mean of AUC and ICC."""
    known = data.au_present_valid
    found = {"auc": metrics.mean_over_aus(metrics.auc(data.au_present, predictions.au_logit, known))}
    threshold = metrics.best_f1_threshold(data.au_present, predictions.au_logit, known)
    detected = predictions.au_logit >= np.nan_to_num(threshold, nan=np.inf)
    found["f1"] = metrics.mean_over_aus(metrics.f1(data.au_present, detected, known))
    if predictions.au_intensity is not None:
        icc = metrics.icc_3_1(data.au_intensity, predictions.au_intensity, data.au_intensity_valid)
        found["icc"] = metrics.mean_over_aus(icc)
    found = {name: value for name, value in found.items() if np.isfinite(value)}
    parts = [found[name] for name in ("auc", "icc") if name in found]
    return found | ({"score": float(np.mean(parts))} if parts else {})


def thresholds(data: CropData, predictions: CropPredictions) -> dict[str, float]:
    """Probability per AU label from which it counts as present: the one with the best F1 on these rows."""
    best = metrics.best_f1_threshold(data.au_present, predictions.au_prob, data.au_present_valid)
    best = np.where(np.isfinite(best), best, DEFAULT_THRESHOLD)
    return {au_label(au): float(value) for au, value in zip(data.aus, best, strict=True)}


def neutral_logits(data: CropData, predictions: CropPredictions) -> dict[str, float]:
    """Mean logit per AU label over rows where every AU is known to be absent; empty if there is no such row."""
    absent = (data.au_intensity_valid & (data.au_intensity == 0)).all(1)
    if not absent.any():
        absent = (data.au_present_valid & (data.au_present == 0)).all(1)
    if not absent.any():
        return {}
    mean = predictions.au_logit[absent].mean(0)
    return {au_label(au): float(value) for au, value in zip(data.aus, mean, strict=True)}


def per_au_scores(data: CropData, predictions: CropPredictions) -> dict[str, dict[str, Any]]:
    """AUC, F1 at the best threshold and ICC(3,1) per AU label; None where a score has no value."""
    known = data.au_present_valid
    best = metrics.best_f1_threshold(data.au_present, predictions.au_logit, known)
    detected = predictions.au_logit >= np.nan_to_num(best, nan=np.inf)
    table: dict[str, np.ndarray] = {
        "auc": metrics.auc(data.au_present, predictions.au_logit, known),
        "f1": metrics.f1(data.au_present, detected, known),
    }
    if predictions.au_intensity is not None:
        table["icc"] = metrics.icc_3_1(data.au_intensity, predictions.au_intensity, data.au_intensity_valid)
    return {
        au_label(au): {
            name: round(float(values[a]), 4) if np.isfinite(values[a]) else None for name, values in table.items()
        }
        for a, au in enumerate(data.aus)
    }
