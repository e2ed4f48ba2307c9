"""End-point error of estimated flow on renders, whose true flow is known, over all pixels and near AU centres."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.synthau import load_crops
from actionunits.datasets.crops.true_flow import true_flows
from actionunits.datasets.sampling.augment import center_crop
from actionunits.models.batch import Batch
from actionunits.models.eacnet.centers import au_centers
from actionunits.scores.bootstrap import LEVEL, draw_subjects

Estimator = Callable[[Batch], Tensor]  # image and anchor to flow (B, 2, S, S), pixels
AU_AREA = 0.055  # half the side of an AU's area in crops: EAC-Net's 11 of 100 cells
REPLICATES = 2000
BATCH_SIZE = 64


def end_point_error(flow: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean distance between the ends of two flows (N, S, S, 2) over the pixels that count (N, S, S); NaN if none."""
    distance = np.hypot(*np.moveaxis(flow - true, -1, 0))
    pixels = counts.sum((1, 2))
    return np.where(pixels > 0, (distance * counts).sum((1, 2)) / np.maximum(pixels, 1), np.nan)


def near_au_centers(landmarks: Tensor, size: int) -> np.ndarray:
    """Pixels within AU_AREA of one of EAC-Net's AU centres, (B, size, size) bool; landmarks: (B, 68, 2), 0-1."""
    centers = au_centers(landmarks).numpy()
    axis = (np.arange(size) + 0.5) / size
    near_x = np.abs(axis - centers[..., :1]) <= AU_AREA  # (B, 20, size)
    near_y = np.abs(axis - centers[..., 1:]) <= AU_AREA
    return (near_y[..., :, None] & near_x[..., None, :]).any(1)


@torch.inference_mode()
def flow_errors(folder: Path, estimators: Mapping[str, Estimator], image_size: int) -> pd.DataFrame:
    """One row per frame, estimator and area: subject, active (an AU is present), method, area, error_px.

    area: "all", every pixel whose true motion is known, or "au", those of them near AU centres. The first frame of
    a clip, which all motion is measured to, is left out. Raises UserError for renders without flow.
    """
    data = load_crops(folder, stored_size(image_size))
    truth = true_flows(folder, image_size)
    parts = []
    for start in range(0, len(data), BATCH_SIZE):
        rows = np.arange(start, min(start + BATCH_SIZE, len(data)))
        stored = data.batch(rows, inputs=("image", "anchor", "landmarks"))
        batch = center_crop(stored, image_size, data.margin)
        assert batch.landmarks is not None
        true, known = map(np.stack, zip(*(next(truth) for _ in rows), strict=True))
        areas = {"all": known, "au": known & near_au_centers(batch.landmarks, image_size)}
        moved = data.frame[rows] > 0
        about = {
            "subject": data.subject[rows][moved],
            "active": ((data.au_present > 0) & data.au_present_valid)[rows].any(1)[moved],
        }
        for method, estimate in estimators.items():
            flow = estimate(batch).permute(0, 2, 3, 1).numpy().astype(np.float64)
            for area, counts in areas.items():
                error = end_point_error(flow[moved], true[moved], counts[moved])
                parts.append(pd.DataFrame({**about, "method": method, "area": area, "error_px": error}))
    return pd.concat(parts, ignore_index=True)


def summarise(errors: pd.DataFrame, reference: str, seed: int = 0) -> pd.DataFrame:
    """Mean error per area and method, and its ratio to that of `reference`, with an interval over people.

    A person's error is the mean of their frames, the error the mean of the people; intervals draw people anew.
    """
    rows = []
    for area, here in errors.groupby("area"):
        people = here.pivot_table(index="subject", columns="method", values="error_px", aggfunc="mean", sort=False)
        draws = draw_subjects(len(people), REPLICATES, seed)
        drawn = draws @ people.to_numpy() / len(people)
        base = drawn[:, people.columns.get_loc(reference)]
        for k, method in enumerate(people.columns):
            low, high = np.quantile(drawn[:, k] / base, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            mean = people[method].mean()
            ratio = mean / people[reference].mean()
            values = (area, method, mean, ratio, low, high, len(people), int(here["method"].eq(method).sum()))
            rows.append(values)
    columns = ["area", "method", "error_px", "ratio", "ratio_low", "ratio_high", "people", "frames"]
    return pd.DataFrame(rows, columns=columns)
