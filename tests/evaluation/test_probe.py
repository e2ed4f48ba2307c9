"""The linear probe on frozen features: what is fitted, how few labels are drawn, and the protocol around it."""

import dataclasses

import numpy as np
import pytest
import torch
from random_crops import random_crops, random_people
from sklearn.linear_model import LogisticRegression

from actionunits.datasets.crops.crop_data import CropData
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.evaluation import probe as probing
from actionunits.evaluation import questions, regression
from actionunits.evaluation.divisions import seeded_folds
from actionunits.evaluation.probe_fit import solve
from actionunits.evaluation.result_rows import Request
from actionunits.models import find_model
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.labels import label_rates

SMALL = {"image_size": 32, "width": 4, "embedding": 12}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    torch.manual_seed(0)
    entry = find_model("tcae")
    path = tmp_path_factory.mktemp("pretrained") / "model.safetensors"
    header = {"data": {"names": ["videos"], "training_subjects": ["videos/a"]}, "seed": 0, "commit": "none"}
    save_checkpoint(path, entry.model(entry.config(**SMALL), ()), header)
    return path


@pytest.fixture
def people(monkeypatch) -> CropData:
    data = random_people(240, 8, "P", 3)
    monkeypatch.setattr(questions, "load_data", lambda *args, **options: data)
    monkeypatch.setattr(questions, "common_aus", lambda folders: data.aus)
    card = {"name": "random", "facekit": "none"}
    monkeypatch.setattr(questions, "dataset_card", lambda folder: card)
    return data


def test_the_fitted_weights_are_those_of_weighted_logistic_regression():
    data = random_crops(120, "A", 1, meshes=False)
    features = np.random.default_rng(0).normal(0, 1, (120, 5)) + 0.6 * data.au_present[:, :1]
    penalty = 0.05
    found = solve(torch.from_numpy(features), data, penalty, torch.zeros(3, 6, dtype=torch.float64)).numpy()
    known_labels = data.au_present_valid.sum()
    for a, rate in enumerate(label_rates(data)):
        known = data.au_present_valid[:, a]
        y = data.au_present[known, a]
        weight = np.where(y > 0, 0.5 / rate, 0.5 / (1 - rate))
        # sklearn minimises C sum of losses + |w|^2 / 2; ours is a mean over all labels + penalty |w|^2 / (2 A).
        fit = LogisticRegression(C=3 / (penalty * known_labels), tol=1e-10, max_iter=1000)
        fit.fit(features[known], y, sample_weight=weight)
        np.testing.assert_allclose(found[a], [*fit.coef_[0], *fit.intercept_], atol=1e-4)


def test_a_rare_action_unit_is_not_present_in_half_of_all_frames():
    generator = np.random.default_rng(0)
    data = random_crops(2000, "A", 1, meshes=False)
    present = (generator.random(data.au_present.shape) < 0.05).astype(data.au_present.dtype)
    data = dataclasses.replace(data, au_present=present, au_present_valid=np.ones_like(data.au_present_valid))
    features = generator.normal(0, 1, (2000, 4))
    features[:, :3] += 6 * present  # nearly separable, with a mean far from where the classes part
    normal = torch.from_numpy((features - features.mean(0)) / features.std(0))
    found = solve(normal, data, 1e-4, torch.zeros(3, 5, dtype=torch.float64)).numpy()
    said = normal.numpy() @ found[:, :-1].T + found[:, -1] > 0
    assert np.all(np.abs(said.mean(0) - present.mean(0)) < 0.03)


def test_few_labels_are_a_share_of_the_frames_of_everybody_and_tests_stay_whole():
    protocol = seeded_folds(random_people(600, 6, "P", 3), 3)
    part = probing.with_label_share(protocol, 0.1)
    assert part.name == "probe" and part.division.endswith("10% of the labels")
    for before, after in zip(protocol.folds, part.folds, strict=True):
        assert len(after.training) == round(0.1 * len(before.training))
        assert len(after.validation) == round(0.1 * len(before.validation))
        assert after.test is before.test
        assert len(np.unique(after.training.subject)) == len(np.unique(before.training.subject))


def test_a_probe_leaves_scores_and_checkpoints_that_detection_reads(pretrained, people, tmp_path):
    request = Request(data=(tmp_path / "data",), out=tmp_path / "out", folds="2", init=pretrained)
    rows = probing.probe("folds", request, (0.2, 1.0))
    assert set(rows["division"]) == {
        "2 folds with seed 0; 20% of the labels",
        "2 folds with seed 0; 100% of the labels",
    }
    assert (rows["protocol"] == "probe").all() and rows["f1"].notna().any()
    path = tmp_path / "out" / "labels-100%" / "fold-1" / "model.safetensors"
    checkpoint = load_checkpoint(path)
    before = load_checkpoint(pretrained).model
    for name, value in checkpoint.model.state_dict().items():
        if not name.startswith("probe."):
            assert torch.equal(value, before.state_dict()[name]), name
    assert checkpoint.aus == people.aus and "videos/a" in checkpoint.header["data"]["training_subjects"]
    crops = np.zeros((1, 32, 32, 3), np.uint8)
    assert Detector(weights=path).predict_crops(crops)[0].aus == people.aus
    # The same command again trains nothing and says the same.
    written = path.stat().st_mtime_ns
    again = probing.probe("folds", request, (0.2, 1.0))
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(again["f1"].to_numpy(), rows["f1"].to_numpy())


def test_the_fit_separates_what_the_features_tell(pretrained):
    data = random_people(400, 8, "P", 3)
    fold = seeded_folds(data, 2).folds[0]
    model = find_model("tcae").model(load_checkpoint(pretrained).model.config, data.aus).eval()
    present = fold.training.au_present.astype(float)
    valid = fold.validation.au_present.astype(float)
    noise = np.random.default_rng(1)
    features, valid_features = (
        np.concatenate([labels, noise.normal(0, 1, (len(labels), 9))], 1).astype(np.float32)
        for labels in (present, valid)
    )
    regression.fit_probe(model, features, fold.training, valid_features, fold.validation)
    with torch.inference_mode():
        logit = model.probe(torch.from_numpy(valid_features)).numpy()
    known = fold.validation.au_present_valid
    assert (((logit > 0) == (valid > 0.5)) | ~known).mean() > 0.97


def test_whoever_was_pretrained_on_is_not_tested_on(pretrained, people, tmp_path, monkeypatch):
    seen = dataclasses.replace(people, subjects=("videos/a", *people.subjects[1:]))
    monkeypatch.setattr(questions, "load_data", lambda *args, **options: seen)
    request = Request(data=(tmp_path / "data",), out=tmp_path / "out", folds="2", init=pretrained)
    with pytest.raises(UserError, match="videos/a"):
        probing.probe("folds", request)


def test_what_cannot_be_probed_is_told_in_one_line(pretrained, tmp_path):
    entry = find_model("resnet18")
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, entry.model(entry.config(image_size=42, width=4), (1, 4)), {})
    with pytest.raises(UserError, match="resnet18 cannot be transferred by probe"):
        probing.probe("folds", Request(data=(tmp_path / "data",), out=tmp_path / "out", init=other))
    with pytest.raises(UserError, match="known are folds, own-split"):
        probing.probe("cross", Request(data=(tmp_path / "data",), out=tmp_path / "out", init=pretrained))
    for text in ("0", "1.5", "a", "0.1,0.1"):
        with pytest.raises(UserError, match="no list of different shares"):
            probing.parse_shares(text)
    with pytest.raises(UserError, match="trained without labels"):
        Detector(weights=pretrained)
