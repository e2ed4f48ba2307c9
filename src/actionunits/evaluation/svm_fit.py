"""Linear support vector machines on a network's frozen features, one per action unit.

Chu, De la Torre & Cohn, "Learning Spatial and Temporal Cues for Multi-label Facial Action Unit Detection", FG 2017,
Sec. IV-D: ANet^T, a CNN of another data set whose fc7 features linear machines read.
Deviation: the paper does not say how C was chosen; here it has the best F1 on the tuning people.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.svm import LinearSVC

from actionunits.datasets.crops.crop_data import CropData
from actionunits.models.contract import TransfersBySvm
from actionunits.scores import metrics

PENALTIES = (0.1, 1.0, 10.0, 100.0)  # C; features are of unit length


def fit_svm(
    model: TransfersBySvm, features: np.ndarray, training: CropData, valid_features: np.ndarray, validation: CropData
) -> None:
    """Put a linear machine per AU into the output layer: its margin is then the AU's score.

    features: (N, D) of the rows. An AU that the training people do not show in both ways has a score of 0.
    """
    layer = model.svm_layer()
    count = len(training.aus)
    weight, bias = np.zeros((count, features.shape[1])), np.zeros(count)
    for a in range(count):
        known = training.au_present_valid[:, a]
        label = training.au_present[known, a] > 0
        if not label.any() or label.all():
            continue
        machines = [LinearSVC(C=c, random_state=0, max_iter=5000).fit(features[known], label) for c in PENALTIES]
        best = machines[int(np.argmax([_f1(m, valid_features, validation, a) for m in machines]))]
        weight[a], bias[a] = best.coef_[0], best.intercept_[0]
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _f1(machine: LinearSVC, features: np.ndarray, data: CropData, a: int) -> float:
    """Best F1 of a machine over all thresholds; 0 where no tuning frame shows the AU."""
    present, known = data.au_present[:, [a]], data.au_present_valid[:, [a]]
    score = machine.decision_function(features)[:, None]
    threshold = metrics.best_f1_threshold(present, score, known)
    return float(np.nan_to_num(metrics.f1(present, score >= threshold, known))[0])
