"""RE-Net from labels to checkpoint: relations, random AUs in a resumed run, labels that cannot be used."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from random_crops import AUS, random_crops

from actionunits.errors import UserError
from actionunits.scores.relations import relation_matrix
from actionunits.training.checkpoint import load_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.run import run
from actionunits.training.settings import make_settings
from actionunits.training.validation import predict_crops

SMALL = {"image_size": 42, "width": 4, "batch_size": 16, "epochs": 2, "lr": 3e-3, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def crops():
    torch.set_num_threads(1)
    return random_crops(64, "A", 1, meshes=False), random_crops(32, "B", 2, meshes=False)


def train(crops, out, resume=False, **settings):
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    return run("renet", make_settings("renet", SMALL | settings), *crops, out, fabric, resume=resume)


@pytest.mark.parametrize(("tasks", "labels"), [("both", "au_present"), ("intensity", "au_intensity")])
def test_relations_come_from_the_training_labels_and_stay_in_the_checkpoint(crops, tmp_path, tasks, labels):
    assert train(crops, tmp_path, tasks=tasks, epochs=1).finished
    config = load_checkpoint(tmp_path / "model.safetensors").header["config"]
    wanted = relation_matrix(getattr(crops[0], labels), getattr(crops[0], f"{labels}_valid"))
    assert np.allclose(np.reshape(config["relations"], (3, 3)), wanted, atol=1e-5)


@pytest.mark.slow
def test_steps_of_one_random_au_teach_all_of_them(tmp_path):
    crops = random_crops(192, "A", 1, meshes=False), random_crops(64, "B", 2, meshes=False)
    # The patches that carry the labels are small and lie to be seen, unlike faces.
    train(crops, tmp_path, width=8, epochs=24, optimizer="adamw", erase=0, low_resolution=0, validate_every_epochs=9)
    scores = load_checkpoint(tmp_path / "model.safetensors").header["scores"]
    assert scores["validation"]["icc"] > 0.6
    assert all(au["auc"] > 0.9 for au in scores["validation_per_au"].values())


def test_learned_relations_need_no_labels(crops, tmp_path):
    train(crops, tmp_path, variant="learnable", epochs=1)
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.header["config"]["relations"] == []
    assert np.isfinite(predict_crops(checkpoint.model, crops[1], 42).au_logit).all()


def test_settings_that_cannot_be_leave_the_folder_free_for_better_ones(crops, tmp_path):
    opposite = (1.0, -1.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    with pytest.raises(UserError, match="too close to 0 to divide by"):
        train(crops, tmp_path, relations=opposite, epochs=1)
    assert train(crops, tmp_path, relations=opposite, relation_sum="absolute", epochs=1).finished


def test_a_resumed_run_draws_the_same_action_units(crops, tmp_path, monkeypatch):
    whole = train(crops, tmp_path / "whole")
    assert whole.finished
    original, steps = torch.randint, []

    def stop_after_three(*arguments, **options):
        if arguments == (3, ()):
            steps.append(1)
            if len(steps) == 3:
                os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(torch, "randint", stop_after_three)
    assert not train(crops, tmp_path / "parts").finished and len(steps) == 3
    monkeypatch.undo()
    assert train(crops, tmp_path / "parts", resume=True).finished
    one, other = (load_checkpoint(tmp_path / name / "model.safetensors").model for name in ("whole", "parts"))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_an_unseen_au_has_a_threshold_and_answers(crops, tmp_path):
    train(crops, tmp_path, unseen_aus=(4,), epochs=1)
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.aus == AUS and "AU04" in checkpoint.header["thresholds"]
    assert np.isfinite(predict_crops(checkpoint.model, crops[1], 42).au_logit).all()


def test_labels_that_do_not_relate_are_one_line(crops, tmp_path):
    training, validation = crops
    never = training.au_present.copy()
    never[:, 1] = 0
    with pytest.raises(UserError, match="AU04 is 0 in every known training label"):
        train((dataclasses.replace(training, au_present=never), validation), tmp_path)
    with pytest.raises(UserError, match="two or more to train on, not 1"):
        train((training.of_aus((4,)), validation.of_aus((4,))), tmp_path / "one")
    with pytest.raises(UserError, match="4 numbers, and 3 action units need 9"):
        train(crops, tmp_path / "other", relations=(1.0, 0.0, 0.0, 1.0))
