"""The linear probe of TCAE on frozen features, fitted as what it is: a convex problem with one solution.

Li, Zeng, Shan & Chen, "Self-supervised Representation Learning from Videos for Facial Action Unit Detection", CVPR
2019, Sec. 4.1: batch norm, then a linear layer without bias, binary cross-entropy with samples "reweighed inversely
proportionally to the class frequencies".
The batch norm's shift is what gives each AU its intercept.
Deviations: the batch norm normalises by the training features' own mean and variance; the weights are found by
L-BFGS, with a penalty on their squares, not on the intercepts, that is chosen on the validation people by AUC, since
a hundred frames do not determine them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from actionunits.datasets.crops.crop_data import CropData
from actionunits.models.contract import TransfersByProbe
from actionunits.models.layers.probe import class_weights, probe_loss
from actionunits.scores import metrics
from actionunits.training.labels import label_rates

PENALTIES = (1.0, 0.1, 1e-2, 1e-3, 1e-4)  # of half the mean square sum of an AU's weights
STEPS = 100  # of L-BFGS, at most


def fit_probe(
    model: TransfersByProbe,
    features: np.ndarray,
    training: CropData,
    valid_features: np.ndarray,
    validation: CropData,
) -> None:
    """Fit batch norm, weights and intercepts of the model's probe to the labels of the rows of features (N, D)."""
    norm, weight, intercept = model.probe_layers()
    assert norm.running_mean is not None and norm.running_var is not None
    x = torch.from_numpy(features).double()
    variance, mean = torch.var_mean(x, 0, correction=0)
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
    spread = (variance + norm.eps).sqrt()
    normal = (x - mean) / spread
    valid_normal = ((torch.from_numpy(valid_features).double() - mean) / spread).numpy()
    best, chosen = -np.inf, torch.zeros(len(training.aus), x.shape[1] + 1, dtype=torch.float64)
    start = chosen
    for penalty in PENALTIES:
        start = solve(normal, training, penalty, start)
        auc = metrics.auc(validation.au_present, valid_normal @ start.numpy()[:, :-1].T, validation.au_present_valid)
        score = metrics.mean_over_aus(auc)
        if score > best or penalty == PENALTIES[0]:
            best, chosen = score, start
    with torch.no_grad():
        weight.copy_(chosen[:, :-1])
        intercept.copy_(chosen[:, -1])


def solve(normal: Tensor, training: CropData, penalty: float, start: Tensor) -> Tensor:
    """Weights and, last, intercept (A, D + 1) with the least probe loss on normalised features (N, D), and penalty.

    start: where the search begins, of the same shape. The penalty of an AU counts against the mean loss of its own
    labels, whatever the number of AUs.
    """
    present = torch.from_numpy(np.ascontiguousarray(training.au_present)).double()
    known = torch.from_numpy(np.ascontiguousarray(training.au_present_valid))
    weights = class_weights(torch.tensor(label_rates(training), dtype=torch.float64))
    solution = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([solution], max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_grad=1e-7)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = probe_loss(normal @ solution[:, :-1].T + solution[:, -1], present, known, weights)
        loss = loss + 0.5 * penalty * solution[:, :-1].square().sum() / len(solution)
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return solution.detach()
