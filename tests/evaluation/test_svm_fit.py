"""Transfer by linear support vector machines on frozen features of unit length: ANet^T of the hybrid network."""

import numpy as np
import pytest
import torch
from random_crops import random_people
from small_models import SMALL

from actionunits.evaluation import divisions, regression
from actionunits.evaluation.crossval import System, cross_validate
from actionunits.models import find_model
from actionunits.scores import metrics
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.settings import make_settings
from actionunits.training.validation import predict_crops

TINY = SMALL["hybrid"] | {"variant": "anet", "image_size": 42, "optimizer": "adam", "epochs": 1, "batch_size": 16}


def test_machines_separate_what_can_be_separated_and_leave_unseen_aus_at_zero():
    training, validation = (
        random_people(rows, seed=seed).of_aus((1, 4, 12, 9)) for rows, seed in ((200, 1), (120, 2))
    )
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(4, 32))

    def features(data):
        x = (2.0 * data.au_present - 1) @ direction + rng.normal(0, 0.3, (len(data), 32))
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    model = find_model("hybrid").model(find_model("hybrid").config(**TINY), training.aus).eval()
    regression.FITS["svm"].fit(model, features(training), training, features(validation), validation)
    test = random_people(100, seed=3).of_aus(training.aus)
    with torch.inference_mode():
        score = model.cnn.scores(torch.from_numpy(features(test))).numpy()
    auc = metrics.auc(test.au_present, score, test.au_present_valid)
    assert (auc[:3] > 0.99).all() and not score[:, 3].any()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    torch.set_num_threads(1)
    source, target = random_people(64, 4, "B", 5), random_people(96, 6, "D", 6).of_aus((4, 9, 12))
    protocol = divisions.transferred("svm", source, divisions.seeded_folds(target, 2))
    out = tmp_path_factory.mktemp("svm")
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    return out, protocol, cross_validate(System("hybrid", make_settings("hybrid", TINY)), protocol, out, fabric)


def test_a_fold_keeps_the_cnn_and_reads_features_of_unit_length(finished):
    out, protocol, outputs = finished
    before = load_checkpoint(out / "source" / "model.safetensors").model.state_dict()
    for fold, told in zip(protocol.folds, outputs, strict=True):
        model = load_checkpoint(out / f"fold-{fold.name}" / "model.safetensors").model
        for name, value in model.state_dict().items():
            if name.startswith("cnn.") and "fc8" not in name:
                assert torch.equal(value, before[name])
        logit = predict_crops(model, fold.test, 42).au_logit
        features = regression.features_of(model, fold.test)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
        layer = model.cnn.fc8
        expected = features @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        np.testing.assert_allclose(logit, expected, atol=1e-5)
        np.testing.assert_allclose(told.frames.au_prob, 1 / (1 + np.exp(-logit.astype(np.float64))), atol=1e-5)
