"""Transfer of a trained network by a linear layer on its frozen features: a regression, `probe_fit` or `svm_fit`.

Li, Abtahi, Zhu & Yin, "EAC-Net", FG 2017, Sec. IV-C: features of a network trained on BP4D, "linear regression to
transform our 1x2048 features to 1x8 AU prediction labels" on DISFA, over three folds of its people.
Deviation: a frame whose label is unknown has no part in the regression of that AU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.errors import UserError
from actionunits.evaluation.divisions import Fold
from actionunits.evaluation.probe_fit import fit_probe
from actionunits.evaluation.protocols import refuse_seen_subjects
from actionunits.evaluation.svm_fit import fit_svm
from actionunits.models import find_model
from actionunits.models.config_contract import WeighsByRates
from actionunits.models.contract import TransfersByProbe, TransfersByRegression, TransfersBySvm
from actionunits.models.registry import keys_with
from actionunits.runtime.provenance import source_commit
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.labels import label_rates
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.validation import judged

# The logistic function has the slope 1/4 at 0: the probability is then the regressed label to first order, and 0.5
# of the one is 0.5 of the other.
LOGIT_PER_LABEL = 4.0


def refuse_without_features(model_name: str, protocol: str) -> None:
    """Raises UserError for a model that is not brought to other data by this protocol of FITS."""
    able = keys_with(FITS[protocol].ability)
    if model_name not in able:
        raise UserError(
            f"{model_name} cannot be transferred by {protocol} on its features; these can: {', '.join(able)}"
        )


@torch.inference_mode()
def features_of(model: Any, data: CropData, device: torch.device | str = "cpu") -> np.ndarray:
    """What the output layer reads of every row's plain registered crop, (N, D) float32."""
    batches = plain_batches(data, model.config.image_size, device)
    return np.concatenate([model.features(batch).float().cpu().numpy() for batch in batches])


def regress(
    features: np.ndarray, au_present: np.ndarray, au_present_valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of 0 and 1 on the features with an intercept: weights (A, D) and intercepts (A,).

    features: (N, D); au_present, au_present_valid: (N, A). AUs without a known label have zeros.
    """
    count = au_present.shape[1]
    weight, bias = np.zeros((count, features.shape[1])), np.zeros(count)
    # One decomposition serves all AUs that are known in the same frames.
    masks, which = np.unique(au_present_valid, axis=1, return_inverse=True)
    for number, known in enumerate(masks.T):
        aus = np.flatnonzero(which.ravel() == number)
        if known.any():
            fitted = LinearRegression().fit(features[known], au_present[known][:, aus].astype(features.dtype))
            weight[aus], bias[aus] = fitted.coef_, fitted.intercept_
    return weight, bias


def fit_output_layer(
    model: TransfersByRegression,
    features: np.ndarray,
    training: CropData,
    valid_features: np.ndarray,
    validation: CropData,
) -> None:
    """Put the regression of the training labels on the features (N, D) of their rows into the output layer."""
    weight, bias = regress(features, training.au_present, training.au_present_valid)
    layer = model.regression_layer()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(LOGIT_PER_LABEL * weight))
        layer.bias.copy_(torch.from_numpy(LOGIT_PER_LABEL * (bias - 0.5)))


@dataclass(frozen=True)
class Fit:
    """What is fitted on frozen features, of models that have the ability for it."""

    ability: type
    fit: Callable[[Any, np.ndarray, CropData, np.ndarray, CropData], None]


FITS = {  # by the protocol's name
    "regression": Fit(TransfersByRegression, fit_output_layer),
    "probe": Fit(TransfersByProbe, fit_probe),
    "svm": Fit(TransfersBySvm, fit_svm),
}


def protocol_of(model: type[Any]) -> str | None:
    """Name of the protocol of FITS that brings this kind of model to other data; None where all of it is trained."""
    return next((name for name, fit in FITS.items() if issubclass(model, fit.ability)), None)


def transfer(model_name: str, fold: Fold, init: Path, out: Path, device: torch.device | str = "cpu") -> None:
    """Write `out/model.safetensors`: the network of `init` with an output layer for the AUs of a fold.

    What is fitted is that of its `protocol_of`. Thresholds are chosen on the fold's validation people. Raises
    UserError where `init` was trained on people of the fold.
    """
    trained = load_checkpoint(init)
    for part in (fold.training, fold.validation):
        refuse_seen_subjects(trained.header, part.present_subjects, str(init))
    config = trained.model.config
    if isinstance(config, WeighsByRates):
        config = dataclasses.replace(config, au_rates=label_rates(fold.training))
    model = find_model(model_name).model(config, fold.training.aus)
    own = model.state_dict()
    shared = {k: v for k, v in trained.model.state_dict().items() if not k.startswith(tuple(model.au_outputs))}
    model.load_state_dict(own | shared)
    model = model.to(device, memory_format=torch.channels_last).eval()
    features, valid_features = (features_of(model, part, device) for part in (fold.training, fold.validation))
    protocol = protocol_of(type(model))
    assert protocol is not None
    FITS[protocol].fit(model, features, fold.training, valid_features, fold.validation)
    before = trained.header["data"]
    people = {*before.get("training_subjects", ()), *fold.training.present_subjects}
    header = {
        "data": {
            "names": list(fold.training.names),
            "fold": fold.name,
            "training_subjects": sorted(people),
            "training_frames": len(fold.training),
            "started_from": {"sha256": trained.header["sha256"], "names": before.get("names")},
            "validation_names": list(fold.validation.names),
            "validation_subjects": list(fold.validation.present_subjects),
            "occurrence_level": fold.training.occurrence_level,
            "aligned": fold.training.aligned,
        },
        "seed": trained.header.get("seed"),
        "commit": source_commit(),
        **judged(model, fold.validation, model.config.image_size, device),
    }
    out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out / CHECKPOINT_FILE, model, header)
