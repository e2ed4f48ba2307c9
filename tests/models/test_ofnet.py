"""OF-Net and AU-Net against literal loops in float64: losses and warp; their stages; flow that is known."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from small_models import AUS, SMALL, random_batch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.ofnet import OfNet, OfNetConfig, loss
from actionunits.models.ofnet.two_frame import has_tvl1, two_frame_flow
from actionunits.settings.checks import make_config
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.optim import set_trainable
from actionunits.training.start import start_from

ALPHA, EPS = 0.45, 1e-3
GENERATOR = torch.Generator().manual_seed(1)


def rand(*shape):
    return torch.rand(*shape, generator=GENERATOR, dtype=torch.float64)


def build(**settings) -> OfNet:
    torch.manual_seed(0)
    return OfNet(OfNetConfig(**(SMALL["ofnet"] | settings)), AUS)


def blobs(size=64, shift=(0.0, 0.0)):
    """A smooth picture, (1, 3, S, S), its content moved by `shift` pixels right and down."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    x, y = x - shift[0], y - shift[1]
    value = (
        0.5 + 0.2 * np.sin(x / 5.1) * np.cos(y / 4.3) + 0.15 * np.sin((x + 2 * y) / 9.7) + 0.1 * np.cos(x / 3.3 - y)
    )
    return torch.from_numpy(np.stack([value] * 3)[None]).float()


# Equations


def literal_charbonnier(x, alpha=ALPHA):
    return (x * x + EPS * EPS) ** alpha


def literal_warp(anchor, flow):
    """Eq. (2), pixel by pixel; pixels from outside are None."""
    rows, channels, height, width = anchor.shape
    warped = {}
    for b in range(rows):
        for y in range(height):
            for x in range(width):
                sx, sy = x + float(flow[b, 0, y, x]), y + float(flow[b, 1, y, x])
                if not (0 <= sx <= width - 1 and 0 <= sy <= height - 1):
                    warped[b, y, x] = None
                    continue
                x0, y0 = min(int(sx), width - 2), min(int(sy), height - 2)
                fx, fy = sx - x0, sy - y0
                warped[b, y, x] = [
                    (1 - fy) * ((1 - fx) * float(anchor[b, c, y0, x0]) + fx * float(anchor[b, c, y0, x0 + 1]))
                    + fy * ((1 - fx) * float(anchor[b, c, y0 + 1, x0]) + fx * float(anchor[b, c, y0 + 1, x0 + 1]))
                    for c in range(channels)
                ]
    return warped


def case():
    """Image, anchor and a flow that leaves the anchor at some pixels."""
    return rand(2, 3, 6, 7), rand(2, 3, 6, 7), 5 * rand(2, 2, 6, 7) - 2.5


def test_warp_is_equation_2():
    _, anchor, flow = case()
    warped, inside = loss.warp(anchor, flow)
    expected = literal_warp(anchor, flow)
    assert 10 < sum(value is None for value in expected.values()) < 70
    for (b, y, x), value in expected.items():
        assert bool(inside[b, 0, y, x]) == (value is not None)
        if value is not None:
            np.testing.assert_allclose(warped[b, :, y, x].numpy(), value, rtol=0, atol=1e-10)


def test_warp_by_no_motion_changes_nothing_and_all_pixels_count():
    image = rand(1, 3, 5, 6)
    warped, inside = loss.warp(image, torch.zeros(1, 2, 5, 6, dtype=torch.float64))
    torch.testing.assert_close(warped, image, rtol=0, atol=1e-12)
    assert inside.all()


def test_flow_points_from_the_image_to_the_anchor():
    anchor, image = blobs(), blobs(shift=(3.0, 0.0))  # the content moved right: its old place is to the left
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0] = -3
    warped, inside = loss.warp(anchor, flow)
    assert not inside[..., :3].any() and inside[..., 3:].all()
    torch.testing.assert_close(warped[..., 3:], image[..., 3:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_pixel_loss_is_equation_1(scale):
    image, anchor, flow = case()
    warped, inside = loss.warp(anchor, flow)
    literal, total = literal_warp(anchor, flow), 0.0
    for b in range(2):
        values = [
            literal_charbonnier(scale * (float(image[b, c, y, x]) - value[c]))
            for (row, y, x), value in literal.items()
            if row == b and value is not None
            for c in range(3)
        ]
        total += sum(values) / len(values) / 2
    assert float(loss.pixel_loss(image, warped, inside, ALPHA, EPS, scale)) == pytest.approx(total, abs=1e-10)


def test_smooth_loss_is_equation_3():
    _, _, flow = case()
    total = 0.0
    for c in range(2):
        across = [flow[b, c, y, x + 1] - flow[b, c, y, x] for b in range(2) for y in range(6) for x in range(6)]
        down = [flow[b, c, y + 1, x] - flow[b, c, y, x] for b in range(2) for y in range(5) for x in range(7)]
        for steps in (across, down):
            total += sum(literal_charbonnier(float(step), 0.3) for step in steps) / len(steps)
    assert float(loss.smooth_loss(flow, 0.3, EPS)) == pytest.approx(total, abs=1e-10)


def literal_ssim(first, second):
    mean1, mean2 = sum(first) / len(first), sum(second) / len(second)
    var1 = sum((a - mean1) ** 2 for a in first) / len(first)
    var2 = sum((b - mean2) ** 2 for b in second) / len(second)
    both = sum((a - mean1) * (b - mean2) for a, b in zip(first, second, strict=True)) / len(first)
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean1 * mean2 + c1) * (2 * both + c2) / ((mean1**2 + mean2**2 + c1) * (var1 + var2 + c2))


@pytest.mark.parametrize("window", [2, 3])
def test_dssim_loss_is_equation_4(window):
    image, anchor, flow = case()
    warped, inside = loss.warp(anchor, flow / 3)
    total = 0.0
    for b in range(2):
        values = []
        for y in range(6 - window + 1):
            for x in range(7 - window + 1):
                places = [(y + dy, x + dx) for dy in range(window) for dx in range(window)]
                if not all(inside[b, 0, py, px] for py, px in places):
                    continue
                for c in range(3):
                    pair = [[float(t[b, c, py, px]) for py, px in places] for t in (image, warped)]
                    values.append(1 - literal_ssim(*pair))
        total += sum(values) / len(values) / 2
    assert float(loss.dssim_loss(image, warped, inside, window)) == pytest.approx(total, abs=1e-10)


def test_equal_pictures_have_a_similarity_of_1():
    image = rand(1, 3, 8, 8)
    torch.testing.assert_close(loss.ssim(image, image, 3), torch.ones(1, 3, 6, 6, dtype=torch.float64))


def test_au_loss_is_equation_5_over_known_labels():
    z, y, v = 4 * rand(6, 3) - 2, (rand(6, 3) < 0.5).double(), rand(6, 3) < 0.7
    v[:, 2] = False
    total = 0.0
    for c in range(3):
        terms = []
        for i in range(6):
            if v[i, c]:
                p = 1 / (1 + math.exp(-float(z[i, c])))
                terms.append(-(float(y[i, c]) * math.log(p) + (1 - float(y[i, c])) * math.log(1 - p)))
        total += sum(terms) / len(terms) if terms else 0.0
    assert float(loss.au_loss(z, y, v)) == pytest.approx(total, abs=1e-10)


def test_a_worked_case_by_hand():
    # Two pixels beside each other; the flow of 1 to the right brings the second one, 0.7, to the first one's place.
    image = torch.tensor([[[[0.2, 0.4], [0.2, 0.4]]]], dtype=torch.float64)
    anchor = torch.tensor([[[[0.5, 0.7], [0.5, 0.7]]]], dtype=torch.float64)
    flow = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    flow[:, 0] = 1
    warped, inside = loss.warp(anchor, flow)
    assert inside[0, 0].tolist() == [[True, False], [True, False]]
    assert float(loss.pixel_loss(image, warped, inside, 0.5, 0.0, 1.0)) == pytest.approx(0.5, abs=1e-12)


def test_total_loss_weighs_the_terms_as_equation_6():
    model, batch = build(), random_batch()
    model.train()
    output = model(batch)
    found = model.losses(output, batch)
    warped, inside = loss.warp(batch.anchor, output.flow)
    expected = {
        "pixel": 30 * loss.pixel_loss(batch.image, warped, inside, 0.45, 1e-3, 255),
        "smooth": 0.16 * loss.smooth_loss(output.flow, 0.3, 1e-3),
        "dssim": 1 * loss.dssim_loss(batch.image, warped, inside, 3),
        "occurrence": 30 * loss.au_loss(output.au_logit, batch.au_present, batch.au_present_valid),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_pixels_from_outside_the_anchor_do_not_matter():
    image, anchor, flow = case()
    warped, inside = loss.warp(anchor, flow / 3)
    assert not inside.all()
    spoilt = torch.where(inside, warped, 9.0)
    for one in (
        lambda w: loss.pixel_loss(image, w, inside, ALPHA, EPS, 1.0),
        lambda w: loss.dssim_loss(image, w, inside, 3),
    ):
        torch.testing.assert_close(one(spoilt), one(warped))


def test_an_image_whose_flow_has_left_the_anchor_counts_in_none_and_a_batch_of_them_is_no_success():
    image, anchor, flow = case()
    flow[1] = 100
    warped, inside = loss.warp(anchor, flow)
    assert inside[0].any() and not inside[1].any()
    first = [part[:1] for part in (image, warped, inside)]
    torch.testing.assert_close(
        loss.pixel_loss(image, warped, inside, ALPHA, EPS, 1.0), loss.pixel_loss(*first, ALPHA, EPS, 1.0)
    )
    assert loss.pixel_loss(image, warped, torch.zeros_like(inside), ALPHA, EPS, 1.0).isnan()
    assert loss.dssim_loss(image, warped, torch.zeros_like(inside), 3).isnan()


# Networks and stages


@pytest.mark.parametrize("size", [64, 80, 112])
def test_flow_has_the_size_of_the_image(size):
    image = torch.rand(2, 3, size, size)
    assert build(image_size=size).flow(Batch(image)).shape == (2, 2, size, size)


def test_widths_at_full_size_are_those_of_the_flow_network():
    with torch.device("meta"):
        net = OfNet(OfNetConfig(), AUS).of_net
    pairs = [tuple(conv[0].weight.shape[:2]) for pair in net.encoder for conv in pair]
    assert pairs == [
        *[(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256)],
        *[(512, 256), (512, 512), (512, 512), (512, 512), (1024, 512), (1024, 1024)],
    ]
    assert [step.up.weight.shape[1] for step in net.decoder] == [512, 256, 128, 64, 32]
    assert [pair[0][0].stride[0] for pair in net.encoder] == [1, 2, 2, 2, 2, 2]


def losses_of(model, stage):
    set_trainable(model, stage)
    batch = random_batch()
    return set(model.losses(model(batch), batch))


FLOW = {"pixel", "smooth", "dssim"}


def test_joint_training_begins_without_the_au_loss():
    model = build(epochs=30, warmup_epochs=5)
    flow, joint = model.stages()
    assert (flow.epochs, joint.epochs) == (5, 25)
    assert losses_of(model, flow) == FLOW
    assert losses_of(model, joint) == FLOW | {"occurrence"}
    assert [stage.name for stage in build(warmup_epochs=0).stages()] == ["joint"]


def test_a_start_from_a_trained_network_leaves_the_warm_up_out(tmp_path):
    save_checkpoint(tmp_path / "start.safetensors", build(), {})
    model = build(epochs=30, warmup_epochs=5)
    start_from(model, tmp_path / "start.safetensors")
    (joint,) = model.stages()
    assert (joint.name, joint.epochs) == ("joint", 30)


def test_separate_training_gives_no_au_loss_to_the_flow():
    model = build(variant="separate")
    flow, au = model.stages()
    assert (flow.epochs, au.epochs) == (30, 30)
    assert losses_of(model, flow) == FLOW and losses_of(model, au) == {"occurrence"}
    batch = random_batch()
    sum(model.losses(model(batch), batch).values()).backward()
    assert all(p.grad is None for p in model.of_net.parameters())
    assert "anchor" not in au.inputs


@pytest.mark.parametrize("left_out", ["pixel", "smooth", "dssim"])
def test_a_weight_of_zero_leaves_a_loss_out(left_out):
    model = build(**{f"{left_out}_weight": 0.0})
    assert losses_of(model, model.stages()[-1]) == (FLOW | {"occurrence"}) - {left_out}


def test_without_motion_losses_no_anchor_is_read():
    model = build(pixel_weight=0.0, dssim_weight=0.0)
    (stage,) = model.stages()
    assert stage.inputs == ("image",)
    assert losses_of(model, stage) == {"smooth", "occurrence"}


def test_half_precision_gives_the_same_losses():
    model, batch = build(), random_batch()
    exact = model.losses(model(batch), batch)
    half = dataclasses.replace(batch, image=batch.image.bfloat16(), anchor=batch.anchor.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.losses(model(half), half)
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name], value, rtol=0.05, atol=0)


def test_flow_is_learned_from_single_images():
    """Faces stand in as two patterns, each with its own motion; the losses see the anchor, the network does not."""
    torch.manual_seed(0)
    moved = [blobs(shift=(2.0, 0.0)), blobs(shift=(0.0, -2.0)).flip(1) ** 2]
    anchors = [blobs(), blobs().flip(1) ** 2]
    batch = Batch(torch.cat(moved), anchor=torch.cat(anchors))
    model = build(width=8)
    set_trainable(model, model.stages()[0])
    optimizer = torch.optim.Adam(model.of_net.parameters(), 1e-3)
    for _ in range(120):
        optimizer.zero_grad()
        sum(model.losses(model(batch), batch).values()).backward()
        optimizer.step()
    flow = model.flow(batch).detach()[..., 8:-8, 8:-8].mean((2, 3))
    torch.testing.assert_close(flow, torch.tensor([[-2.0, 0.0], [0.0, 2.0]]), rtol=0, atol=0.4)


# Comparators


COMPUTED = ["dis", pytest.param("tvl1", marks=pytest.mark.skipif(not has_tvl1(), reason="this OpenCV has no TV-L1"))]


@pytest.mark.parametrize("method", COMPUTED)
def test_two_frame_flow_finds_a_known_motion(method):
    image, anchor = blobs(shift=(1.5, -2.0)), blobs()
    flow = two_frame_flow(method, image, anchor)
    assert flow.shape == (1, 2, 64, 64) and flow.dtype == torch.float32
    middle = flow[0, :, 12:-12, 12:-12]
    assert float((middle - torch.tensor([-1.5, 2.0])[:, None, None]).norm(dim=0).mean()) < 0.15


@pytest.mark.parametrize("method", COMPUTED)
def test_a_comparator_trains_its_au_net_alone(method):
    model = build(variant=method)
    (stage,) = model.stages()
    assert model.of_net is None and model.prediction_inputs() == stage.inputs == ("flow",)
    assert losses_of(model, stage) == {"occurrence"}


def test_an_opencv_without_tvl1_is_told(monkeypatch):
    monkeypatch.delattr("cv2.optflow", raising=False)
    with pytest.raises(UserError, match="no TV-L1 flow; use variant=dis"):
        two_frame_flow("tvl1", blobs(), blobs())


@pytest.mark.parametrize("method", COMPUTED)
def test_a_comparator_takes_the_flow_that_a_batch_brings_and_else_computes_it(method):
    model, batch = build(variant=method), Batch(blobs(shift=(1.5, -2.0)), anchor=blobs())
    assert torch.equal(model.flow(batch), two_frame_flow(method, batch.image, batch.anchor))
    brought = torch.rand(1, 2, 64, 64)
    assert model.flow(dataclasses.replace(batch, flow=brought)) is brought


# Bad input


@pytest.mark.parametrize("variant", ["joint", "dis"])
def test_a_missing_anchor_is_told(variant):
    model, batch = build(variant=variant), dataclasses.replace(random_batch(), anchor=None)
    with pytest.raises(UserError, match="needs an anchor"):
        model.losses(model(batch), batch)


def test_an_anchor_of_another_size_is_told():
    model, batch = build(), dataclasses.replace(random_batch(), anchor=torch.rand(8, 3, 48, 40))
    with pytest.raises(UserError, match="anchors are 40x48x3, images 64x64x3"):
        model.losses(model(batch), batch)


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "pyflow"},
        {"image_size": 16},
        {"width": 5},
        {"au_weight": 0.0},
        {"pixel_weight": -1.0},
        {"warmup_epochs": 30},
        {"pixel_alpha": 0.0},
        {"ssim_window": 1},
        {"variant": "separate", "pixel_weight": 0.0, "dssim_weight": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(UserError):
        make_config(OfNetConfig, settings, "settings")
