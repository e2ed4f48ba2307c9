"""What every entry of MODELS must do."""

import dataclasses

import pytest
import torch
from small_models import AUS, BY_HEART_LR, SMALL, random_batch
from torch import nn

from actionunits.models import MODELS
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.optim import make_optimizer, set_trainable
from actionunits.training.start import start_from
from actionunits.types import Batch

# Stages after which every output depends on all AUs, the new one too.
MIXES_AUS = {"hybrid": ("fusion",)}

pytestmark = pytest.mark.parametrize("key", sorted(MODELS))


def build(key) -> nn.Module:
    torch.manual_seed(0)
    entry = MODELS[key]
    return entry.model(entry.config(**SMALL[key]), AUS)


def total(model: nn.Module, batch: Batch) -> torch.Tensor:
    return torch.stack(list(model.losses(model(batch), batch).values())).sum()


def test_config_is_frozen_and_has_defaults(key):
    config = MODELS[key].config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.image_size = 3
    assert config.image_size > 0


@pytest.mark.parametrize("rows", [1, 3])
def test_output_has_one_logit_and_one_intensity_per_au(key, rows):
    model = build(key).eval()
    output = model(random_batch(rows))
    assert output.au_logit.shape == (rows, len(AUS))
    assert torch.isfinite(output.au_logit).all()
    if output.au_intensity is not None:
        assert output.au_intensity.shape == (rows, len(AUS))
        assert (output.au_intensity >= 0).all() and (output.au_intensity <= 5).all()


def test_images_alone_are_enough(key):
    assert build(key).eval()(Batch(image=random_batch().image)).au_logit.shape == (8, len(AUS))


def test_losses_are_named_finite_scalars(key):
    model, batch = build(key).train(), random_batch()
    losses = model.losses(model(batch), batch)
    assert losses
    for name, value in losses.items():
        assert name.isidentifier() and value.shape == () and torch.isfinite(value), name


def test_a_stage_trains_its_parameters_and_no_others(key):
    model = build(key)
    names = [stage.name for stage in model.stages()]
    assert len(set(names)) == len(names)
    for stage in model.stages():
        batch = random_batch(inputs=stage.inputs)
        trained = {name for name, _ in set_trainable(model, stage)}
        model.zero_grad(set_to_none=True)
        total(model, batch).backward()
        for name, parameter in model.named_parameters():
            has_gradient = parameter.grad is not None and bool((parameter.grad != 0).any())
            assert has_gradient == (name in trained), f"{stage.name}: {name}"


def test_a_stage_leaves_other_parts_of_the_model_unchanged(key):
    model = build(key)
    for stage in model.stages():
        batch = random_batch(inputs=stage.inputs)
        optimizer = make_optimizer(set_trainable(model, stage), stage, fused=True)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        total(model, batch).backward()
        optimizer.step()
        for name, value in model.state_dict().items():
            if not name.startswith(stage.parameters):
                assert torch.equal(value, before[name]), f"{stage.name} changes {name}"


def test_unknown_labels_change_nothing(key):
    batch = random_batch()
    spoilt = dataclasses.replace(
        batch,
        au_present=torch.where(batch.au_present_valid, batch.au_present, torch.nan),
        au_intensity=torch.where(batch.au_intensity_valid, batch.au_intensity, 1e6),
        mesh=torch.where(batch.mesh_valid[:, None, None], batch.mesh, torch.nan),
    )
    results = []
    for one in (batch, spoilt):
        model = build(key).train()
        loss = total(model, one)
        loss.backward()
        # Parameters of a network that only another stage runs have none.
        results.append((loss, [p.grad for p in model.parameters() if p.grad is not None]))
    assert torch.equal(results[0][0], results[1][0]) and results[0][1]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_no_known_label_gives_zero_loss_and_no_gradient(key):
    batch = random_batch()
    nothing = torch.zeros_like(batch.au_present_valid)
    without = dataclasses.replace(batch, au_present_valid=nothing, au_intensity_valid=nothing)
    model = build(key).train()
    labelled, losses = (model.losses(model(one), one) for one in (batch, without))
    # The others tell pictures apart, not labels.
    of_labels = [losses[name] for name in losses if losses[name] != labelled[name]]
    assert of_labels
    loss = torch.stack(of_labels).sum()
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_eight_samples_can_be_learned_by_heart(key):
    model, batch = build(key), random_batch()
    batch = dataclasses.replace(batch, anchor=batch.image)
    known = batch.au_present_valid
    for stage in model.stages():
        trained = set_trainable(model, stage)
        if not any(name.startswith(tuple(model.au_outputs)) for name, _ in trained):
            continue  # a stage that learns from pictures alone
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], BY_HEART_LR.get(key, 3e-3))
        first = float(total(model, batch).detach())
        for _ in range(150):
            optimizer.zero_grad()
            loss = total(model, batch)
            loss.backward()
            optimizer.step()
        rows = batch.mesh_valid if "mesh" in stage.inputs else torch.ones_like(batch.mesh_valid)
        right = (model(batch).au_logit > 0) == (batch.au_present > 0.5)
        assert float(loss.detach()) < 0.3 * first, stage.name
        assert right[rows[:, None] & known].all(), stage.name


def test_save_and_load_give_the_same_output(key, tmp_path):
    model, batch = build(key), random_batch()
    model.train()
    model(batch)  # batch statistics and mean shape become other than initial
    model.eval()
    save_checkpoint(tmp_path / "model.safetensors", model, {})
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert loaded.aus == AUS and not loaded.model.training
    with torch.inference_mode():
        assert torch.equal(loaded.model(batch).au_logit, model(batch).au_logit)
        one = Batch(**{name: value[:1] for name, value in vars(batch).items() if value is not None})
        torch.testing.assert_close(loaded.model(one).au_logit, model(batch).au_logit[:1], atol=1e-4, rtol=1e-4)


def test_a_model_can_start_from_one_of_other_action_units(key, tmp_path):
    model, batch = build(key), random_batch()
    save_checkpoint(tmp_path / "model.safetensors", model, {})
    other = MODELS[key].model(model.config, (25, 6, 1, 4))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    start_from(other, tmp_path / "model.safetensors")
    for stage in model.stages():
        if stage.name in MIXES_AUS.get(key, ()):
            continue
        set_trainable(model, stage), set_trainable(other, stage)
        model.eval(), other.eval()
        with torch.inference_mode():
            old, new = model(batch).au_logit, other(batch).au_logit
        torch.testing.assert_close(new[:, [0, 2, 3]], old[:, [3, 0, 1]], msg=stage.name)
    # AU06 is new: its rows are as they were.
    for prefix, blocks in model.au_outputs.items():
        for name, value in other.state_dict().items():
            if name.startswith(prefix):
                rows = [4 * block + 1 for block in range(blocks)]
                assert torch.equal(value[rows], before[name][rows])
