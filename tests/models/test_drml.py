"""DRML: patches against a literal loop, the sizes of the paper, and what cannot be."""

import pytest
import torch
import torch.nn.functional as F
from small_models import AUS, random_batch

from actionunits.errors import UserError
from actionunits.models.drml import Drml, DrmlConfig
from actionunits.models.drml.loss import multilabel_loss
from actionunits.models.drml.model import CELLS, RegionLayer, from_patches, to_patches


def test_every_patch_has_its_own_filters():
    torch.manual_seed(0)
    layer = RegionLayer(3).double().eval()
    with torch.no_grad():
        for value in (layer.norm.running_mean, layer.norm.weight, layer.norm.bias):
            value.normal_()
        layer.norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, 40, 40, dtype=torch.float64)
    found = layer(x)
    for row in range(CELLS):
        for column in range(CELLS):
            k = row * CELLS + column
            own = slice(3 * k, 3 * k + 3)
            patch = x[:, :, 5 * row : 5 * row + 5, 5 * column : 5 * column + 5]
            norm = layer.norm
            normal = F.batch_norm(
                patch, norm.running_mean[own], norm.running_var[own], norm.weight[own], norm.bias[own], eps=norm.eps
            )
            made = F.conv2d(F.relu(normal), layer.filters.weight[own], layer.filters.bias[own], padding=1)
            expected = F.relu(patch + made)
            place = found[:, :, 5 * row : 5 * row + 5, 5 * column : 5 * column + 5]
            torch.testing.assert_close(place, expected, atol=1e-10, rtol=0)
    assert torch.equal(from_patches(to_patches(x)), x)


def test_maps_have_the_papers_sizes():
    model = Drml(DrmlConfig(), AUS)
    assert model.dense[0].in_features == 16 * 27 * 27
    assert [layer.out_features for layer in (model.dense[0], model.dense[3], model.head)] == [4096, 2048, len(AUS)]


def test_unknown_labels_have_no_part():
    batch = random_batch(4, 66)
    z = torch.randn(4, len(AUS))
    y, v = batch.au_present, batch.au_present_valid
    expected = F.binary_cross_entropy_with_logits(z[v], y[v], reduction="sum") / 4
    torch.testing.assert_close(multilabel_loss(z, torch.where(v, y, 9), v), expected)


def test_sizes_that_do_not_divide_into_patches_are_refused():
    with pytest.raises(UserError, match=r"image_size is 112: less 10 it must divide into 8 patches; use 106 or 114"):
        DrmlConfig(image_size=112)
