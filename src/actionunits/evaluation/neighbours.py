"""What the nearest frames in a feature space share: the person, or an action unit.

Numbers beside the t-SNE of Chu, De la Torre & Cohn, "Learning Spatial and Temporal Cues for Multi-label Facial
Action Unit Detection", FG 2017, Fig. 3, whose clusters of people and AUs are judged by eye.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

NEAREST = 10


def nearest(features: np.ndarray, clip: np.ndarray, count: int = NEAREST) -> np.ndarray:
    """Row numbers of the nearest rows of other clips by Euclidean distance, (N, count).

    Frames of the same clip are alike in everything, so they are not asked. features: (N, D); clip: (N,).
    Fewer columns where some clip has fewer rows beside it.
    """
    distance = euclidean_distances(features.astype(np.float64), squared=True)
    same = clip[:, None] == clip
    distance[same] = np.inf
    return np.argsort(distance, 1, kind="stable")[:, : min(count, int((~same).sum(1).min()))]


def same_person(features: np.ndarray, clip: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Share of each row's nearest rows of other clips that are of the same person, and the share by chance, (N, 2).

    NaN for people with one clip. subject: (N,).
    """
    others = clip[:, None] != clip
    own = (subject[:, None] == subject) & others
    found = nearest(features, clip)
    share = np.stack([(subject[found] == subject[:, None]).mean(1), own.sum(1) / others.sum(1)], 1)
    share[~own.any(1)] = np.nan
    return share


def same_au(features: np.ndarray, clip: np.ndarray, present: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Share of the nearest known rows of other clips that show an AU: around rows that show it, and around others.

    present, valid: (N,) of one AU. NaN where no row shows it, or all do.
    """
    rows = np.flatnonzero(valid)
    shows = present[rows] > 0
    if not len(rows) or shows.all() or not shows.any():
        return float("nan"), float("nan")
    share = shows[nearest(features[rows], clip[rows])].mean(1)
    return float(share[shows].mean()), float(share[~shows].mean())
