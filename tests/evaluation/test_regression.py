"""Transfer by linear regression on frozen features: the regression, and what is left of the trained network."""

import dataclasses

import numpy as np
import pytest
import torch
from random_crops import random_people

from actionunits.errors import UserError
from actionunits.evaluation import divisions, regression
from actionunits.evaluation.crossval import System, cross_validate
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.run_folder import CHECKPOINT_FILE
from actionunits.training.settings import make_settings
from actionunits.training.validation import predict_crops

TINY = {
    "image_size": 42,
    "width": 2,
    "crop_units": 4,
    "freeze": False,
    "optimizer": "adam",
    "epochs": 1,
    "batch_size": 16,
    "validate_every_epochs": 4,
}


@pytest.fixture(scope="module")
def protocol():
    source, target = (
        random_people(64, 4, "B", 5, points=True),
        random_people(96, 6, "D", 6, points=True).of_aus((4, 9, 12)),
    )
    return divisions.transferred("regression", source, divisions.seeded_folds(target, 2))


@pytest.fixture(scope="module", params=["enet", "eacnet"])
def finished(fabric, protocol, tmp_path_factory, request):
    out = tmp_path_factory.mktemp("regression") / request.param
    system = System("eacnet", make_settings("eacnet", TINY | {"variant": request.param}))
    return system, out, cross_validate(system, protocol, out, fabric)


def test_regression_is_least_squares_over_the_known_labels_of_each_au():
    generator = np.random.default_rng(0)
    features = generator.normal(0, 1, (60, 7))
    present = (generator.random((60, 4)) < 0.4).astype(np.uint8)
    valid = generator.random((60, 4)) < 0.8
    valid[:, 1], valid[:, 3] = valid[:, 0], False
    weight, bias = regression.regress(features, present, valid)
    for a in range(3):
        rows = valid[:, a]
        design = np.concatenate([features[rows], np.ones((rows.sum(), 1))], 1)
        expected = np.linalg.lstsq(design, present[rows, a].astype(float), rcond=None)[0]
        np.testing.assert_allclose(np.append(weight[a], bias[a]), expected, atol=1e-10)
    assert not weight[3].any() and bias[3] == 0


def test_probability_crosses_one_half_where_the_regressed_label_does(finished, protocol):
    _, out, _ = finished
    model = load_checkpoint(out / "fold-1" / "model.safetensors").model
    fold = protocol.folds[0]
    features = regression.features_of(model, fold.test)
    weight, bias = regression.regress(
        regression.features_of(model, fold.training), fold.training.au_present, fold.training.au_present_valid
    )
    label = features @ weight.T + bias
    logit = predict_crops(model, fold.test, 42).au_logit
    np.testing.assert_allclose(logit, 4 * (label - 0.5), atol=1e-3)
    assert features.shape == (len(fold.test), 64)


def test_nothing_but_the_output_layer_changes(finished, protocol):
    _, out, outputs = finished
    source = load_checkpoint(out / "source" / "model.safetensors")
    assert source.aus == (1, 4, 12)
    for fold in outputs:
        found = load_checkpoint(out / f"fold-{fold.name}" / "model.safetensors")
        assert found.aus == (4, 9, 12) and int(found.model.network) == int(source.model.network)
        weights = found.model.state_dict()
        for name, value in source.model.state_dict().items():
            if not name.startswith(tuple(found.model.au_outputs)):
                assert torch.equal(weights[name], value), name
        assert found.header["data"]["started_from"]["sha256"] == source.header["sha256"]
        tested = set(fold.frames.subject.present().names)
        used = found.header["data"]
        assert not tested & {*used["training_subjects"], *used["validation_subjects"]}
        assert set(used["training_subjects"]) >= set(source.header["data"]["training_subjects"])


def test_finished_folds_are_read(finished, protocol, fabric, monkeypatch):
    system, out, outputs = finished
    monkeypatch.setattr(regression, "transfer", None)
    again = cross_validate(system, protocol, out, fabric)
    for old, new in zip(outputs, again, strict=True):
        np.testing.assert_array_equal(old.frames.au_prob, new.frames.au_prob)


def test_a_model_without_such_features_is_refused_before_training(protocol, fabric, tmp_path):
    system = System("resnet18", make_settings("resnet18", {"image_size": 42, "width": 4}))
    with pytest.raises(
        UserError, match="resnet18 cannot be transferred by regression on its features; these can: eac"
    ):
        cross_validate(system, protocol, tmp_path / "out", fabric)
    assert not (tmp_path / "out").exists()


def test_people_of_the_source_may_not_be_in_a_fold(finished, protocol, tmp_path):
    _, out, _ = finished
    known = dataclasses.replace(
        protocol.folds[0], training=random_people(64, 4, "B", 5, points=True).of_aus((4, 9, 12))
    )
    with pytest.raises(UserError, match="was trained on subject"):
        regression.transfer("eacnet", known, out / "source" / CHECKPOINT_FILE, tmp_path)
