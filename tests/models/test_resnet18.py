"""ResNet-18: equations against literal loops, body, landmark branch."""

import dataclasses
import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from scipy.spatial.transform import Rotation
from small_models import random_batch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.layers.mesh_body import CHANNELS, CROP_PX, PICTURE_PX, WEIGHTS, WIDTHS, MeshBody
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.resnet import ResNet18Body, load_imagenet
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.models.resnet18.landmarks import MeshShape, rotation_to, scale_to_eyes
from actionunits.models.resnet18.loss import (
    concordance_loss,
    intensity_loss,
    inverse_rate_weights,
    occurrence_loss,
    sides_loss,
)
from actionunits.settings.checks import make_config
from actionunits.training.optim import set_trainable

ROWS, COLUMNS = 7, 3


@pytest.fixture
def labels():
    generator = np.random.default_rng(3)
    return {
        "z": generator.normal(0, 2, (ROWS, COLUMNS)),
        "y": generator.integers(0, 2, (ROWS, COLUMNS)).astype(float),
        "x": generator.uniform(0, 5, (ROWS, COLUMNS)),
        "t": generator.uniform(0, 5, (ROWS, COLUMNS)),
        "v": generator.random((ROWS, COLUMNS)) < 0.7,
        "w": generator.uniform(0.5, 2, COLUMNS),
    }


def tensors(labels, names):
    return [torch.from_numpy(labels[name]) for name in names]


def test_occurrence_loss_is_the_masked_cross_entropy(labels):
    total, known = 0.0, 0
    for b in range(ROWS):
        for a in range(COLUMNS):
            if labels["v"][b, a]:
                p, y = 1 / (1 + math.exp(-labels["z"][b, a])), labels["y"][b, a]
                total -= labels["w"][a] * (y * math.log(p) + (1 - y) * math.log(1 - p))
                known += 1
    assert abs(float(occurrence_loss(*tensors(labels, "zyvw"))) - total / known) < 1e-10


def test_occurrence_loss_by_hand():
    loss = occurrence_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool))
    assert float(loss) == pytest.approx(math.log(2))


def test_intensity_loss_is_the_masked_smooth_l1(labels):
    total, known = 0.0, 0
    for b in range(ROWS):
        for a in range(COLUMNS):
            if labels["v"][b, a]:
                d = abs(labels["x"][b, a] - labels["t"][b, a])
                total += labels["w"][a] * (d * d / 2 if d < 1 else d - 0.5)
                known += 1
    assert abs(float(intensity_loss(*tensors(labels, "xtvw"))) - total / known) < 1e-10


def test_intensity_loss_by_hand():
    known = torch.ones(1, 2, dtype=torch.bool)
    loss = intensity_loss(torch.tensor([[3.0, 0.5]]), torch.tensor([[1.0, 0.0]]), known)
    assert float(loss) == pytest.approx((1.5 + 0.125) / 2)


def test_concordance_loss_is_one_minus_the_mean_ccc(labels):
    losses = []
    for a in range(COLUMNS):
        rows = [b for b in range(ROWS) if labels["v"][b, a]]
        x, t = [labels["x"][b, a] for b in rows], [labels["t"][b, a] for b in rows]
        mx, mt = sum(x) / len(x), sum(t) / len(t)
        covariance = sum((p - mx) * (q - mt) for p, q in zip(x, t, strict=True)) / len(x)
        spread = sum((p - mx) ** 2 for p in x) / len(x) + sum((q - mt) ** 2 for q in t) / len(t)
        losses.append(1 - 2 * covariance / (spread + (mx - mt) ** 2))
    assert abs(float(concordance_loss(*tensors(labels, "xtv"))) - sum(losses) / COLUMNS) < 1e-10


def test_concordance_loss_leaves_out_constant_labels():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [2.0, 0.0]], requires_grad=True)
    t = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]])
    loss = concordance_loss(x, t, torch.ones(3, 2, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    assert not x.grad[:, 1].any()


def test_inverse_rate_weights_favour_the_scarce_and_average_one():
    weight = inverse_rate_weights(torch.tensor([0.4, 0.1, 0.0]))
    assert weight[0] < weight[1] < weight[2] and float(weight.mean()) == pytest.approx(1)
    assert float(weight[1] / weight[0]) == pytest.approx(4)


def test_body_has_torchvisions_names_and_size():
    body = ResNet18Body()
    names = set(body.state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.1.conv2.weight", "layer4.0.downsample.1.bias"} <= names
    assert sum(p.numel() for p in body.parameters()) == 11_689_512 - 512 * 1000 - 1000  # published, less fc
    assert body(torch.zeros(1, 3, 224, 224)).shape == (1, 512)


def test_imagenet_weights_load_and_strangers_are_refused():
    source, target = ResNet18Body(8), ResNet18Body(8)
    weights = source.state_dict() | {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}
    load_imagenet(target, weights)
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))
    with pytest.raises(UserError, match=r"conv1\.weight has shape"):
        load_imagenet(ResNet18Body(16), weights)
    with pytest.raises(UserError, match=r"1 are missing, such as bn1\.bias"):
        load_imagenet(target, {name: value for name, value in weights.items() if name != "bn1.bias"})


def random_mesh(rows: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    face = torch.rand(1, 478, 3, generator=generator, dtype=torch.float64)
    return face + 0.01 * torch.rand(rows, 478, 3, generator=generator, dtype=torch.float64)


def test_rotation_is_found_and_never_a_reflection():
    target = random_mesh(1)[0, :20]
    rotation = torch.from_numpy(Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix())
    found = rotation_to(((target - target.mean(0)) @ rotation.T)[None], target - target.mean(0))
    torch.testing.assert_close(found[0], rotation)
    mirrored = (target - target.mean(0)) * torch.tensor([-1.0, 1, 1])
    assert float(torch.det(rotation_to(mirrored[None], target - target.mean(0))[0])) == pytest.approx(1)


def test_shape_does_not_change_with_position_size_and_head_pose():
    shape = MeshShape().double().train()
    mesh, valid = random_mesh(16), torch.ones(16, dtype=torch.bool)
    shape(mesh, valid)
    shape.eval()
    rotation = torch.from_numpy(Rotation.from_euler("xyz", [15, 25, -30], degrees=True).as_matrix())
    moved = 1.7 * mesh @ rotation + torch.tensor([0.3, -0.1, 0.2])
    before, after = shape(mesh, valid)[:, :-9], shape(moved, valid)[:, :-9]
    torch.testing.assert_close(before, after, atol=1e-6, rtol=1e-6)
    assert before.abs().mean() > 0.1


def test_mean_shape_and_spread_are_those_of_all_meshes_seen():
    shape = MeshShape().double().train()
    mesh = scale_to_eyes(random_mesh(24))
    for part in mesh.split(8):
        shape(part, torch.ones(8, dtype=torch.bool))
    # The meshes hardly differ in rotation, so plain statistics come out nearly the same.
    torch.testing.assert_close(shape.template, mesh.mean(0), atol=5e-3, rtol=0)
    assert float(shape.variance.sqrt().mean() / mesh.std(0).mean()) == pytest.approx(1, abs=0.1)
    assert int(shape.count) == 24


def test_without_a_valid_mesh_the_image_alone_counts():
    torch.manual_seed(0)
    model = ResNet18(ResNet18Config(width=8, landmark_branch=True, landmark_weight=0.25), (1, 2, 4, 6))
    batch = random_batch(4)
    model.train()
    model(batch)
    output = model.eval()(batch)
    alone = model(dataclasses.replace(batch, mesh_valid=torch.zeros(4, dtype=torch.bool)))
    assert torch.equal(alone.au_logit, model.eval()(Batch(image=batch.image)).au_logit)
    assert torch.equal(output.au_logit[3], alone.au_logit[3])  # its mesh is not valid
    expected = 0.75 * output.image.au_logit[0] + 0.25 * output.landmarks.au_logit[0]
    torch.testing.assert_close(output.au_logit[0], expected)


def test_branches_are_averaged_before_the_logistic_function_and_the_image_alone_counts_without_a_mesh():
    torch.manual_seed(0)
    settings = {"width": 8, "landmark_branch": True, "landmark_weight": 0.25, "landmark_intensity_weight": 0.5}
    model = ResNet18(ResNet18Config(**settings, sides=True), (1, 2, 4, 6))
    batch = random_batch(4)
    model.train()
    model(batch)
    output = model.eval()(batch)
    mean = 5 * torch.sigmoid((output.image.intensity + output.landmarks.intensity) / 2)
    torch.testing.assert_close(output.au_intensity[:3], mean[:3])
    sides = 5 * torch.sigmoid((output.image.sides + output.landmarks.sides) / 2)
    torch.testing.assert_close(output.au_sides[:3], sides[:3])
    logit = 0.75 * output.image.au_logit + 0.25 * output.landmarks.au_logit
    torch.testing.assert_close(output.au_logit[:3], logit[:3])
    # The last mesh is not valid.
    assert torch.equal(output.au_intensity[3], output.image.au_intensity[3])
    assert torch.equal(output.au_sides[3], output.image.au_sides[3])


def test_landmarks_have_no_share_in_what_the_image_alone_reads():
    torch.manual_seed(0)
    settings = {"width": 8, "landmark_branch": True, "landmark_weight": 0.25, "sides": True, "image_only": (4,)}
    model = ResNet18(ResNet18Config(**settings), (1, 2, 4, 6))
    batch = random_batch(4)
    model.train()
    model(batch)
    output = model.eval()(batch)
    assert torch.equal(output.au_logit[:, 2], output.image.au_logit[:, 2])
    assert torch.equal(output.au_intensity[:, 2], output.image.au_intensity[:, 2])
    assert torch.equal(output.au_sides[:, 2], output.image.au_sides[:, 2])
    assert not torch.equal(output.au_logit[:3, 1], output.image.au_logit[:3, 1])


def test_sides_are_learned_where_they_are_known_and_left_alone_where_not():
    torch.manual_seed(0)
    model = ResNet18(ResNet18Config(width=4, sides=True), (1, 2, 4, 6))
    batch = dataclasses.replace(random_batch(4), au_sides=torch.rand(4, 4, 2) * 5)
    assert "sides" in model.losses(model(batch), batch)
    assert "sides" not in model.losses(model(batch), random_batch(4))
    x, t, v = torch.rand(3, 2, 2) * 5, torch.rand(3, 2, 2) * 5, torch.tensor([[True, False]] * 3)
    expected = sum(float(intensity_loss(x[..., k], t[..., k], v)) for k in range(2)) / 2
    assert float(sides_loss(x, t, v)) == pytest.approx(expected, abs=1e-6)


def test_blendshapes_reach_the_landmark_branch_and_do_not_train():
    torch.manual_seed(0)
    config = ResNet18Config(width=4, landmark_branch=True, landmark_blendshapes=True)
    model = ResNet18(config, (1, 2, 4, 6))
    batch = random_batch(4)
    stage = next(stage for stage in model.stages() if stage.name == "landmarks")
    trained = [name for name, _ in set_trainable(model, stage)]
    assert "landmarks.direct.weight" in trained and not any(name.startswith("blendshapes") for name in trained)
    model(batch)
    model.eval()
    before = model(batch).landmarks.au_logit
    with torch.no_grad():
        model.landmarks.direct.weight[0] = 1.0
    after = model(batch).landmarks.au_logit
    spread = model.landmarks.spread(model.blendshapes(batch.mesh), batch.mesh_valid)
    torch.testing.assert_close(after[:, 0] - before[:, 0], spread.sum(1))
    assert torch.equal(after[:, 1:], before[:, 1:]) and not spread[~batch.mesh_valid].any()


def test_the_mesh_networks_layers_give_the_maps_that_are_inside_the_finders_own_network():
    network = onnx.shape_inference.infer_shapes(onnx.load(WEIGHTS))
    known = network.graph.value_info
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in known}
    sums = [node.output[0] for node in network.graph.node if node.op_type == "Add"]
    # The last sum of each size is what the next blocks, and the branches for lips and eyes, begin with.
    named = [
        [name for name in sums if shapes[name] == [1, channels, width, width]][-1]
        for channels, width in zip(CHANNELS, WIDTHS, strict=True)
    ]
    network.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in named)
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    crop = np.random.default_rng(0).integers(0, 256, (CROP_PX, CROP_PX, 3), np.uint8)
    border = (PICTURE_PX - CROP_PX) // 2
    expected = session.run(named, {"image": np.pad(crop, ((border,) * 2, (border,) * 2, (0, 0)), "edge")[None]})
    maps = MeshBody()(torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255)
    for mine, theirs in zip(maps, expected, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, atol=1e-4)


@pytest.mark.parametrize("width", [0, 4])
def test_the_mesh_networks_layers_read_action_units_alone_and_beside_a_resnet(width):
    torch.manual_seed(0)
    model = ResNet18(ResNet18Config(width=width, mesh_features=16, image_size=146), (1, 2, 4, 6))
    batch = random_batch(2, 146)
    features = model.features(batch)
    assert features.shape == (2, 8 * width + 16)
    sum(model.losses(model(batch), batch).values()).backward()
    trained = [name for name, value in set_trainable(model, model.stages()[0]) if value.grad.abs().sum() > 0]
    assert any("mesh_body" in name for name in trained) and any("maps" in name for name in trained)
    assert (model.image.body is None) == (width == 0)


def test_a_branch_without_a_resnet_neither_takes_nor_lends_one():
    model = ResNet18(ResNet18Config(width=0, mesh_features=8), (1,))
    for lends in (model.resnet_body, lambda: model.take_body({})):
        with pytest.raises(UserError, match="no ResNet-18"):
            lends()


def test_the_middle_can_be_seen_as_the_crop_holds_it():
    config = ResNet18Config(image_size=146, magnification=1.3, middle_size=112, width=4)
    batch = random_batch(2, 146)
    seen = middle_of(batch.image, config.magnification, config.middle_size)
    assert torch.equal(seen, batch.image[..., 17:129, 17:129])


def test_an_untrained_landmark_branch_has_no_say():
    model = ResNet18(ResNet18Config(width=8, landmark_branch=True), (1, 2, 4, 6)).eval()
    batch = random_batch(4)
    assert torch.equal(model(batch).au_logit, model(Batch(image=batch.image)).au_logit)


def test_the_image_branch_rests_while_the_landmarks_train():
    model = ResNet18(ResNet18Config(width=8, landmark_branch=True), (1, 2, 4, 6)).train()
    model.image.eval()
    empty = dataclasses.replace(random_batch(4), image=torch.zeros(4, 3, 0, 0))
    assert set(model.losses(model(empty), empty)) == {"landmark_occurrence", "landmark_intensity"}


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"class_weighting": "some"}, "settings: class_weighting is 'some'; it must be one of 'none' or 'inverse'"),
        ({"image_size": 8}, "at least 32"),
        ({"magnification": 0.9}, "magnification is 0.9; it must be at least 1"),
        ({"magnification": 2.5}, "at most 2"),
        ({"landmark_weight": 1.5}, "at most 1"),
        ({"landmark_intensity_weight": -0.5}, "at least 0"),
        ({"teacher_weight": -1.0}, "at least 0"),
        ({"sides_weight": -1.0}, "at least 0"),
        ({"width": 0}, "mesh_features must be above 0"),
    ],
)
def test_bad_settings_are_refused(setting, line):
    with pytest.raises(UserError, match=line):
        make_config(ResNet18Config, setting, "settings")


def test_magnification_shows_the_middle_of_the_crop_enlarged():
    torch.manual_seed(0)
    plain = ResNet18(ResNet18Config(image_size=64, width=4), aus=(1, 2)).eval()
    magnified = ResNet18(ResNet18Config(image_size=64, width=4, magnification=2.0), aus=(1, 2)).eval()
    magnified.load_state_dict(plain.state_dict())
    batch = random_batch(3, 64)
    border = torch.ones(64, 64, dtype=torch.bool)
    border[16:48, 16:48] = False
    hidden = dataclasses.replace(batch, image=torch.where(border, 0.5, batch.image))
    enlarged = torch.nn.functional.interpolate(batch.image[:, :, 16:48, 16:48], scale_factor=2, mode="bilinear")
    assert not torch.allclose(plain(batch).au_logit, plain(hidden).au_logit)
    assert torch.equal(magnified(batch).au_logit, magnified(hidden).au_logit)
    assert torch.allclose(
        magnified(batch).au_logit, plain(dataclasses.replace(batch, image=enlarged)).au_logit, atol=1e-6
    )
    assert torch.equal(magnified.features(batch), magnified.features(hidden))
