"""The loop: exact resumption, interruption, budgets, averages."""

import dataclasses
import json
import math
import os
import signal
import threading

import pytest
import torch
from lightning_fabric import Fabric
from random_crops import random_crops
from torch.optim.swa_utils import AveragedModel

from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.contract import Stage
from actionunits.models.resnet18 import ResNet18Config
from actionunits.training.loop import LoopSettings, train
from actionunits.training.optim import LearningRate, make_optimizer, set_trainable, update_average
from actionunits.training.source import CropSource

CONFIG = ResNet18Config(
    image_size=42,
    width=8,
    batch_size=16,
    epochs=2,
    optimizer="adamw",
    schedule="cosine",
    warmup_steps=3,
    lr=1e-3,
    dropout=0.3,
    landmark_branch=True,
    landmark_width=16,
    landmark_epochs=1,
)
SETTINGS = LoopSettings(log_every_steps=2, validate_every_epochs=0.5)


class Crash(Exception):
    """Stands for a kill -9: nothing is saved on the way out."""


def run(data, out, config=CONFIG, settings=SETTINGS, resume=False, crash_at=None, validate=None):
    """One run; `crash_at` is (stage, step) whose batch never arrives."""
    # Initial weights must not matter once a state is there.
    torch.manual_seed(99 if (out / "state.pt").exists() else 7)
    torch.set_num_threads(1)
    model = find_model("resnet18").model(config, data.aus)
    out.mkdir(exist_ok=True)

    def source_of(stage, number):
        source = CropSource(data, stage, number, config.image_size, settings.seed)
        make = source.batch

        def batch(step):
            if crash_at == (number, step):
                raise Crash
            return make(step)

        source.batch = batch
        return source

    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    return train(model, source_of, out, settings, fabric, validate, resume)


def weights(result):
    return {name: value.clone() for name, value in result.model.state_dict().items()}


def log_lines(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        for name in ("elapsed_s", "images_per_s"):
            line.pop(name, None)
    return lines


@pytest.fixture(scope="module")
def training_crops():
    return random_crops(192, "A", 1)


@pytest.fixture(scope="module")
def uninterrupted(training_crops, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    result = run(training_crops, out, validate=lambda model, stage: {"score": 0.5})
    return weights(result), log_lines(out), result


@pytest.mark.parametrize("crash_at", [(0, 0), (0, 17), (1, 3)])
def test_a_killed_run_continues_exactly(training_crops, tmp_path, uninterrupted, crash_at):
    every_step = dataclasses.replace(SETTINGS, save_every_minutes=0)
    validate = lambda model, stage: {"score": 0.5}  # noqa: E731
    with pytest.raises(Crash):
        run(training_crops, tmp_path, settings=every_step, crash_at=crash_at, validate=validate)
    result = run(training_crops, tmp_path, settings=every_step, resume=True, validate=validate)
    assert result.finished
    resumed = weights(result)
    assert all(torch.equal(value, uninterrupted[0][name]) for name, value in resumed.items())


def test_steps_after_the_last_save_are_done_and_logged_once(training_crops, tmp_path, uninterrupted):
    """The state is saved once, at step 8; the run dies at step 20 and comes back."""
    with pytest.raises(Crash):
        run(training_crops, tmp_path, settings=dataclasses.replace(SETTINGS, save_every_minutes=0), crash_at=(0, 8))
    state = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(Crash):
        run(training_crops, tmp_path, resume=True, crash_at=(0, 20))
    assert (tmp_path / "state.pt").read_bytes() == state
    result = run(training_crops, tmp_path, resume=True)
    assert all(torch.equal(value, uninterrupted[0][name]) for name, value in weights(result).items())
    steps = [(line["stage"], line["step"]) for line in log_lines(tmp_path)]
    assert len(steps) == len(set(steps))


def test_two_runs_of_one_seed_are_equal_and_of_two_seeds_are_not(training_crops, tmp_path, uninterrupted):
    validate = lambda model, stage: {"score": 0.5}  # noqa: E731
    again = run(training_crops, tmp_path / "same", validate=validate)
    assert all(torch.equal(value, uninterrupted[0][name]) for name, value in weights(again).items())
    assert log_lines(tmp_path / "same") == uninterrupted[1]
    other = run(training_crops, tmp_path / "other", settings=dataclasses.replace(SETTINGS, seed=1))
    assert not torch.equal(weights(other)["image.head.weight"], uninterrupted[0]["image.head.weight"])


def test_every_step_of_every_stage_is_taken(uninterrupted, training_crops):
    _, lines, result = uninterrupted
    per_epoch = len(training_crops) // 16
    with_mesh = int(training_crops.mesh_valid.sum()) // 16
    assert result.finished and result.steps == 2 * per_epoch + with_mesh
    assert {line["stage"] for line in lines} == {"image", "landmarks"}
    assert sum("validation" in line for line in lines if line["stage"] == "image") == 4


@pytest.mark.parametrize(("takes", "steps"), [(True, 36), (False, 24)])
def test_steps_that_a_stage_leaves_go_to_the_one_that_takes_them(training_crops, tmp_path, monkeypatch, takes, steps):
    """The first of two equal stages ends at its second validation, after half of its 24 steps; the second dies."""
    model = find_model("resnet18").model
    whole = model(CONFIG, training_crops.aus).stages()[0]
    stages = [dataclasses.replace(whole, patience=1), dataclasses.replace(whole, name="more", takes_unused=takes)]
    monkeypatch.setattr(model, "stages", lambda self: stages)
    settings = dataclasses.replace(SETTINGS, save_every_minutes=0)
    again = {"settings": settings, "validate": lambda model, stage: {"score": 0.5}}
    with pytest.raises(Crash):
        run(training_crops, tmp_path, crash_at=(1, 20), **again)
    assert run(training_crops, tmp_path, resume=True, **again).finished
    lines = log_lines(tmp_path)
    assert [max(line["step"] for line in lines if line["stage_number"] == k) for k in (0, 1)] == [12, steps]


def test_a_stage_of_no_epochs_leaves_its_weights_as_they_were(training_crops, tmp_path):
    only = run(training_crops, tmp_path, dataclasses.replace(CONFIG, epochs=0))
    assert only.finished and only.steps == int(training_crops.mesh_valid.sum()) // 16
    torch.manual_seed(7)
    fresh = find_model("resnet18").model(CONFIG, training_crops.aus).state_dict()
    for name, value in weights(only).items():
        if name.startswith("image."):
            assert torch.equal(value, fresh[name]), name
    assert not torch.equal(weights(only)["landmarks.head.weight"], fresh["landmarks.head.weight"])


def test_an_interrupt_saves_the_state_and_the_run_can_go_on(training_crops, tmp_path, uninterrupted):
    seen = []

    def validate(model, stage):
        seen.append(1)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return {"score": 0.5}

    before = signal.getsignal(signal.SIGINT)
    result = run(training_crops, tmp_path, validate=validate)
    assert not result.finished and 0 < result.steps < uninterrupted[2].steps
    assert signal.getsignal(signal.SIGINT) is before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "state.pt"]
    resumed = run(training_crops, tmp_path, resume=True, validate=lambda model, stage: {"score": 0.5})
    assert all(torch.equal(value, uninterrupted[0][name]) for name, value in weights(resumed).items())


def test_a_time_budget_ends_the_run_and_the_cosine_with_it(training_crops, tmp_path):
    config = dataclasses.replace(CONFIG, epochs=10_000, landmark_branch=False)
    settings = dataclasses.replace(SETTINGS, max_minutes=2 / 60, log_every_steps=1)
    run(training_crops, tmp_path, config, settings)
    lines = [line for line in log_lines(tmp_path) if "lr" in line]
    assert lines[-1]["lr"] < 0.1 * CONFIG.lr
    assert len(lines) < 10_000


def test_runs_outside_the_main_thread_leave_signals_alone(training_crops, tmp_path):
    config = dataclasses.replace(CONFIG, epochs=1, landmark_branch=False)
    results = []
    thread = threading.Thread(target=lambda: results.append(run(training_crops, tmp_path, config)))
    thread.start()
    thread.join()
    assert results[0].finished


def test_a_loss_that_is_not_finite_stops_the_run(training_crops, tmp_path):
    config = dataclasses.replace(CONFIG, landmark_branch=False, lr=1e30, warmup_steps=0)
    with pytest.raises(UserError, match="loss is not finite at step"):
        run(training_crops, tmp_path, config, dataclasses.replace(SETTINGS, clip_norm=0.0))


def test_states_of_other_runs_and_damaged_ones_are_refused(training_crops, tmp_path):
    every_step = dataclasses.replace(SETTINGS, save_every_minutes=0)
    with pytest.raises(Crash):
        run(training_crops, tmp_path, settings=every_step, crash_at=(0, 3))
    with pytest.raises(UserError, match="another model"):
        run(training_crops, tmp_path, dataclasses.replace(CONFIG, width=16), resume=True)
    with pytest.raises(UserError, match="seed 0, not 5"):
        run(training_crops, tmp_path, settings=dataclasses.replace(SETTINGS, seed=5), resume=True)
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged"):
        run(training_crops, tmp_path, resume=True)


def test_a_state_file_that_holds_code_is_refused(training_crops, tmp_path):
    torch.save({"version": 1, "run": os.system}, tmp_path / "state.pt")
    with pytest.raises(UserError, match="damaged"):
        run(training_crops, tmp_path, resume=True)


def stage(**changes):
    values = {"epochs": 1, "batch_size": 4, "optimizer": "sgd", "lr": 1.0, "name": "all", "parameters": ("",)}
    return Stage(**(values | changes))


def test_cosine_starts_at_the_top_and_ends_near_zero():
    rate = LearningRate(stage(schedule="cosine", warmup_steps=10))
    assert rate.at(0, 0.0) == pytest.approx(0.1)
    assert rate.at(100, 0.5) == pytest.approx(0.505)
    assert rate.at(200, 1.0) == pytest.approx(0.01)


def test_plateau_falls_after_three_validations_without_gain_and_survives_a_save():
    rate = LearningRate(stage(schedule="plateau"))
    for score in (0.5, 0.6, 0.6, 0.55):
        rate.observe(score)
    resumed = LearningRate(stage(schedule="plateau"))
    resumed.load_state_dict(rate.state_dict())
    assert resumed.at(0, 0) == 1.0
    resumed.observe(math.nan)
    assert resumed.at(0, 0) == pytest.approx(0.1)


def test_a_plateau_at_the_least_rate_ends_the_stage():
    rate = LearningRate(stage(schedule="plateau", least_lr_share=0.05))
    for validations, share in ((4, 0.1), (3, 0.05)):
        for _ in range(validations):
            rate.observe(0.5)
        assert rate.at(0, 0) == pytest.approx(share) and not rate.saturated
    resumed = LearningRate(stage(schedule="plateau", least_lr_share=0.05))
    for number in range(3):
        assert not rate.saturated, number
        rate.observe(0.5)
    resumed.load_state_dict(rate.state_dict())
    assert rate.saturated and resumed.saturated


def test_the_average_follows_the_weights():
    model = torch.nn.Linear(2, 1)
    average = AveragedModel(model)
    expected = None
    for step in (0, 1, 10_000):  # decays 0 (the library copies first), 2 / 11 and the full one
        with torch.no_grad():
            model.weight.add_(1.0)
        update_average(average, model, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = model.weight.clone() if expected is None else decay * expected + (1 - decay) * model.weight
        torch.testing.assert_close(average.module.weight, expected)
    assert torch.equal(average.module.bias, model.bias)


def test_weight_decay_spares_biases_and_unknown_optimizers_are_named():
    model = torch.nn.Linear(2, 1)
    named = set_trainable(model, stage())
    decay = {
        len(g["params"][0].shape): g["weight_decay"]
        for g in make_optimizer(named, stage(weight_decay=0.1), True).param_groups
    }
    assert decay == {2: 0.1, 1: 0.0}
    with pytest.raises(UserError, match="unknown optimizer 'lbfgs'"):
        make_optimizer(named, stage(optimizer="lbfgs"), True)
    with pytest.raises(UserError, match="unknown schedule"):
        LearningRate(stage(schedule="linear"))
