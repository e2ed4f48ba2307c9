"""HOG features against scikit-image, the objective against a literal loop, the machine against LIBLINEAR."""

import time
import warnings

import numpy as np
import pytest
import skimage.feature
import torch
from skimage.color import rgb2gray
from sklearn.svm import LinearSVC
from small_models import random_batch

from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.hog import HogConfig, HogSvm, loss
from actionunits.models.hog.features import cell_histograms, hog
from actionunits.settings.checks import make_config
from actionunits.training.optim import LearningRate, make_optimizer, set_trainable


def drawn_pictures(rows=4, size=112, seed=0):
    """Smooth shapes with edges and flat parts, 8 bits deep, (B, 3, S, S)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    pictures = []
    for _ in range(rows):
        waves = [np.sin(2 * np.pi * (rng.uniform(1, 6, 2) @ np.stack([x, y]).reshape(2, -1))) for _ in range(3)]
        picture = 0.5 + 0.3 * np.stack(waves, -1).reshape(size, size, 3)
        centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.1, 0.3)
        picture[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = rng.random(3)
        pictures.append(np.round(picture * 255) / 255)
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2)).float()


@pytest.mark.parametrize(
    ("size", "cell", "block", "orientations"), [(112, 8, 2, 9), (112, 16, 3, 7), (100, 8, 2, 9), (64, 8, 1, 5)]
)
def test_features_are_scikit_images(size, cell, block, orientations):
    # Odd numbers of orientations: an edge of 45 or 90 degrees would lie between two bins, and rounding decide.
    pictures = drawn_pictures(size=size)
    ours = hog(pictures, cell, block, orientations)
    for own, picture in zip(ours, pictures, strict=True):
        theirs = skimage.feature.hog(
            rgb2gray(picture.permute(1, 2, 0).numpy()),
            orientations,
            (cell, cell),
            (block, block),
            block_norm="L2-Hys",
        )
        np.testing.assert_allclose(own.numpy(), theirs, atol=1e-4)


@pytest.mark.parametrize(("across", "down", "orientation"), [(1, 0, 0), (-1, 0, 0), (0, 1, 4), (1, 1, 2), (-1, 1, 6)])
def test_a_slope_votes_for_its_orientation(across, down, orientation):
    # Of 9 bins of 20 degrees: 0, 180, 90, 45 and 135 degrees.
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    histogram = cell_histograms(((across * x + down * y) / 64)[None], 8, 9)
    inner = histogram[0, 1:-1, 1:-1]
    assert (inner.argmax(-1) == orientation).all()
    assert inner[..., orientation].allclose(torch.tensor(2 * np.hypot(across, down) / 64).float())


def test_contrast_and_brightness_hardly_matter():
    pictures = drawn_pictures()
    np.testing.assert_allclose(hog(pictures, 8, 2, 9), hog(0.5 * pictures + 0.2, 8, 2, 9), atol=0.02)


def test_a_flat_picture_has_no_features():
    assert hog(torch.full((1, 3, 64, 64), 0.5), 8, 2, 9).abs().max() < 0.05


def test_features_are_quick():
    model = HogSvm(HogConfig(), (1,))
    image = torch.rand(128, 3, 112, 112).contiguous(memory_format=torch.channels_last)
    spans = []
    for _ in range(4):
        began_s = time.perf_counter()
        model.features(Batch(image=image))
        spans.append(time.perf_counter() - began_s)
    # 20 ms on a core alone; the limit leaves room for slow and busy machines.
    assert min(spans) < 0.5


def test_half_precision_does_not_reach_the_features():
    model, image = HogSvm(HogConfig(image_size=64), (1,)), drawn_pictures(size=64)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model.features(Batch(image=image))
        assert model(Batch(image=image)).au_logit.dtype == torch.float32
    assert torch.equal(coarse, model.features(Batch(image=image)))


def test_squared_hinge_is_the_literal_one():
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(7, 4, generator=generator, dtype=torch.float64) * 2
    y = (torch.rand(7, 4, generator=generator) < 0.4).double()
    v = torch.rand(7, 4, generator=generator) < 0.8
    v[:, 3] = False
    expected = 0.0
    for a in range(4):
        terms = []
        for b in range(7):
            if v[b, a]:
                sign = 1.0 if y[b, a] == 1 else -1.0
                terms.append(max(0.0, 1.0 - sign * f[b, a].item()) ** 2)
        expected += sum(terms) / len(terms) if terms else 0.0
    assert loss.squared_hinge_loss(f, y, v).item() == pytest.approx(expected, abs=1e-12)
    assert loss.squared_hinge_loss(f, torch.where(v, y, torch.nan), v).item() == pytest.approx(expected, abs=1e-12)


def test_objective_worked_by_hand():
    f, y = torch.tensor([[0.5], [-3.0], [0.5]]), torch.tensor([[1.0], [0.0], [0.0]])
    # (1 - 0.5)^2, 0 beyond the margin, (1 + 0.5)^2.
    assert loss.squared_hinge_loss(f, y, torch.ones(3, 1, dtype=torch.bool)).item() == pytest.approx(2.5 / 3)
    assert loss.weight_penalty(torch.tensor([[3.0, 4.0]])).item() == 12.5


def test_the_penalty_is_of_the_weights_alone():
    model, batch = HogSvm(HogConfig(image_size=64, weight_decay=0.1), (1, 4, 12, 25)), random_batch()
    torch.nn.init.constant_(model.svm.weight, 0.01)
    torch.nn.init.constant_(model.svm.bias, 5.0)
    penalty = model.losses(model(batch), batch)["penalty"].item()
    assert penalty == pytest.approx(0.1 * model.svm.weight.numel() * 1e-4 / 2, rel=1e-5)


def test_decisions_are_those_of_liblinear():
    rows, aus, epochs = 160, 2, 2000
    pictures = 0.6 * drawn_pictures(rows, size=32)
    generator = torch.Generator().manual_seed(1)
    y = (torch.rand(rows, aus, generator=generator) < 0.4).float()
    pictures[y[:, 0] > 0, :, 4:12, 4:12] += 0.3  # the first AU is a patch, the second a noisy bar
    pictures[y[:, 1] > 0, :, 20:23] += 0.2 * torch.rand(int(y[:, 1].sum()), 3, 3, 32, generator=generator)
    train, test = slice(0, 120), slice(120, rows)
    config = HogConfig(image_size=32, weight_decay=0.05, lr=1e-2, epochs=epochs, batch_size=120)
    model = HogSvm(config, (1, 4))
    batch = Batch(image=pictures[train], au_present=y[train], au_present_valid=torch.ones(120, aus, dtype=torch.bool))
    (stage,) = model.stages()
    optimizer, rate = make_optimizer(set_trainable(model, stage), stage, fused=True), LearningRate(stage)
    features = model.features(Batch(image=pictures))
    for step in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate.at(step, step / epochs)
        optimizer.zero_grad()
        output = Output(model.svm(features[train]))  # as model(batch), without taking the features 2000 times
        torch.stack(list(model.losses(output, batch).values())).sum().backward()
        optimizer.step()
    with torch.no_grad():
        margins = model(Batch(image=pictures)).au_logit.numpy()
    for a in range(aus):
        # A large constant: LIBLINEAR then hardly penalises its factor.
        svm = LinearSVC(C=1 / (config.weight_decay * 120), intercept_scaling=30.0, tol=1e-8, max_iter=100_000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # LIBLINEAR says so when it did not converge
            svm.fit(features[train].numpy().astype(np.float64), y[train, a].numpy())
        theirs = svm.decision_function(features.numpy().astype(np.float64))
        np.testing.assert_allclose(margins[:, a], theirs, atol=0.01)
        sure = np.abs(theirs[test]) > 0.01
        assert ((margins[test, a] > 0) == (theirs[test] > 0))[sure].all() and sure.mean() > 0.9
        assert svm.score(features[test].numpy(), y[test, a].numpy()) > 0.9


def test_settings_that_leave_no_block_are_refused():
    with pytest.raises(UserError, match="needs 32 pixels"):
        HogConfig(image_size=24, cell=16)
    with pytest.raises(UserError, match="at least 1"):
        make_config(HogConfig, {"orientations": 0}, "settings")
    with pytest.raises(UserError, match=r"weight_decay is -1.0; it must be at least 0"):
        make_config(HogConfig, {"weight_decay": -1.0}, "settings")
