"""Image branches that are put together from trained parts, with random weights."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_models import random_batch

from actionunits.errors import UserError
from actionunits.models.layers.mesh_body import MeshBody
from actionunits.models.resnet18 import ResNet18, ResNet18Config

ROOT = Path(__file__).parents[2]
AUS, SIZE = (4, 9, 12), 146


@pytest.fixture
def branches(monkeypatch):
    """The module, which lies beside its scripts."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "resnet18")
    return importlib.import_module("image_branches")


def a_resnet_and_layers():
    """A ResNet-18, the mesh network's layers, and batches for both."""
    torch.manual_seed(0)
    settings = {"sides": True, "image_size": SIZE}
    first = ResNet18(ResNet18Config(width=4, **settings), AUS).eval()
    second = ResNet18(ResNet18Config(width=0, mesh_features=8, **settings), AUS).eval()
    return first, second, [random_batch(6, SIZE), random_batch(6, SIZE)]


def test_two_image_branches_become_one_by_their_shares_in_units_of_their_spread(branches):
    first, second, batches = a_resnet_and_layers()
    with torch.inference_mode():
        joined = branches.beside(first, second, batches, 0.75)
        image = torch.cat([batch.image for batch in batches])
        mine, theirs, both = (model.image(image) for model in (first, second, joined))
    odds = slice(0, len(AUS))
    ratio = mine[:, odds].std(0) / theirs[:, odds].std(0)
    expected = 0.25 * mine[:, odds] + 0.75 * theirs[:, odds] * ratio
    torch.testing.assert_close(both[:, odds], expected, atol=1e-4, rtol=1e-4)


def test_without_the_resnet_the_layers_speak_in_its_units(branches):
    first, second, batches = a_resnet_and_layers()
    joined = branches.beside(first, second, batches, 1.0)
    alone = branches.without_resnet(joined)
    assert alone.config.width == 0 and alone.image.body is None
    with torch.inference_mode():
        image = torch.cat([batch.image for batch in batches])
        torch.testing.assert_close(alone.image(image), joined.image(image), atol=1e-4, rtol=1e-4)
        spread = first.image(image)[:, : len(AUS)].std(0)
        torch.testing.assert_close(alone.image(image)[:, : len(AUS)].std(0), spread, atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="--without-resnet"):
        branches.without_resnet(first)
    with pytest.raises(UserError, match="--beside"):
        branches.beside(joined, second, batches, 0.5)


def test_several_trainings_of_the_layers_are_averaged_weight_by_weight(branches):
    def trained(seed, **settings):
        torch.manual_seed(seed)
        config = ResNet18Config(width=0, **{"mesh_features": 8} | settings)
        return SimpleNamespace(model=ResNet18(config, (4, 9)))

    first, second = trained(0), trained(1)
    expected = (first.model.image.head.weight + second.model.image.head.weight) / 2
    torch.testing.assert_close(branches.averaged([first, second]).image.head.weight, expected)
    with pytest.raises(UserError, match="same settings"):
        branches.averaged([first, trained(0, mesh_features=4)])


def test_layers_may_go_on_the_way_that_training_took_them(branches):
    layers = ResNet18(ResNet18Config(width=0, mesh_features=8), (4, 9)).eval()
    begun = MeshBody().first.weight
    with torch.no_grad():
        layers.image.mesh_body.first.weight.add_(0.25)
    further = branches.reaching(layers, 2.0)
    torch.testing.assert_close(further.image.mesh_body.first.weight, begun + 0.5)
    torch.testing.assert_close(layers.image.mesh_body.first.weight, begun + 0.25)
    assert torch.equal(further.image.head.weight, layers.image.head.weight)
