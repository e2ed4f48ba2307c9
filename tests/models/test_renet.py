"""RE-Net: all action units in one batch against the paper's loop, equations against literal loops, new AUs."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import AUS, SMALL, random_batch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.renet import ReNet, ReNetConfig, add_au
from actionunits.models.renet.graph import mixing_matrix
from actionunits.models.renet.loss import expected_level, intensity_loss, logit_of_levels, occurrence_loss
from actionunits.models.renet.model import ROWS_AT_ONCE
from actionunits.models.resnet18 import ResNet18, ResNet18Config
from actionunits.scores.relations import label_relations
from actionunits.settings.checks import make_config
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.optim import make_optimizer, set_trainable
from actionunits.training.start import start_from

RELATIONS = SMALL["renet"]["relations"]
EPS, MOMENTUM = 1e-5, 0.1


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def small(aus=AUS, seed=0, **settings) -> ReNet:
    """A narrow network whose per-AU values all differ, some scales negative."""
    torch.manual_seed(seed)
    settings = {"image_size": 32, "width": 4, "relations": RELATIONS, "aus_per_step": "all"} | settings
    model = ReNet(ReNetConfig(**settings), aus)
    with torch.no_grad():
        model.norms.scale.normal_(0.5, 0.6)
        model.norms.bias.normal_(0, 0.3)
        model.norms.running_mean.normal_(0, 0.3)
        model.norms.running_var.uniform_(0.5, 2)
    return model


def batch_of(rows=3, size=32, seed=0) -> Batch:
    batch = random_batch(rows, size, seed)
    kind = torch.get_default_dtype()
    return Batch(**{k: v.to(kind) if v.is_floating_point() else v for k, v in vars(batch).items() if v is not None})


def norm_of_paper(model, x, au, number, state):
    """Eq. (4) and (5) for one AU, channel by channel; `state` collects the running statistics of training."""
    columns = range(model.norms.columns[number].start, model.norms.columns[number].stop)
    w = np.array(model.config.relations).reshape(len(model.aus), -1)[au]
    out = []
    for channel, column in enumerate(columns):
        values = x[:, channel]
        gamma = sum(w[k] * model.norms.scale[k, column] for k in range(len(w))) / w.sum()
        beta = sum(w[k] * model.norms.bias[k, column] for k in range(len(w))) / w.sum()
        if model.training:
            mu, var = values.mean(), ((values - values.mean()) ** 2).mean()
            n = values.numel()
            for name, new in (("running_mean", mu), ("running_var", var * n / max(n - 1, 1))):
                old = getattr(model.norms, name)[au, column]
                state[name, au, column] = ((1 - MOMENTUM) * old + MOMENTUM * new).detach()
        else:
            mu, var = model.norms.running_mean[au, column], model.norms.running_var[au, column]
        out.append(gamma * (values - mu) / torch.sqrt(var + EPS) + beta)
    return torch.stack(out, 1)


def network_of_paper(model, image, au, state):
    """ResNet-18 for one AU, as the paper runs it: the last layer's outputs, (B, 7)."""
    number = iter(range(len(model.norms.columns)))

    def norm(x):
        return norm_of_paper(model, x, au, next(number), state)

    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x = F.max_pool2d(F.relu(norm(F.conv2d((image - mean) / std, model.body.conv1.weight, None, 2, 3))), 3, 2, 1)
    for block in model.body.blocks:
        y = F.relu(norm(block.conv1(x)))
        y = norm(block.conv2(y))
        x = F.relu(y + (x if block.downsample is None else norm(block.downsample(x))))
    head = model.head
    row = (head.weight[au], head.bias[au]) if model.config.head == "own" else (head.weight, head.bias)
    return F.linear(x.mean((2, 3)), *row)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("head", ["own", "shared"])
def test_one_batch_of_all_aus_equals_the_papers_loop(double, training, head):
    model, batch = small(head=head).train(training), batch_of()
    state = {}
    expected = torch.stack([network_of_paper(model, batch.image, au, state) for au in range(len(AUS))], 1)
    expected.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    output = model(batch)
    read = torch.cat([output.au_logit[..., None], output.level_logit], -1)
    torch.testing.assert_close(read, expected, atol=1e-10, rtol=0)
    read.square().sum().backward()
    for found, wanted in zip([p.grad for p in model.parameters()], gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-8)
    assert len(state) == (2 * len(AUS) * model.norms.scale.shape[1] if training else 0)
    for (name, au, column), value in state.items():
        assert abs(float(getattr(model.norms, name)[au, column] - value)) < 1e-10


def test_inference_in_place_and_in_parts_equals_the_papers_loop(double, monkeypatch):
    monkeypatch.setitem(ROWS_AT_ONCE, "cpu", 8)  # two images of four AUs
    model, batch = small().eval(), batch_of(5)
    with torch.inference_mode():
        expected = torch.stack([network_of_paper(model, batch.image, au, {}) for au in range(len(AUS))], 1)
        torch.testing.assert_close(model(batch).au_logit, expected[..., 0], atol=1e-10, rtol=0)


def test_one_random_au_per_step_equals_the_papers_loop(double):
    batch = batch_of()
    drawn = set()
    for seed in range(8):
        model = small(aus_per_step="one").train()
        state = {}
        torch.manual_seed(seed)
        before = model.norms.running_mean.clone()
        output = model(batch)
        (row,) = output.rows
        expected = network_of_paper(small().train(), batch.image, row, state)[:, 0]
        drawn.add(row)
        torch.testing.assert_close(output.au_logit[:, row], expected, atol=1e-10, rtol=0)
        others = [k for k in range(len(AUS)) if k != row]
        assert output.au_logit[:, others].isnan().all()
        assert torch.equal(model.norms.running_mean[others], before[others])
        for column in range(before.shape[1]):
            assert abs(float(model.norms.running_var[row, column] - state["running_var", row, column])) < 1e-10
        losses = model.losses(output, batch)
        assert all(torch.isfinite(value) for value in losses.values())
    assert len(drawn) > 2


def test_the_random_au_follows_the_seed_of_the_step():
    model, batch = small(aus_per_step="one").train(), batch_of()

    def draws():
        found = []
        for step in range(8):
            torch.manual_seed(step)
            found.append(model(batch).rows)
        return found

    assert draws() == draws()


def test_equation_5_by_hand():
    w = torch.tensor([[1.0, 0.5, -0.5], [0.5, 1.0, 0.0], [-0.5, 0.0, 1.0]], dtype=torch.float64)
    gamma = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)
    # (1 + 1 - 2) / 1, (0.5 + 2) / 1.5, (-0.5 + 4) / 0.5
    assert (mixing_matrix(w, "signed") @ gamma).flatten().tolist() == pytest.approx([0, 5 / 3, 7])
    # divided by 2, 1.5, 1.5 instead
    assert (mixing_matrix(w, "absolute") @ gamma).flatten().tolist() == pytest.approx([0, 5 / 3, 7 / 3])


def test_a_folded_normalisation_by_hand(double):
    relations = (1.0, 0.5, 0.5, 1.0)
    norms = small((1, 2), relations=relations).norms
    graph = small((1, 2), relations=relations).graph
    with torch.no_grad():
        norms.scale[:, 0] = torch.tensor([1.0, 4.0])
        norms.bias[:, 0] = torch.tensor([0.0, 3.0])
        norms.running_mean[:, 0] = torch.tensor([2.0, 0.0])
        norms.running_var[:, 0] = torch.tensor([4 - EPS, 1 - EPS])
    folded = norms.folded(graph)
    # gamma = (2, 3), beta = (1, 2): 2 (x - 2) / 2 + 1 and 3 x + 2
    assert folded.scale[:, 0].tolist() == pytest.approx([1, 3])
    assert folded.shift[:, 0].tolist() == pytest.approx([-1, 2])


ROWS, COLUMNS = 7, 3


@pytest.fixture
def labels():
    generator = np.random.default_rng(3)
    return {
        "z": generator.normal(0, 2, (ROWS, COLUMNS)),
        "y": generator.integers(0, 2, (ROWS, COLUMNS)).astype(float),
        "l": generator.normal(0, 2, (ROWS, COLUMNS, 6)),
        "t": np.round(generator.uniform(0, 5, (ROWS, COLUMNS)), 1),
        "v": generator.random((ROWS, COLUMNS)) < 0.7,
    }


def test_equation_6_is_the_sum_over_aus_of_masked_means(labels):
    total = 0.0
    for a in range(COLUMNS):
        rows = [b for b in range(ROWS) if labels["v"][b, a]]
        for b in rows:
            p, y = 1 / (1 + math.exp(-labels["z"][b, a])), labels["y"][b, a]
            total -= (y * math.log(p) + (1 - y) * math.log(1 - p)) / len(rows)
    found = occurrence_loss(*(torch.from_numpy(labels[name]) for name in "zyv"))
    assert abs(float(found) - total) < 1e-10


def test_intensity_loss_is_the_masked_cross_entropy_of_levels(labels):
    total = 0.0
    for a in range(COLUMNS):
        rows = [b for b in range(ROWS) if labels["v"][b, a]]
        for b in rows:
            exponent = [math.exp(value) for value in labels["l"][b, a]]
            t = labels["t"][b, a]
            for level in range(6):
                target = max(0.0, 1 - abs(t - level))
                total -= target * math.log(exponent[level] / sum(exponent)) / len(rows)
    found = intensity_loss(*(torch.from_numpy(labels[name]) for name in "ltv"))
    assert abs(float(found) - total) < 1e-10


def test_intensity_of_whole_levels_is_plain_cross_entropy():
    logits, level = torch.randn(10, 1, 6), torch.arange(10) % 6
    found = intensity_loss(logits, level[:, None].float(), torch.ones(10, 1, dtype=torch.bool))
    torch.testing.assert_close(found, F.cross_entropy(logits[:, 0], level))


def test_levels_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25, 1e-9, 1e-9, 1e-9]]))
    assert float(expected_level(logits)) == pytest.approx(0.75, abs=1e-6)
    assert float(logit_of_levels(logits)) == pytest.approx(0.0, abs=1e-6)


def test_expected_level_and_most_probable_level_are_read_from_the_same_softmax():
    output = small().eval()(batch_of())
    p = output.level_logit.softmax(-1)
    torch.testing.assert_close(output.au_intensity, (p * torch.arange(6.0)).sum(-1))
    assert torch.equal(output.au_level, p.argmax(-1))


@pytest.mark.parametrize("tasks", ["occurrence", "intensity"])
def test_one_task_has_its_own_output_and_loss_alone(tasks):
    model, batch = small(tasks=tasks).train(), batch_of()
    output = model(batch)
    assert set(model.losses(output, batch)) == {tasks}
    assert (output.au_intensity is None) == (tasks == "occurrence")
    assert output.au_logit.shape == (3, len(AUS))
    with pytest.raises(ValueError, match=f"tasks '{tasks}'"):
        model.losses(output, Batch(image=batch.image))


def test_learned_relations_start_at_random_and_learn(double):
    model = small(variant="learnable", relations=()).train()
    w = model.graph.weights
    mix = model.graph.mixing()
    full = w.detach().clone().fill_diagonal_(1)
    torch.testing.assert_close(mix, full / full.sum(1, keepdim=True))
    batch = batch_of()
    torch.stack(list(model.losses(model(batch), batch).values())).sum().backward()
    off = ~torch.eye(len(AUS), dtype=torch.bool)
    assert (w.grad[off] != 0).all() and not w.grad.diagonal().any()
    with torch.no_grad():
        w[0] = -1 / 3
    assert torch.isfinite(model.graph.mixing()).all()  # its sum is 0


def test_weight_decay_spares_what_belongs_to_the_aus():
    model = small(variant="learnable", relations=(), weight_decay=0.1)
    (stage,) = model.stages()
    decayed, spared = make_optimizer(set_trainable(model, stage), stage, fused=False).param_groups
    own = {id(p) for name, p in model.named_parameters() if name.startswith(("norms.", "graph."))}
    assert own == {id(p) for p in spared["params"]} - {id(model.head.bias)}
    assert not own & {id(p) for p in decayed["params"]} and decayed["params"]


def test_what_belongs_to_the_aus_can_learn_faster():
    model = small(norm_lr_factor=10.0)
    (stage,) = model.stages()
    groups = make_optimizer(set_trainable(model, stage), stage, fused=False).param_groups
    fast = {id(p) for group in groups if group["lr_factor"] == 10 for p in group["params"]}
    assert fast == {id(model.norms.scale), id(model.norms.bias)}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_half_precision_keeps_the_answers():
    model, batch = small(width=8).eval(), batch_of()
    with torch.inference_mode():
        plain = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(batch)
    assert half.au_logit.dtype == torch.float32
    assert (half.au_logit - plain.au_logit).abs().max() < 0.1 * plain.au_logit.abs().max()
    for settings in ({"aus_per_step": "all"}, {"aus_per_step": "one"}):
        model = small(width=8, **settings).train()
        with torch.autocast("cpu", torch.bfloat16):
            losses = model.losses(model(batch), batch)
        torch.stack(list(losses.values())).sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_memory_layout_changes_no_answer():
    model, batch = small(width=8).eval(), batch_of()
    with torch.inference_mode():
        plain = model(batch).au_logit
        moved = model.to(memory_format=torch.channels_last)(batch).au_logit
    torch.testing.assert_close(moved, plain, atol=1e-5, rtol=1e-5)


# --- new action units ----------------------------------------------------------------------------------------


def test_a_new_au_has_the_weighted_means_of_the_known_ones(double):
    model = small().eval()
    w = np.array([0.5, 0.2, 0.1, 0.4])
    extended = add_au(model, 6, w.tolist()).eval()
    assert extended.aus == (*AUS, 6)
    share = w / w.sum()
    scale, bias, mean, var = (np.zeros(model.norms.scale.shape[1]) for _ in range(4))
    for k in range(4):
        # Table 6: of the parameters that the known AUs own, not of their mixtures.
        scale += share[k] * model.norms.scale[k].detach().numpy()
        bias += share[k] * model.norms.bias[k].detach().numpy()
        mean += share[k] * model.norms.running_mean[k].numpy()
        var += share[k] * model.norms.running_var[k].numpy()
    folded = extended.norms.folded(extended.graph)
    scale /= np.sqrt(var + EPS)
    np.testing.assert_allclose(folded.scale[4].detach().numpy(), scale, atol=1e-10)
    np.testing.assert_allclose(folded.shift[4].detach().numpy(), bias - mean * scale, atol=1e-10)
    batch = batch_of()
    with torch.inference_mode():
        torch.testing.assert_close(extended(batch).au_logit[:, :4], model(batch).au_logit, atol=1e-10, rtol=0)


def test_a_new_au_that_goes_with_one_alone_answers_like_it(double):
    extended = add_au(small().eval(), 6, [0, 0, 0.7, 0])
    alone = small().eval()
    with torch.no_grad():
        for table in (alone.norms.scale, alone.norms.bias):
            table[:] = table[2].clone()  # mixed over any graph, AU12's own values come out
        answer = extended(batch_of()).au_logit
        expected = alone(batch_of()).au_logit
    torch.testing.assert_close(answer[:, 4], expected[:, 2], atol=1e-10, rtol=0)


def test_a_new_au_is_saved_and_loaded_like_others(tmp_path):
    extended = add_au(small().eval(), 6, [0.5, 0.2, -0.1, 0.4])
    again = add_au(extended, 9, [0.3, 0.3, 0.3, 0.3, 0.9])
    save_checkpoint(tmp_path / "model.safetensors", again, {})
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    batch = batch_of()
    assert loaded.aus == (*AUS, 6, 9)
    with torch.inference_mode():
        assert torch.equal(loaded.model(batch).au_logit, again(batch).au_logit)
        assert torch.equal(again(batch).au_logit[:, :5], extended(batch).au_logit)


def test_negative_relations_leave_a_variance_positive():
    assert (10 * small().norms.running_var[0] - 9 * small().norms.running_var[1]).min() < 0
    folded = (extended := add_au(small().eval(), 6, [1.0, -0.9, 0.0, 0.0])).norms.folded(extended.graph)
    assert torch.isfinite(folded.scale).all() and torch.isfinite(folded.shift).all()


@pytest.mark.parametrize("aus_per_step", ["one", "all"])
def test_an_unseen_au_learns_from_nobody_and_teaches_nobody(aus_per_step):
    batch = batch_of(6)
    results = []
    for labels in (batch.au_present, 1 - batch.au_present):
        given = batch.au_present.clone()
        given[:, 2] = labels[:, 2]
        model = small(unseen_aus=(12,), aus_per_step=aus_per_step).train()
        for step in range(4):
            torch.manual_seed(step)
            output = model(batch)
            assert 2 not in output.rows
            losses = model.losses(output, dataclasses.replace(batch, au_present=given, au_intensity_valid=None))
            torch.stack(list(losses.values())).sum().backward()
        assert not model.norms.scale.grad[2].any()
        results.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert torch.isfinite(model.eval()(batch).au_logit).all()


def test_an_au_left_out_of_training_equals_one_added_later(double):
    left_out = small(unseen_aus=(25,)).eval()
    three = small(AUS[:3], relations=tuple(np.array(RELATIONS).reshape(4, 4)[:3, :3].flatten())).eval()
    with torch.no_grad():
        three.load_state_dict(
            {k: v[:3] if k.startswith(("norms.", "own_head.")) else v for k, v in left_out.state_dict().items()}
        )
    added = add_au(three, 25, np.array(RELATIONS).reshape(4, 4)[3, :3].tolist())
    batch = batch_of()
    with torch.inference_mode():
        torch.testing.assert_close(added(batch).au_logit, left_out(batch).au_logit, atol=1e-12, rtol=0)


def test_starting_from_other_aus_takes_over_what_the_common_ones_own(tmp_path):
    for settings in ({}, {"variant": "learnable", "relations": ()}):
        source = small(**settings)
        save_checkpoint(tmp_path / "model.safetensors", source, {})
        target = small(
            (25, 6, 1), seed=1, **settings | ({"relations": (1, 0, 0, 0, 1, 0, 0, 0, 1)} if not settings else {})
        )
        own = target.norms.scale[1].clone()
        start_from(target, tmp_path / "model.safetensors")
        for name in ("scale", "bias", "running_mean", "running_var"):
            old, new = getattr(source.norms, name), getattr(target.norms, name)
            assert torch.equal(new[[0, 2]], old[[3, 0]])
            assert torch.equal(target.head.weight[[0, 2]], source.head.weight[[3, 0]])
        assert torch.equal(target.norms.scale[1], own)
        if settings:
            assert target.graph.weights[0, 2] == source.graph.weights[3, 0]


def test_starting_from_a_resnet18_gives_every_au_its_features(tmp_path):
    torch.manual_seed(0)
    plain = ResNet18(ResNet18Config(image_size=32, width=4), (1, 2))
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for value in (module.weight, module.bias, module.running_mean, module.running_var):
                torch.nn.init.uniform_(value, 0.5, 1.5)
    save_checkpoint(tmp_path / "model.safetensors", plain, {})
    model, batch = small().eval(), batch_of()
    start_from(model, tmp_path / "model.safetensors")
    with torch.inference_mode():
        expected = plain.eval().features(batch)
        for au in range(len(AUS)):
            torch.testing.assert_close(model.features(batch)[:, au], expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="another width; use the same width"):
        start_from(small(width=8), tmp_path / "model.safetensors")


def test_without_the_graph_every_au_has_its_own_values_alone():
    model, related = small(variant="unrelated", relations=()), small()
    norm = model.norms.folded(model.graph)
    scale = model.norms.scale * torch.rsqrt(model.norms.running_var + EPS)
    torch.testing.assert_close(norm.scale, scale)
    assert not torch.allclose(related.norms.folded(related.graph).scale, scale)
    assert model.config.relation_labels is None


def test_the_plain_variant_leaves_scale_and_bias_as_they_start():
    model = ReNet(ReNetConfig(image_size=32, width=4, variant="plain"), AUS)
    trained = set_trainable(model, model.stages()[0])
    assert not {name for name, p in model.named_parameters() if p.requires_grad and name.startswith("norms.")}
    assert trained and model.norms.scale.eq(1).all() and model.norms.bias.eq(0).all()


def test_the_last_part_trains_all_aus():
    model = small(aus_per_step="one", all_aus_share=0.25, epochs=8)
    first, last = model.stages()
    assert (first.epochs, last.epochs) == (6, 2)
    for stage, count in ((first, 1), (last, len(AUS))):
        set_trainable(model, stage)
        assert len(model.train()(batch_of()).rows) == count
    assert [s.name for s in small(all_aus_share=0.01, epochs=8).stages()] == ["renet"]


@pytest.mark.parametrize("tasks", ["both", "intensity"])
def test_a_start_from_a_whole_resnet18_answers_as_that_does(tmp_path, tasks):
    torch.manual_seed(0)
    plain = ResNet18(ResNet18Config(image_size=46, magnification=1.4375, middle_size=32, width=8), AUS[1:]).eval()
    torch.nn.init.normal_(plain.image.head.weight)
    save_checkpoint(tmp_path / "model.safetensors", plain, {})
    settings = {"image_size": 46, "magnification": 1.4375, "middle_size": 32, "width": 8, "relations": RELATIONS}
    model = ReNet(ReNetConfig(tasks=tasks, **settings), AUS).eval()
    start_from(model, tmp_path / "model.safetensors")
    batch = batch_of(size=46)
    with torch.inference_mode():
        found, expected = model(batch), plain(batch)
        if tasks == "both":
            torch.testing.assert_close(found.au_logit[:, 1:], expected.au_logit, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.au_intensity[:, 1:], expected.au_intensity, atol=1e-4, rtol=1e-4)
        # Of an AU that the ResNet-18 does not know, the last layer keeps its random start.
        assert (found.au_intensity[:, :1] - expected.au_intensity).abs().min() > 1e-3
    start_from(
        own := ReNet(ReNetConfig(tasks=tasks, **settings), AUS), tmp_path / "model.safetensors", body_only=True
    )
    assert (own.head.weight - model.head.weight).abs().max() > 0.1


def test_scale_1_and_bias_0_are_the_vanilla_resnet18_with_own_rows_alone():
    torch.manual_seed(0)
    plain = ResNet18(ResNet18Config(image_size=32, width=8), AUS).eval()
    batch = batch_of()
    for head in ("own", "shared"):
        model = ReNet(ReNetConfig(image_size=32, width=8, relations=RELATIONS, head=head), AUS).eval()
        model.take_body(plain.resnet_body())
        with torch.inference_mode():
            logits = model(batch).au_logit
            rows = model.head.weight[..., 0, :].view(-1, 64), model.head.bias[..., 0].view(-1)
            torch.testing.assert_close(
                logits, F.linear(plain.features(batch), *rows).expand(3, 4), atol=1e-5, rtol=1e-4
            )
        alike = (logits - logits[:, :1]).abs().max() < 1e-5
        assert bool(alike) == (head == "shared")


# --- input that cannot be used -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"variant": "both"}, "variant is 'both'; it must be one of fixed, learnable"),
        ({"relation_sum": "squared"}, "must be one of signed, absolute"),
        ({"aus_per_step": "some"}, "must be one of one, all"),
        ({"head": "none"}, "head is 'none'; it must be one of own, shared"),
        ({"tasks": "none"}, "must be one of both, occurrence, intensity"),
        ({"relations": ()}, "0 numbers, and 4 action units need 16"),
        ({"relations": RELATIONS[:9]}, "9 numbers, and 4 action units need 16"),
        ({"relations": (0.5, *RELATIONS[1:])}, "1 of every action unit to itself"),
        ({"relations": (1, math.nan, *RELATIONS[2:])}, "must be finite"),
        ({"relations": (1, -0.5, -0.3, -0.2, *RELATIONS[4:])}, r"relations of AU01 add up to 0\.000"),
        ({"unseen_aus": (6,)}, "names AU06, which is not among AU01, AU04, AU12, AU25"),
        ({"unseen_aus": (1, 4, 12)}, "two or more to train on"),
        ({"unseen_aus": (1,), "variant": "learnable"}, "use variant=fixed with unseen_aus"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, line):
    with pytest.raises(UserError, match=line) as refused:
        small(**settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"image_size": 8}, "at least 32"),
        ({"norm_momentum": 0.0}, "above 0"),
        ({"norm_lr_factor": 0.0}, "above 0"),
    ],
)
def test_numbers_outside_their_range_are_refused(settings, line):
    with pytest.raises(UserError, match=line):
        make_config(ReNetConfig, settings, "settings")


def test_a_single_action_unit_is_refused():
    with pytest.raises(UserError, match="two or more to train on, not 1"):
        small((12,), relations=(1.0,))


def test_absolute_sums_allow_what_signed_ones_do_not():
    model = small(relation_sum="absolute", relations=(1, -0.5, -0.3, -0.2, *RELATIONS[4:]))
    np.testing.assert_allclose(model.graph.mixing()[0], [0.5, -0.25, -0.15, -0.1], atol=1e-6)


@pytest.mark.parametrize(
    ("au", "relations", "line"),
    [
        (12, [0.5] * 4, "knows AU12 already"),
        (6, [0.5] * 3, "3 relations are given for 4 action units"),
        (6, [0.5, -0.5, 0.3, -0.28], r"relations of AU06 add up to 0\.020"),
        (6, [0.5, math.nan, 0.1, 0.1], "must be finite"),
    ],
)
def test_an_au_that_cannot_be_added_is_refused(au, relations, line):
    with pytest.raises(UserError, match=line):
        add_au(small(), au, relations)
    with pytest.raises(UserError, match="learned its own"):
        add_au(small(variant="learnable", relations=()), 6, [0.5] * 4)


@pytest.mark.parametrize(
    ("column", "valid", "line"),
    [
        (np.zeros(6), np.ones(6, bool), "AU04 is 0 in every known training label"),
        (np.ones(6), np.ones(6, bool), "AU04 is 1 in every known training label"),
        (np.arange(6) % 2, np.arange(6) % 2 == 0, "AU04 is 0 in every known training label"),
        (np.arange(6) % 2, np.zeros(6, bool), "AU04 has no known training label"),
    ],
)
def test_labels_that_do_not_relate_are_refused(column, valid, line):
    value, known = np.zeros((6, 3)), np.ones((6, 3), bool)
    value[:3, 0] = value[::2, 2] = 1
    value[:, 1], known[:, 1] = column, valid
    with pytest.raises(UserError, match=line):
        label_relations(value, known, (1, 4, 12))


def test_aus_never_known_together_are_unrelated():
    value, known = np.zeros((8, 2)), np.zeros((8, 2), bool)
    value[::2] = 1
    known[:4, 0] = known[4:, 1] = True
    assert np.array_equal(label_relations(value, known, (1, 4)), np.eye(2))
