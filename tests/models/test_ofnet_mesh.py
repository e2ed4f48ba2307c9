"""OF-Net whose encoder reads the layers of MediaPipe's mesh network: where their maps lie, what learns, its graph."""

import numpy as np
import onnxruntime
import pytest
import torch
from small_models import AUS, SMALL, random_batch

from actionunits.detection.export import export_file
from actionunits.detection.torch_engine import TorchEngine
from actionunits.models.layers.mesh_body import CROP_PX, PICTURE_PX, WIDTHS
from actionunits.models.layers.mesh_maps import under_crop
from actionunits.models.ofnet import OfNet, OfNetConfig
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.optim import set_trainable


def build(**settings) -> OfNet:
    torch.manual_seed(0)
    return OfNet(OfNetConfig(**SMALL["ofnet"] | {"encoder": "mesh"} | settings), AUS)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", [16, 8, 4])
def test_the_part_of_a_map_under_the_crop_lies_where_the_crop_is(width, size):
    # Cells hold where their centres lie in the network's picture, 0-1, to the right.
    places = ((torch.arange(width) + 0.5) / width).expand(1, 1, width, width)
    border = (PICTURE_PX - CROP_PX) / 2 / PICTURE_PX
    expected = border + (torch.arange(size) + 0.5) / size * (1 - 2 * border)
    found = under_crop(places, size)
    assert found.shape == (1, 1, size, size)
    inside = (expected > 0.5 / width) & (expected < 1 - 0.5 / width)  # beyond, no centre of a cell lies
    pixel = 1 / PICTURE_PX
    torch.testing.assert_close(found[0, 0, 0][inside], expected[inside], rtol=0, atol=pixel)


def test_a_motion_and_action_units_depend_on_the_layers_which_stay_as_they_are():
    model, batch = build(), random_batch()
    for stage in model.stages():
        trained = [name for name, _ in set_trainable(model, stage)]
        assert any("joins" in name for name in trained) and not any(name.startswith("mesh.") for name in trained)
    before = model.eval()(batch)
    with torch.no_grad():
        model.mesh.blocks[9].pointwise.bias.add_(1.0)
    after = model(batch)
    assert not torch.allclose(before.flow, after.flow) and not torch.allclose(before.au_logit, after.au_logit)


def test_flow_of_two_frames_has_no_such_layers():
    assert build(variant="dis").mesh is None


def test_a_trained_one_is_stored_and_its_graph_says_the_same(tmp_path):
    model = build()
    set_trainable(model, model.stages()[-1])
    for _ in range(3):
        model(random_batch(8))  # statistics of the maps
    weights, out = tmp_path / "ofnet.safetensors", tmp_path / "model.onnx"
    save_checkpoint(weights, model, {})
    assert load_checkpoint(weights).model.config.encoder == "mesh"
    export_file(weights, out)
    image = np.random.default_rng(3).integers(0, 256, (3, 64, 64, 3), np.uint8)
    expected = TorchEngine(weights, "cpu", flow=True).run({"image": image}, (), None)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    for name, values in zip(["au_logit", "flow"], session.run(["au_logit", "flow"], {"image": image}), strict=True):
        np.testing.assert_allclose(values, expected[name], atol=1e-4)
