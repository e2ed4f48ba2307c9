"""How much the mean features of people differ: Jensen-Shannon divergence between subjects, and hand-made features.

Chu, De la Torre & Cohn, "Learning Spatial and Temporal Cues for Multi-label Facial Action Unit Detection", FG 2017,
Sec. IV-C, Eq. (5), Fig. 4.
Deviations: the paper names neither its Gabor bank nor its HOG; ours are below.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit, rel_entr
from skimage.filters import gabor_kernel

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.hog import HogConfig
from actionunits.models.hog.features import grey, hog

GABOR_SIZE = 64  # pixels
GABOR_FREQUENCIES = (1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16)  # waves per pixel
GABOR_ORIENTATIONS = 8  # over half a turn
GABOR_CELLS = 8  # along each side, in which the magnitude is averaged
SCALE = 1e6  # Fig. 4
BATCH_SIZE = 64


def subject_distribution(mean: np.ndarray) -> np.ndarray:
    """A person's mean features as a discrete distribution: logistic function of mean / median, sum 1. Sec. IV-C.

    mean: (D,). Raises UserError where the median is 0.
    """
    middle = float(np.median(mean))
    if middle == 0:
        raise UserError("at least half of the features are 0 on average; the median heuristic divides by the median")
    squeezed = expit(mean / middle)
    return squeezed / squeezed.sum()


def js_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions, (D,) each, natural logarithm. Eq. (5)."""
    m = (p + q) / 2
    return float((rel_entr(p, m) + rel_entr(q, m)).sum() / 2)


def subject_divergences(features: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Sum of the divergences from every other person, per person, scaled as in Fig. 4: / log(D) * 1e6; (S,).

    Features that are 0 in every row say nothing and are left out. features: (N, D); subject: (N,) number of the
    person of each row. Raises UserError for fewer than two people.
    """
    people = np.unique(subject)
    if len(people) < 2:
        raise UserError("divergence is between people, and the data holds only one; name data of two or more")
    features = features[:, features.any(0)]
    total = np.zeros(len(people))
    found = [subject_distribution(features[subject == person].mean(0).astype(np.float64)) for person in people]
    for i in range(len(people)):
        for j in range(i):
            total[[i, j]] += js_divergence(found[i], found[j])
    return total / np.log(features.shape[1]) * SCALE


def gabor_bank() -> torch.Tensor:
    """Complex kernels, (K, 1, k, k), one per frequency and orientation; all of the size of the largest."""
    kernels = [
        gabor_kernel(frequency, theta=np.pi * k / GABOR_ORIENTATIONS)
        for frequency in GABOR_FREQUENCIES
        for k in range(GABOR_ORIENTATIONS)
    ]
    side = max(max(kernel.shape) for kernel in kernels)
    padded = [
        np.pad(kernel, [((side - n) // 2, side - n - (side - n) // 2) for n in kernel.shape]) for kernel in kernels
    ]
    return torch.from_numpy(np.stack(padded)[:, None]).to(torch.complex64)


def gabor(batch: Batch, bank: torch.Tensor) -> torch.Tensor:
    """Mean magnitude of every kernel's answer in 8 x 8 cells, (B, 40 * 64)."""
    small = F.interpolate(grey(batch.image)[:, None], GABOR_SIZE, mode="bilinear", antialias=True)
    pad = bank.shape[-1] // 2
    padded = F.pad(small, (pad, pad, pad, pad), mode="reflect")
    answer = torch.hypot(F.conv2d(padded, bank.real), F.conv2d(padded, bank.imag))
    return F.adaptive_avg_pool2d(answer, GABOR_CELLS).flatten(1)


@torch.inference_mode()
def hand_made_features(data: CropData, size: int) -> dict[str, np.ndarray]:
    """Landmark shape (of the points that all rows have), Gabor and HOG of every row, (N, D) each."""
    bank, config = gabor_bank(), HogConfig()
    found: dict[str, list[torch.Tensor]] = {"Gabor": [], "HOG": []}
    for batch in plain_batches(data, size, batch_size=BATCH_SIZE):
        found["Gabor"].append(gabor(batch, bank))
        found["HOG"].append(hog(batch.image, config.cell, config.block, config.orientations))
    features = {name: torch.cat(parts).numpy() for name, parts in found.items()}
    known = np.zeros(0, bool) if data.landmarks is None else np.isfinite(data.landmarks).all((0, 2))
    if data.landmarks is not None and known.any():
        features = {"shape": data.landmarks[:, known].reshape(len(data), -1), **features}
    return features
