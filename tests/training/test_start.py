"""Runs that start from the weights of another."""

import numpy as np
import pytest
import torch
from random_crops import random_crops

from actionunits.errors import UserError
from actionunits.models import MODELS
from actionunits.training import run
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.settings import make_settings
from actionunits.training.start import start_from

QUICK = {"image_size": 42, "width": 4, "batch_size": 16, "epochs": 1, "erase": 0, "ema_decay": 0.5}


def write(path, aus=(1, 4, 12), width=4, **header):
    entry = MODELS["resnet18"]
    model = entry.model(entry.config(image_size=42, width=width), aus)
    save_checkpoint(path, model, {"data": {"names": ["first"], "training_subjects": ["Z0"]}} | header)
    return path


def small(width=4, aus=(1, 4, 12)):
    entry = MODELS["resnet18"]
    return entry.model(entry.config(image_size=42, width=width), aus)


def test_weights_that_cannot_start_a_model_are_refused(tmp_path):
    path = write(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="this model needs"):
        start_from(small(width=8), path)
    with pytest.raises(UserError, match="no action unit in common"):
        start_from(small(aus=(2, 5)), path)


def test_a_started_run_has_seen_everybody_of_the_first(tmp_path):
    torch.set_num_threads(1)
    path = write(tmp_path / "first.safetensors")
    fabric = run.make_fabric(run.Hardware(precision="32", accelerator="cpu"))
    training, validation = random_crops(64, "A", 1), random_crops(32, "B", 2)
    settings = make_settings("resnet18", QUICK | {"lr": 0.0})
    out = tmp_path / "run"
    run.run("resnet18", settings, training, validation, out, fabric, init=path, fold="1 of 3")
    started = load_checkpoint(out / "model.safetensors")
    assert started.header["data"]["training_subjects"] == ["A0", "A1", "A2", "A3", "Z0"]
    assert started.header["data"]["started_from"]["names"] == ["first"]
    assert started.header["data"]["fold"] == "1 of 3"
    # With a rate of zero the weights are the first run's.
    first = load_checkpoint(path).model.state_dict()
    for name, value in started.model.named_parameters():
        np.testing.assert_allclose(value.detach(), first[name], atol=1e-7)


def test_nobody_validates_who_was_trained_on_before(tmp_path):
    path = write(tmp_path / "first.safetensors", data={"names": [], "training_subjects": ["B1"]})
    fabric = run.make_fabric(run.Hardware(precision="32", accelerator="cpu"))
    with pytest.raises(UserError, match="was trained on subject B1"):
        run.run(
            "resnet18",
            make_settings("resnet18", QUICK),
            random_crops(64, "A", 1),
            random_crops(32, "B", 2),
            tmp_path / "run",
            fabric,
            init=path,
        )


def test_a_body_alone_leaves_the_output_layers_at_their_random_start(tmp_path):
    path = write(tmp_path / "first.safetensors")
    first, model = load_checkpoint(path).model.state_dict(), small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_from(model, path, body_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] if ".head." in name else first[name]), name
    config = MODELS["renet"].config(image_size=42, width=4, relations=(1.0, 0.0, 0.0, 1.0))
    save_checkpoint(tmp_path / "renet.safetensors", MODELS["renet"].model(config, (1, 4)), {"data": {}})
    with pytest.raises(UserError, match="init_body_only wants a resnet18"):
        start_from(small(), tmp_path / "renet.safetensors", body_only=True)


def test_a_model_without_action_units_gives_all_but_the_probe(tmp_path):
    settings = {"image_size": 32, "width": 2, "embedding": 8}
    entry = MODELS["tcae"]
    unlabelled, labelled = entry.model(entry.config(**settings), ()), entry.model(entry.config(**settings), (1, 4))
    save_checkpoint(tmp_path / "model.safetensors", unlabelled, {})
    probe = labelled.probe.weight.detach().clone()
    start_from(labelled, tmp_path / "model.safetensors")
    for name, value in unlabelled.state_dict().items():
        if name != "probe.weight":
            assert torch.equal(labelled.state_dict()[name], value), name
    assert torch.equal(labelled.probe.weight, probe)
