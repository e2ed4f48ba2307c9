"""OF-Net that is told the true motion of some frames, in the experiments that train it."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from random_crops import random_crops
from small_models import AUS, SMALL, random_batch

from actionunits.datasets.crops.crop_data import concatenate
from actionunits.models.ofnet import OfNetConfig, loss

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scripts(monkeypatch):
    """Finds a script of OF-Net's by its name; the folders that scripts add to the path go again."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "ofnet")
    return importlib.import_module


def told_jointly(scripts):
    torch.manual_seed(0)
    return scripts("train_release").ToldJointly(OfNetConfig(**SMALL["ofnet"] | {"au_weight": 7.0}), AUS)


def test_motion_is_told_where_it_is_known_and_weighs_as_much_as_an_action_unit(scripts):
    model, batch = told_jointly(scripts), random_batch()
    true = torch.full((len(batch.image), 2, *batch.image.shape[2:]), torch.nan)
    true[0, :, 3, 4] = torch.tensor([1.0, 2.0])
    true[1, :, 5, 6] = torch.tensor([-1.0, 0.5])
    output = model(batch)
    found = model.losses(output, dataclasses.replace(batch, flow=true))
    ends = [(output.flow[0, :, 3, 4] - true[0, :, 3, 4]).norm(), (output.flow[1, :, 5, 6] - true[1, :, 5, 6]).norm()]
    torch.testing.assert_close(found["motion"], 7.0 * len(AUS) * (ends[0] + ends[1]) / 2)
    occurrence = loss.au_loss(output.au_logit, batch.au_present, batch.au_present_valid)
    torch.testing.assert_close(found["occurrence"], 7.0 * occurrence)


def test_frames_whose_motion_nobody_knows_teach_action_units_alone(scripts):
    model, batch = told_jointly(scripts), random_batch()
    nowhere = torch.full((len(batch.image), 2, *batch.image.shape[2:]), torch.nan)
    found = model.losses(model(batch), dataclasses.replace(batch, flow=nowhere))
    assert found["motion"] == 0 and found["occurrence"] > 0
    sum(found.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_people_with_and_without_a_known_motion_are_joined(scripts):
    data = random_crops(8, "S", 0)
    script = scripts("train_release")
    silent = script.without_motion(data)
    known = np.zeros((len(data), 2, data.size, data.size), np.float16)
    joined = concatenate([silent, dataclasses.replace(data, flow=script.Rows.of(known))])
    flow = joined.batch(np.array([0, len(data)]), inputs=("image", "flow")).flow
    assert flow[0].isnan().all() and (flow[1] == 0).all()
