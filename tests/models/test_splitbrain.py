"""SplitBrain: colours against scikit-image, bins by hand, what each half sees, and the sizes of its features."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from small_models import AUS, SMALL, random_batch

from actionunits.models.splitbrain import SplitBrain, SplitBrainConfig, lab
from actionunits.models.splitbrain.loss import bins_loss


def small():
    torch.manual_seed(0)
    return SplitBrain(SplitBrainConfig(**SMALL["splitbrain"]), AUS).eval()


def test_lightness_and_colour_are_those_of_scikit_image():
    image = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    image[0, :, 0, 0], image[0, :, 0, 1] = 0, 1
    expected = rgb2lab(image.permute(0, 2, 3, 1).numpy())
    found = lab.rgb_to_lab(image).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)  # its matrix and white are rounded too


def test_bins_by_hand():
    places = torch.tensor([[0.0, -110, -110], [99.99, 0, 0], [100, 109, 109], [50.5, -0.1, 10]])
    picture = places.T[None, :, None, :]
    assert lab.light_bins(picture).flatten().tolist() == [0, 99, 99, 50]
    assert lab.colour_bins(picture).flatten().tolist() == [0, 11 * 22 + 11, 483, 10 * 22 + 12]


def test_the_loss_is_the_mean_negative_log_of_the_right_bins():
    z, q = torch.randn(2, 5, 3, 4, dtype=torch.float64), torch.randint(5, (2, 3, 4))
    total = 0.0
    for b in range(2):
        for y in range(3):
            for x in range(4):
                total -= z[b, :, y, x].softmax(0)[q[b, y, x]].log().item() / 24
    assert bins_loss(z, q).item() == pytest.approx(total, abs=1e-10)


def test_neither_half_sees_what_it_predicts():
    model, picture = small(), lab.rgb_to_lab(random_batch(2, 64).image)
    from_light, from_colour = model._maps(picture)
    for changed, same, other in ((0, from_colour, from_light), (1, from_light, from_colour)):
        moved = picture.clone()
        moved[:, changed] += 10
        maps = model._maps(moved)
        assert torch.equal(maps[1 - changed], same) and not torch.equal(maps[changed], other)


def test_both_frames_of_a_pair_are_learned_from_and_the_probe_reads_the_first():
    model, batch = small(), random_batch(2, 64, inputs=("image", "target"))
    output = model(batch)
    assert output.split is not None and len(output.split.colour) == 4
    alone = model(random_batch(2, 64))
    torch.testing.assert_close(output.au_logit, alone.au_logit)


@pytest.mark.parametrize(("size", "cells"), [(227, 5), (112, 2), (64, 1), (35, 1)])
def test_features_have_as_many_cells_as_the_crop_allows(size, cells):
    model = SplitBrain(SplitBrainConfig(image_size=size, width=6, dense_units=8), AUS).eval()
    with torch.inference_mode():
        features = model.features(random_batch(1, size))
    assert features.shape == (1, 2 * 24 * cells**2) == (1, model.probe.weight.shape[1])


def test_the_widths_of_the_paper():
    with torch.device("meta"):
        model = SplitBrain(SplitBrainConfig(), AUS)
    widths = [layer.out_channels for layer in model.from_light.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [48, 128, 192, 192, 128, 2048, 2048, lab.COLOUR_BINS]
