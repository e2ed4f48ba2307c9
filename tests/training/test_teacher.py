"""A small model that learns from a large one: soft labels of the plain crops, beside the labels that are known."""

import dataclasses

import numpy as np
import pytest
import torch
from random_crops import random_crops
from small_models import random_batch

from actionunits.datasets.sampling.augment import center_crop
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.contract import Stage
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.settings import make_settings
from actionunits.training.source import CropSource
from actionunits.training.teacher import teach
from actionunits.training.validation import predict_crops

SMALL = {"image_size": 42, "width": 4, "batch_size": 16, "epochs": 1, "lr": 3e-3, "ema_decay": 0.9}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def crops():
    torch.set_num_threads(1)
    return random_crops(48, "A", 1, meshes=False), random_crops(24, "B", 2, meshes=False)


@pytest.fixture(scope="module")
def teacher(crops, tmp_path_factory):
    """A RE-Net that knows AU12, AU06 and AU01, trained on C1."""
    path = tmp_path_factory.mktemp("teacher") / "renet.safetensors"
    torch.manual_seed(0)
    config = find_model("renet").config(
        image_size=42, width=4, head="shared", relations=(1, 0.2, 0.1, 0.2, 1, 0, 0.1, 0, 1)
    )
    model = find_model("renet").model(config, (12, 6, 1))
    torch.nn.init.normal_(model.norms.scale)
    save_checkpoint(path, model, {"data": {"names": ["other"], "training_subjects": ["C1"]}})
    return path


def train(crops, out, teacher, model="resnet18", **settings):
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    return run(model, make_settings(model, SMALL | settings), *crops, out, fabric, teacher=teacher)


def test_a_teacher_speaks_in_the_order_of_the_data_and_is_silent_elsewhere(crops, teacher):
    said = teach(teacher, crops[0], CPU)
    own = predict_crops(load_checkpoint(teacher).model, crops[0], 42)
    assert np.array_equal(said.au_logit[:, 2], own.au_logit[:, 0])  # AU12
    assert np.array_equal(said.au_intensity[:, 0], own.au_intensity[:, 2])  # AU01
    assert np.isnan(said.au_logit[:, 1]).all() and np.isnan(said.au_intensity[:, 1]).all()  # AU04


def test_batches_carry_what_the_teacher_says_of_their_rows(crops, teacher):
    data = crops[0]
    said = teach(teacher, data, CPU)
    stage = Stage("image", ("",), 1, 16, "adam", 1e-3)
    source = CropSource(data, stage, 0, 42, seed=0, teacher=said)
    batch = source.batch(1)
    rows = source._sampler.batch_indices(1)
    assert np.array_equal(batch.teacher_logit.numpy(), said.au_logit[rows], equal_nan=True)
    assert np.array_equal(batch.teacher_intensity.numpy(), said.au_intensity[rows], equal_nan=True)
    plain = CropSource(data, stage, 0, 42, seed=0).batch(1)
    assert plain.teacher_logit is None and torch.equal(plain.image, batch.image)
    assert not torch.equal(plain.image, center_crop(data.batch(rows, CPU), 42, data.margin).image)


def test_losses_against_a_teacher_are_those_of_soft_labels():
    torch.manual_seed(0)
    model = ResNet18(ResNet18Config(image_size=32, width=2, teacher_weight=0.5), (1, 4, 12, 25)).train()
    batch = random_batch(6, 32)
    logit, intensity = torch.randn(6, 4), 5 * torch.rand(6, 4)
    logit[:2], intensity[:, 1] = torch.nan, torch.nan
    output = model(batch)
    plain = model.losses(output, batch)
    losses = model.losses(output, dataclasses.replace(batch, teacher_logit=logit, teacher_intensity=intensity))
    assert set(losses) - set(plain) == {"teacher_occurrence", "teacher_intensity"}
    assert all(torch.equal(losses[name], plain[name]) for name in plain)
    z, q = output.au_logit[2:], torch.sigmoid(logit[2:])
    p = torch.sigmoid(z)
    entropy = -(q * p.log() + (1 - q) * (1 - p).log()).mean()
    torch.testing.assert_close(losses["teacher_occurrence"], 0.5 * entropy)
    columns = [0, 2, 3]
    smooth = torch.nn.functional.smooth_l1_loss(output.au_intensity[:, columns], intensity[:, columns])
    torch.testing.assert_close(losses["teacher_intensity"], 0.5 * smooth)
    torch.stack(list(losses.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.slow
def test_a_student_comes_near_its_teacher_without_labels(crops, teacher, tmp_path):
    training, validation = crops
    blank = dataclasses.replace(
        training,
        au_present_valid=np.zeros_like(training.au_present_valid),
        au_intensity_valid=np.zeros_like(training.au_intensity_valid),
    )
    said = teach(teacher, training, CPU)
    assert train((blank, validation), tmp_path, teacher, epochs=60, width=8, erase=0, rotation_deg=0).finished
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    student = predict_crops(checkpoint.model, training, 42)
    for column in (0, 2):
        assert np.corrcoef(student.au_logit[:, column], said.au_logit[:, column])[0, 1] > 0.7
    data = checkpoint.header["data"]
    assert data["taught_by"]["model"] == "renet"
    assert data["training_subjects"] == ["A0", "A1", "A2", "A3", "C1"]


def test_teachers_that_cannot_teach_are_one_line(crops, teacher, tmp_path):
    training, validation = crops
    with pytest.raises(UserError, match="does not learn from a teacher"):
        train(crops, tmp_path / "hog", teacher, "renet")
    with pytest.raises(UserError, match="with teacher_weight above 0"):
        train(crops, tmp_path / "none", teacher, teacher_weight=0.0)
    with pytest.raises(UserError, match="knows none of AU04"):
        train((training.of_aus((4,)), validation.of_aus((4,))), tmp_path / "aus", teacher)
    known = tuple("C1" if name == "B0" else name for name in validation.subjects)
    with pytest.raises(UserError, match="trained on subject C1 of the validation data"):
        train((training, dataclasses.replace(validation, subjects=known)), tmp_path / "seen", teacher)
