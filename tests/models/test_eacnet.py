"""EAC-Net against literal loops in float64: loss, AU centres, attention, normalisation, crops; its stages; VGG-19."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import AUS, SMALL, random_batch

from actionunits import configs
from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49, POINTS_66
from actionunits.faces.mean_face import template_landmarks
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.eacnet import EacNet, EacNetConfig
from actionunits.models.eacnet.attention import attention_map, enhance
from actionunits.models.eacnet.centers import CENTERS, RULES, au_centers, complete_landmarks
from actionunits.models.eacnet.cropping import CroppingNet, local_response_norm, sample_cells
from actionunits.models.eacnet.loss import intensity_loss, occurrence_loss
from actionunits.models.layers.resnet import ResNet18Body, load_imagenet
from actionunits.models.layers.vgg import Vgg19Body
from actionunits.settings.checks import make_config
from actionunits.testing import ModelUnderTest, check_gradients, check_save_and_load, check_start_from_other_aus
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.optim import make_optimizer, set_trainable
from actionunits.training.settings import make_settings, read_config_file
from actionunits.training.start import start_from

# What torchvision documents of vgg19: position of each convolution, channels in, channels out.
VGG19_CONVOLUTIONS = [
    *[(0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128)],
    *[(10, 128, 256), (12, 256, 256), (14, 256, 256), (16, 256, 256)],
    *[(19, 256, 512), (21, 512, 512), (23, 512, 512), (25, 512, 512)],
    *[(28, 512, 512), (30, 512, 512), (32, 512, 512), (34, 512, 512)],
]
VGG19_DENSE = {"classifier.0": (4096, 25088), "classifier.3": (4096, 4096), "classifier.6": (1000, 4096)}

# Table I as a list: AUs, landmarks, and how far above them in distances of the inner eye corners.
TABLE_1 = [
    ("AU01", [21], 1 / 2),
    ("AU01", [22], 1 / 2),
    ("AU02", [18], 1 / 3),
    ("AU02", [25], 1 / 3),
    ("AU04", [19], -1 / 3),
    ("AU04", [24], -1 / 3),
    ("AU06", [41], -1),
    ("AU06", [46], -1),
    ("AU07", [36, 37, 38, 39, 40, 41], 0),
    ("AU07", [42, 43, 44, 45, 46, 47], 0),
    ("AU10", [49], 0),
    ("AU10", [53], 0),
    ("AU12, AU14, AU15", [48], 0),
    ("AU12, AU14, AU15", [54], 0),
    ("AU17", [58], -1 / 2),
    ("AU17", [56], -1 / 2),
    ("AU23", [51], 0),
    ("AU23", [57], 0),
    ("AU24", [61], 0),
    ("AU24", [63], 0),
]
RULE_IDS = [f"{aus} at {points[0]}" for aus, points, _ in TABLE_1]


def vgg_weights(width=64, generator=None):
    """A state dict with torchvision's names, the channels scaled to a width."""
    part = width / 64
    weights = {}
    for position, channels_in, channels in VGG19_CONVOLUTIONS:
        channels_in = 3 if channels_in == 3 else int(channels_in * part)
        weights[f"features.{position}.weight"] = (int(channels * part), channels_in, 3, 3)
        weights[f"features.{position}.bias"] = (int(channels * part),)
    for name, (outputs, inputs) in VGG19_DENSE.items():
        outputs = outputs if outputs == 1000 else int(outputs * part)
        weights[f"{name}.weight"], weights[f"{name}.bias"] = (outputs, int(inputs * part)), (outputs,)
    if generator is None:
        return weights
    return {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in weights.items()}


def build(**settings) -> EacNet:
    torch.manual_seed(0)
    return EacNet(EacNetConfig(**(SMALL["eacnet"] | settings)), AUS)


def similarity(points, turn_deg=0.0, scale=1.0, shift=(0.0, 0.0)):
    """Points about the middle of the crop turned clockwise as seen, scaled and shifted."""
    turn = math.radians(turn_deg)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return (points - 0.5) @ matrix.T * scale + 0.5 + np.asarray(shift)


def faces(*points):
    return torch.from_numpy(np.stack(points).astype(np.float64))


# A face that is no mirror image of itself, small enough that no centre of its turned versions leaves the crop.
FACE = similarity(
    template_landmarks().astype(np.float64) + np.random.default_rng(3).normal(0, 0.01, (68, 2)), scale=0.7
)
POSES = {
    "frontal": {},
    "rolled": {"turn_deg": 25.0},
    "rolled to the other side": {"turn_deg": -40.0, "shift": (0.05, -0.02)},
    "lying": {"turn_deg": 90.0},
    "small": {"scale": 0.4, "shift": (-0.2, 0.1)},
}


def literal_center(points, landmarks, up):
    """One rule of Table I, with the steps that its words describe."""
    x = sum(landmarks[p][0] for p in points) / len(points)
    y = sum(landmarks[p][1] for p in points) / len(points)
    across = (landmarks[42][0] - landmarks[39][0], landmarks[42][1] - landmarks[39][1])
    scale = math.hypot(*across)
    right = (across[0] / scale, across[1] / scale)
    above = (right[1], -right[0])  # of an upright face (0, -1): y points down
    return x + up * scale * above[0], y + up * scale * above[1]


# VGG-19


def test_vgg_has_the_names_and_shapes_of_the_official_weights():
    with torch.device("meta"):
        body = Vgg19Body()
    own = {name: tuple(value.shape) for name, value in body.state_dict().items()}
    left_out = ("classifier.3.", "classifier.6.")
    assert own == {name: shape for name, shape in vgg_weights().items() if not name.startswith(left_out)}


def test_vgg_loads_official_weights_and_computes_what_they_mean():
    generator = torch.Generator().manual_seed(0)
    weights = vgg_weights(4, generator)
    body = Vgg19Body(4)
    load_imagenet(body, weights)
    image = torch.randn(2, 3, 224, 224, generator=generator)
    x = image
    for position, _, _ in VGG19_CONVOLUTIONS:
        x = F.relu(
            F.conv2d(x, weights[f"features.{position}.weight"], weights[f"features.{position}.bias"], padding=1)
        )
        if position in (2, 7, 16, 25, 34):
            x = F.max_pool2d(x, 2)
    assert x.shape == (2, 32, 7, 7)
    expected = F.relu(F.linear(x.flatten(1), weights["classifier.0.weight"], weights["classifier.0.bias"]))
    torch.testing.assert_close(body(image), expected)


def test_weights_of_something_else_are_refused():
    with pytest.raises(UserError, match="not weights of a VGG-19: 34 are missing"):
        load_imagenet(Vgg19Body(2), ResNet18Body(4).state_dict())
    with pytest.raises(UserError, match="has shape"):
        load_imagenet(Vgg19Body(2), Vgg19Body(4).state_dict())


# Loss


def test_loss_is_equation_3():
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(7, 5, generator=generator, dtype=torch.float64)
    label = (torch.rand(7, 5, generator=generator) < 0.4).double()
    valid = torch.rand(7, 5, generator=generator) < 0.7
    valid[:, 3] = False
    expected = 0.0
    for a in range(5):
        terms = []
        for b in range(7):
            if valid[b, a]:
                p = 1 / (1 + math.exp(-z[b, a]))
                known = label[b, a].item()
                terms.append(-(known * math.log((p + 0.05) / 1.05) + (1 - known) * math.log((1.05 - p) / 1.05)))
        expected += sum(terms) / len(terms) if terms else 0.0
    spoilt = torch.where(valid, label, torch.nan)
    assert float(occurrence_loss(z, spoilt, valid)) == pytest.approx(expected, abs=1e-10)


def test_loss_of_a_case_worked_by_hand():
    # p = 1/2 costs log(1.05 / 0.55) whatever the label, a sure and right answer nothing, a sure and wrong one log 21.
    z = torch.tensor([[0.0, 0.0, 50.0, -50.0, 50.0]], dtype=torch.float64)
    label = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]])
    valid = torch.ones(1, 5, dtype=torch.bool)
    assert float(occurrence_loss(z, label, valid)) == pytest.approx(2 * math.log(1.05 / 0.55) + math.log(21))


def test_loss_of_intensity_is_a_sum_over_aus_of_means_over_known_labels():
    x = torch.tensor([[1.0, 4.0, 0.0], [0.5, 2.0, 1.0]], dtype=torch.float64)
    t = torch.tensor([[0.5, 1.0, torch.nan], [0.5, torch.nan, torch.nan]])
    # AU by AU: 0.5^2 / 2 and nothing, by two; 3 - 1/2; no known label.
    assert float(intensity_loss(x, t, t.isfinite())) == pytest.approx(0.125 / 2 + 2.5)


# AU centres


def test_rules_are_those_of_table_1():
    assert CENTERS == len(TABLE_1) == 20
    assert [au for rule in RULES for au in rule.aus] == [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("k", range(20), ids=RULE_IDS)
def test_a_center_lies_where_table_1_puts_it(k, pose):
    landmarks = similarity(FACE, **POSES[pose])
    center = au_centers(faces(landmarks))[0, k].numpy()
    _, points, up = TABLE_1[k]
    expected = literal_center(points, landmarks, up)
    scale = np.linalg.norm(landmarks[42] - landmarks[39])
    assert ((expected > np.zeros(2)) & (expected < np.ones(2))).all()
    np.testing.assert_allclose((center - expected) / scale, 0, atol=1e-6)


def test_of_an_upright_face_above_is_above():
    landmarks = template_landmarks().astype(np.float64)
    scale = landmarks[42, 0] - landmarks[39, 0]
    centers = au_centers(faces(landmarks))[0].numpy()
    np.testing.assert_allclose(centers[0], landmarks[21] - [0, scale / 2], atol=1e-6)
    np.testing.assert_allclose(centers[7], landmarks[46] + [0, scale], atol=1e-6)


@pytest.mark.parametrize("pose", POSES)
def test_centers_move_with_the_face(pose):
    moved = au_centers(faces(similarity(FACE, **POSES[pose])))[0].numpy()
    np.testing.assert_allclose(moved, similarity(au_centers(faces(FACE))[0].numpy(), **POSES[pose]), atol=1e-7)


@pytest.mark.parametrize("pose", POSES)
def test_of_a_partly_visible_face_the_visible_half_keeps_its_centers(pose):
    landmarks = similarity(FACE, **POSES[pose])
    hidden = landmarks.copy()
    hidden[[*range(22, 27), 43, 44, 45, 46, 47, *range(52, 57), 63, 64, 65]] = np.nan
    centers = au_centers(complete_landmarks(faces(hidden), 1, faces(FACE)))[0].numpy()
    scale = np.linalg.norm(landmarks[42] - landmarks[39])
    for k, (_, points, up) in enumerate(TABLE_1):
        away = np.linalg.norm(centers[k] - literal_center(points, landmarks, up)) / scale
        # Hidden ones come from the mean face, from which this face differs by 0.2 scales.
        assert away < (1e-6 if np.isfinite(hidden[points]).all() else 0.5), TABLE_1[k]


@pytest.mark.parametrize("pose", POSES)
def test_hidden_points_of_the_mean_face_itself_are_found_exactly(pose):
    landmarks = similarity(template_landmarks().astype(np.float64), **(POSES[pose] | {"scale": 0.6}))
    hidden = landmarks.copy()
    hidden[30:] = np.nan
    np.testing.assert_allclose(complete_landmarks(faces(hidden), 1, faces(FACE))[0], landmarks, atol=1e-9)


@pytest.mark.parametrize("places", [POINTS_49, POINTS_66])
def test_markups_of_fewer_points_give_the_same_centers(places):
    given = faces(FACE[list(places)])
    np.testing.assert_allclose(au_centers(complete_landmarks(given, 1, given)), au_centers(faces(FACE)), atol=1e-12)


def test_other_numbers_of_points_are_refused():
    for shape in ((2, 51, 2), (2, 68, 3), (68, 2)):
        with pytest.raises(UserError, match="give 68, 66 or 49 points of x and y"):
            complete_landmarks(torch.zeros(shape), 2, torch.zeros(1))


def test_without_landmarks_the_mean_face_counts():
    mean_face = torch.from_numpy(template_landmarks())
    nothing = torch.full((2, 68, 2), torch.nan)
    half_points = nothing.clone()
    half_points[..., 0] = 0.3  # x alone is no point
    for landmarks in (None, nothing, half_points):
        torch.testing.assert_close(complete_landmarks(landmarks, 2, mean_face), mean_face.expand(2, 68, 2))
    one = nothing.clone()
    one[:, 30] = torch.tensor([0.2, 0.9])
    torch.testing.assert_close(complete_landmarks(one, 2, mean_face)[0], mean_face + one[0, 30] - mean_face[30])


def test_landmarks_outside_the_crop_put_centers_on_its_border():
    outside = faces(similarity(FACE, shift=(2.0, -3.0)))
    centers = au_centers(outside)
    assert (centers[..., 0] == 1).all() and (centers[..., 1] == 0).all()
    assert attention_map(centers)[0, 0].argmax() == 99  # row 0, column 99
    x = torch.rand(1, 2, 6, 6)
    np.testing.assert_array_equal(sample_cells(x, centers.float())[0, 0].T.reshape(1, 2, 3, 3), x[:, :, :3, 3:])


def test_points_that_all_coincide_give_finite_centers():
    one_point = torch.full((1, 68, 2), 0.4)
    torch.testing.assert_close(au_centers(complete_landmarks(one_point, 1, one_point)), torch.full((1, 20, 2), 0.4))


# Attention


def test_attention_map_is_equation_1():
    centers = au_centers(faces(FACE, similarity(FACE, 30.0, 1.4)))
    centers[1, :3] = torch.tensor([[0.0, 0.0], [1.0, 0.996], [0.5, 1.0]])
    expected = np.zeros((2, 1, 100, 100))
    for b in range(2):
        for k in range(20):
            column, row = (min(int(100 * value), 99) for value in centers[b, k].tolist())
            for r in range(max(row - 5, 0), min(row + 6, 100)):
                for c in range(max(column - 5, 0), min(column + 6, 100)):
                    weight = 1 - 0.095 * (abs(r - row) + abs(c - column))
                    expected[b, 0, r, c] = max(expected[b, 0, r, c], weight)
    np.testing.assert_allclose(attention_map(centers).numpy(), expected, atol=1e-10)


def test_attention_of_one_center_worked_by_hand():
    found = attention_map(torch.tensor([[[0.505, 0.205]]]))[0, 0]
    assert found[20, 50] == 1 and found[20, 51] == pytest.approx(0.905) and found[15, 55] == pytest.approx(0.05)
    assert found[20, 56] == 0 and (found > 0).sum() == 121


@pytest.mark.parametrize("size", [56, 28, 14])
def test_enhancing_adds_the_first_map_times_the_pooled_attention(size):
    generator = torch.Generator().manual_seed(1)
    first, last = torch.rand(2, 1, 3, size, size, generator=generator, dtype=torch.float64)
    attention = attention_map(au_centers(faces(FACE)))
    expected = last.clone()
    for r in range(size):
        for c in range(size):
            rows = range(r * 100 // size, -(-(r + 1) * 100 // size))
            columns = range(c * 100 // size, -(-(c + 1) * 100 // size))
            weights = [float(attention[0, 0, i, j]) for i in rows for j in columns]
            expected[0, :, r, c] += first[0, :, r, c] * sum(weights) / len(weights)
    torch.testing.assert_close(enhance(first, last, attention), expected, atol=1e-10, rtol=0)


# Cropping net


def literal_norm(x):
    out = torch.empty_like(x)
    rows, channels, height, width = x.shape
    for b in range(rows):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    near = x[b, c, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
                    out[b, c, i, j] = x[b, c, i, j] / (2 + 0.002 * (near**2).sum()) ** 0.75
    return out


def literal_crops(x, centers):
    """(B, K, C, 3, 3), one at a time."""
    rows, _, height, width = x.shape
    crops = []
    for b in range(rows):
        for k in range(centers.shape[1]):
            column = min(max(int(centers[b, k, 0] * width), 1), width - 2)
            row = min(max(int(centers[b, k, 1] * height), 1), height - 2)
            crops.append(x[b, :, row - 1 : row + 2, column - 1 : column + 2])
    return torch.stack(crops).view(rows, -1, x.shape[1], 3, 3)


def random_map_and_centers(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 60 * torch.rand(2, 4, 9, 9, generator=generator, dtype=torch.float64)
    centers = torch.rand(2, 20, 2, generator=generator, dtype=torch.float64)
    centers[0, :2] = torch.tensor([[0.0, 1.0], [1.0, 0.999]])
    return x, centers


def test_normalisation_is_equation_2():
    x, _ = random_map_and_centers()
    torch.testing.assert_close(local_response_norm(x), literal_norm(x), atol=1e-10, rtol=1e-12)


def test_normalisation_of_half_precision_does_not_overflow():
    x = torch.full((1, 2, 5, 5), 1000.0)
    torch.testing.assert_close(local_response_norm(x.half()), local_response_norm(x))


def test_crops_are_those_of_a_loop_over_centers():
    x, centers = random_map_and_centers()
    crops = sample_cells(x, centers).permute(1, 0, 3, 2).reshape(2, 20, 4, 3, 3)
    assert torch.equal(crops, literal_crops(x, centers))


@pytest.mark.parametrize("upscale", [True, False])
def test_cropping_net_is_what_a_loop_over_crops_computes(upscale):
    torch.manual_seed(0)
    net = CroppingNet(4, 20, 5, upscale).double()
    with torch.no_grad():
        net.conv_bias.normal_(), net.dense_bias.normal_()
    x, centers = random_map_and_centers()
    x.requires_grad_()
    results = []
    for literal in (False, True):
        if literal:
            crops, features = literal_crops(literal_norm(x), centers), []
            for k in range(20):
                crop = crops[:, k]
                if upscale:
                    crop = F.interpolate(crop, scale_factor=2, mode="nearest")
                kernel = net.conv_weight[k].view(4, 3, 3, 4).permute(3, 0, 1, 2)  # (out, in, row, column)
                conv = F.relu(F.conv2d(crop, kernel, net.conv_bias.view(20, 4)[k]))
                assert conv.shape[-1] == (4 if upscale else 1)
                flat = conv.permute(0, 2, 3, 1).flatten(1)
                features.append(F.relu(flat @ net.dense_weight[k] + net.dense_bias.view(20, 5)[k]))
            out = torch.cat(features, 1)
        else:
            out = net(x, centers)
        assert out.shape == (2, 100) and (out > 0).any()
        grads = torch.autograd.grad(out.square().sum(), [x, *net.parameters()])
        results.append((out, *grads))
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-10, rtol=1e-9)


# The three networks


def literal_logit(model, batch):
    """The network that the model has come to, layer after layer, from Sec. III and the SPEC of its figure."""
    weights = model.state_dict()
    name = ("fvgg", "enet", "eacnet")[int(model.network)]
    x = (batch.image - model.normalize.mean) / model.normalize.std
    centers = au_centers(complete_landmarks(batch.landmarks, len(x), x))
    maps = {}
    for number, positions in enumerate([(0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)], 1):
        for position in positions:
            at = f"vgg.features.{position}"
            x = F.relu(F.conv2d(x, weights[f"{at}.weight"], weights[f"{at}.bias"], padding=1))
            maps[position] = x
        if number in (3, 4) and name != "fvgg":
            pooled = F.adaptive_avg_pool2d(attention_map(centers), x.shape[2:])
            x = x + pooled * maps[positions[0]]
        if number == 4 and name == "eacnet":
            features = model.cropping(x, centers)
            head = "crop_head"
            break
        x = F.max_pool2d(x, 2)
    else:
        x = F.adaptive_avg_pool2d(x, 7).flatten(1)
        features = F.relu(F.linear(x, weights["vgg.classifier.0.weight"], weights["vgg.classifier.0.bias"]))
        head = "head"
    hidden = F.relu(F.linear(features, weights[f"{head}.hidden.weight"], weights[f"{head}.hidden.bias"]))
    return hidden, F.linear(hidden, weights[f"{head}.output.weight"], weights[f"{head}.output.bias"])


@pytest.mark.parametrize("variant", ["fvgg", "enet", "eacnet"])
def test_a_network_is_what_the_paper_draws(variant):
    model, batch = build(variant=variant).eval(), random_batch()
    with torch.inference_mode():
        hidden, logit = literal_logit(model, batch)
        torch.testing.assert_close(model(batch).au_logit, logit)
        torch.testing.assert_close(model.features(batch), hidden)
    assert logit.std() > 0 and hidden.shape == (8, 32 * 4)


def test_full_size_has_the_papers_sizes():
    with torch.device("meta"):
        model = EacNet(EacNetConfig(), tuple(range(1, 13)))
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes["vgg.classifier.0.weight"] == (4096, 512 * 7 * 7)
    assert shapes["head.hidden.weight"] == (2048, 4096) and shapes["head.output.weight"] == (12, 2048)
    assert shapes["cropping.conv_weight"] == (20, 512, 9 * 512)  # to 512 x 4 x 4
    assert shapes["cropping.dense_weight"] == (20, 512 * 4 * 4, 150)
    assert shapes["crop_head.hidden.weight"] == (2048, 3000)


def test_stages_lead_from_one_network_to_the_next():
    model = build()
    batch = random_batch()
    assert [stage.name for stage in model.stages()] == ["fvgg", "enet", "eacnet"]
    assert [stage.name for stage in build(variant="enet").stages()] == ["fvgg", "enet"]
    assert [stage.inputs for stage in model.stages()] == [("image",), ("image", "landmarks"), ("image", "landmarks")]
    vgg = model.vgg.state_dict()
    for stage in model.stages():
        set_trainable(model, stage)
        model.eval()
        with torch.inference_mode():
            torch.testing.assert_close(model(batch).au_logit, literal_logit(model, batch)[1])
        assert int(model.network) == ["fvgg", "enet", "eacnet"].index(stage.name)
    assert all(torch.equal(value, vgg[name]) for name, value in model.vgg.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({}, {"fvgg": "45d", "enet": "345d", "eacnet": "c"}),
        ({"train_enet": True}, {"fvgg": "45d", "enet": "345d", "eacnet": "34c"}),
        ({"freeze": False}, {"fvgg": "12345d", "enet": "12345d", "eacnet": "c"}),
        ({"freeze": False, "train_enet": True}, {"fvgg": "12345d", "enet": "12345d", "eacnet": "1234c"}),
    ],
)
def test_a_stage_trains_the_groups_of_the_paper_and_reaches_all_of_them(settings, trained):
    group_of = {position: str(n) for n, group in enumerate(Vgg19Body(1).convolutions, 1) for position in group}
    model, batch = build(**settings), random_batch(2)
    for stage in model.stages():
        set_trainable(model, stage)
        model.zero_grad(set_to_none=True)
        model.losses(model(batch), batch)["occurrence"].backward()
        found = set()
        for name, parameter in model.named_parameters():
            parts = name.split(".")
            if parameter.grad is not None and parameter.grad.any():
                found.add(
                    group_of[int(parts[2])]
                    if name.startswith("vgg.features")
                    else "c"
                    if name.startswith("crop")
                    else "d"
                )
            else:
                assert not parameter.requires_grad, name
        assert found == set(trained[stage.name])


def test_default_optimiser_is_sgd_with_nesterov_momentum():
    model = build()
    stage = model.stages()[0]
    group = make_optimizer(set_trainable(model, stage), stage, fused=True).param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], stage.batch_size) == (1e-4, 0.9, True, 50)
    other = build(optimizer="adam").stages()[0]
    assert make_optimizer(set_trainable(model, other), other, fused=True).param_groups[0]["lr"] == 1e-4


def test_landmarks_decide_where_enet_and_eacnet_look_and_are_nothing_to_fvgg():
    batch = random_batch(2)
    moved = dataclasses.replace(batch, landmarks=batch.landmarks + 0.2)
    for variant, reads in (("fvgg", False), ("enet", True), ("eacnet", True)):
        model = build(variant=variant).eval()
        with torch.inference_mode():
            assert torch.equal(model(batch).au_logit, model(moved).au_logit) != reads


def test_rows_without_landmarks_are_read_as_registered_crops_beside_others():
    model, batch = build().eval(), random_batch(4)
    landmarks = batch.landmarks.clone()
    landmarks[1] = torch.nan
    landmarks[2, 49:] = torch.nan
    with torch.inference_mode():
        mixed = model(dataclasses.replace(batch, landmarks=landmarks)).au_logit
        alone = model(Batch(image=batch.image)).au_logit
        known = model(batch).au_logit
    assert torch.isfinite(mixed).all()
    torch.testing.assert_close(mixed[1], alone[1])
    torch.testing.assert_close(mixed[[0, 3]], known[[0, 3]])
    assert not torch.equal(mixed[2], known[2])


def test_half_precision_leaves_the_logits_about_the_same():
    model, batch = build().eval(), random_batch(4)
    with torch.inference_mode():
        full = model(batch).au_logit
        with torch.autocast("cpu", torch.bfloat16):
            half = model(batch).au_logit
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=0.1 * float(full.std()) + 0.02, rtol=0.05)


def test_quarter_width_at_112_and_the_ablation_without_upscaling_run():
    for upscale in (True, False):
        model = build(width=16, image_size=112, upscale=upscale).eval()
        with torch.inference_mode():
            assert model(random_batch(2, 112)).au_logit.shape == (2, len(AUS))


# What a checkpoint holds


def stored(model, folder):
    path = folder / f"{model.config.variant}.safetensors"
    save_checkpoint(path, model, {})
    return path


def test_a_checkpoint_of_eacnet_holds_what_its_prediction_reads_and_no_more(tmp_path):
    model, batch = build().eval(), random_batch(2)
    loaded = load_checkpoint(stored(model, tmp_path)).model
    with torch.inference_mode():
        torch.testing.assert_close(loaded(batch).au_logit, model(batch).au_logit)
    loaded.zero_grad()
    loaded.losses(loaded(batch), batch)["occurrence"].backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())
    # At full size 88.5 of 209.1 million.
    with torch.device("meta"):
        full = EacNet(EacNetConfig(), tuple(range(1, 13)))
    left_out = sum(p.numel() for n, p in full.named_parameters() if n.startswith(full.unread()))
    assert left_out / sum(p.numel() for p in full.parameters()) == pytest.approx(0.577, abs=0.001)


def test_checkpoints_of_other_networks_and_of_earlier_stages_hold_everything(tmp_path):
    for variant in ("fvgg", "enet"):
        model = build(variant=variant)
        assert load_checkpoint(stored(model, tmp_path)).model.state_dict().keys() == model.state_dict().keys()
    model = build()
    model.enter_stage(model.stages()[1])
    loaded = load_checkpoint(stored(model, tmp_path)).model
    assert loaded.state_dict().keys() == model.state_dict().keys()


def test_a_checkpoint_of_eacnet_trains_on_and_starts_no_enet(tmp_path):
    source = build()
    with torch.no_grad():
        source.cropping.conv_bias.fill_(3.0)
    again = build()
    start_from(again, stored(source, tmp_path))
    assert [stage.name for stage in again.stages()] == ["eacnet"]
    assert (again.cropping.conv_bias == 3).all()
    with pytest.raises(UserError, match=r"has no vgg\.features\.28\.weight"):
        start_from(build(variant="enet"), tmp_path / "eacnet.safetensors")


# Options that the paper does not have


@pytest.mark.parametrize("variant", ["fvgg", "enet", "eacnet"])
def test_intensity_comes_from_a_layer_of_its_own_beside_the_same_occurrence(variant):
    plain, rated, batch = build(variant=variant), build(variant=variant, intensity=True), random_batch(4)
    rated.load_state_dict(plain.state_dict(), strict=False)
    output = rated.eval()(batch)
    torch.testing.assert_close(output.au_logit, plain.eval()(batch).au_logit)
    assert plain(batch).au_intensity is None and output.au_intensity.std() > 0
    assert output.au_intensity.min() >= 0 and output.au_intensity.max() <= 5
    losses = rated.losses(output, batch)
    expected = intensity_loss(output.au_intensity, batch.au_intensity, batch.au_intensity_valid)
    torch.testing.assert_close(losses["intensity"], expected)
    coded = dataclasses.replace(batch, au_intensity=None)
    assert set(rated.losses(output, coded)) == {"occurrence"}


@pytest.mark.parametrize("check", [check_gradients, check_save_and_load, check_start_from_other_aus])
def test_networks_with_intensity_keep_the_contract(check):
    check(ModelUnderTest(find_model("eacnet"), SMALL["eacnet"] | {"intensity": True}))


def test_the_middle_of_a_crop_is_read_as_a_crop_that_is_its_middle():
    magnified = build(image_size=96, magnification=1.5).eval()  # the middle 64 of 96 pixels
    plain = build(image_size=64).eval()
    batch = random_batch(3, 96)
    image = batch.image[..., 16:80, 16:80]
    cut = dataclasses.replace(batch, image=image, landmarks=(batch.landmarks * 96 - 16) / 64)
    with torch.inference_mode():
        for model in (magnified, plain):
            model.config = dataclasses.replace(model.config, middle_size=64)
        torch.testing.assert_close(magnified(batch).au_logit, plain(cut).au_logit)


@pytest.mark.parametrize("path", sorted(configs.FOLDER.glob("eacnet_*.yaml")), ids=lambda p: p.stem)
def test_configurations_are_of_this_model(path):
    settings = make_settings("eacnet", read_config_file(path))
    assert settings.data.balance == "repeat"
    # The paper's own start from ImageNet weights, which then stay; the small one has none.
    assert settings.model.freeze == (path.stem != "eacnet_small")


@pytest.mark.parametrize(
    "settings", [{"variant": "vgg"}, {"image_size": 24}, {"width": 0}, {"dropout": 1.0}, {"crop_units": 0}]
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(UserError):
        make_config(EacNetConfig, settings, "settings")
