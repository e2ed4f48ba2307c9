"""Gradient ascent on pictures, for every model that has gradients; what is done to the picture between steps."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from small_models import AUS, SMALL
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.errors import UserError
from actionunits.models import MODELS, find_model
from actionunits.models.batch import Batch
from actionunits.models.contract import HasPictureNetwork
from actionunits.reports.activation import (
    Regularisation,
    activation_figure,
    maximise,
    regularise,
    visualise,
)
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint


def stored(key, path):
    torch.manual_seed(0)
    model = find_model(key).model(find_model(key).config(**SMALL[key]), AUS).eval()
    save_checkpoint(path, model, {})
    return path


@pytest.mark.parametrize("key", sorted(set(MODELS) - {"hog"}))
def test_every_model_with_gradients_can_be_climbed(key, tmp_path):
    path = stored(key, tmp_path / "model.safetensors")
    found = visualise(path, (4, 25), 3)
    size = load_checkpoint(path).model.config.image_size
    assert found.aus == (4, 25) and found.pictures.shape == (2, size, size, 3)
    assert found.pictures.min() >= 0 and found.pictures.max() <= 1
    assert len(activation_figure(found).axes) == 2
    # Decay and blur alone can lower what an untrained network says of noise.
    climb = Regularisation(step=0.005, decay=0.0, clip_every=100, blur_every=100)
    model = load_checkpoint(path).model
    if isinstance(model, HasPictureNetwork):
        model.enter_picture_network()
    start, end = (maximise(model, (1, 3), steps, omega=climb)[1] for steps in (1, 12))
    assert (end > start).all()


def test_a_picture_is_its_own_actions_alone(tmp_path):
    entry = find_model("hybrid")
    model = entry.model(entry.config(**SMALL["hybrid"] | {"variant": "anet"}), AUS).eval()
    both, one = (maximise(model, columns, 5)[0] for columns in ((0, 2), (2,)))
    np.testing.assert_allclose(both[1], one[0], atol=1e-4)


def test_of_the_hybrid_network_the_cnn_is_climbed(tmp_path):
    path = stored("hybrid", tmp_path / "model.safetensors")
    found = visualise(path, (12,), 3)
    torch.manual_seed(0)
    model = find_model("hybrid").model(find_model("hybrid").config(**SMALL["hybrid"]), AUS).eval()
    picture = torch.from_numpy(found.pictures).permute(0, 3, 1, 2)
    scores = model.cnn.scores(model.cnn(picture))
    assert float(scores[0, 2].detach()) == pytest.approx(float(found.au_logit[0]), abs=1e-4)


def test_decay_clipping_and_blur_are_those_of_equation_6():
    torch.manual_seed(0)
    x = 0.3 * torch.randn(1, 3, 9, 9)
    off = Regularisation(decay=0.0, clip_every=10**6, blur_every=10**6)
    torch.testing.assert_close(regularise(x, 0, off), x.clamp(-0.5, 0.5))
    torch.testing.assert_close(regularise(x, 0, dataclasses.replace(off, decay=0.25)), (0.75 * x).clamp(-0.5, 0.5))
    clipped = regularise(0.1 * x, 0, dataclasses.replace(off, clip_every=1, clip_percentile=40.0))
    norm = (0.1 * x).norm(dim=1)[0]
    kept = norm >= np.percentile(norm, 40)
    assert 45 <= int(kept.sum()) <= 50
    assert torch.equal(clipped[0, :, kept], 0.1 * x[0, :, kept]) and not clipped[0, :, ~kept].any()
    blurred = regularise(0.1 * x, 0, dataclasses.replace(off, blur_every=1, blur_sigma=1.2))
    for c in range(3):
        np.testing.assert_allclose(blurred[0, c], gaussian_filter(0.1 * x[0, c].numpy(), 1.2), atol=1e-6)


def test_what_cannot_be_climbed_is_one_line(tmp_path):
    class Blind(torch.nn.Module):
        config = find_model("hog").config(**SMALL["hog"])

        def forward(self, batch: Batch):
            from actionunits.models.batch import Output

            return Output(batch.image.new_zeros(len(batch.image), 2))

    with pytest.raises(UserError, match="have no gradient on the picture"):
        maximise(Blind(), (0,), 2)
    runner = CliRunner()
    path = stored("hog", tmp_path / "hog.safetensors")
    result = runner.invoke(app, ["report", "activation", str(path), "-o", str(tmp_path / "a.png"), "--steps", "2"])
    assert isinstance(result.exception, UserError) and "holds a hog: the model's outputs have no" in str(
        result.exception
    )
    with pytest.raises(UserError, match="does not know AU06"):
        visualise(path, (6,), 2)
