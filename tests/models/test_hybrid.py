"""The hybrid network against literal loops in float64: losses, LSTM, PCA, fusion; sequences, streams, stages."""

import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_faces import write_drawn_dataset
from random_crops import random_people
from sklearn.decomposition import PCA
from small_models import AUS, SMALL, random_batch

from actionunits import configs
from actionunits.cli import main
from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.hybrid import HybridConfig, HybridNet
from actionunits.models.hybrid.cnn import Cnn, fc6_cells
from actionunits.models.hybrid.fusion import Fusion
from actionunits.models.hybrid.loss import change_loss, cross_entropy, margin_loss
from actionunits.models.hybrid.lstm import AuLstm, LstmState, StackedLstm
from actionunits.models.hybrid.projection import Projection
from actionunits.settings.checks import make_config
from actionunits.training import sequence_source
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.optim import make_optimizer, set_trainable
from actionunits.training.run import run
from actionunits.training.sequence_source import SequenceSource, frame_features
from actionunits.training.settings import make_settings, read_config_file
from actionunits.training.source import CropSource, rows_of_stage
from actionunits.training.start import start_from
from actionunits.training.validation import predict_crops

CONFIGS = configs.FOLDER
# Clips of the drawn people have 20 frames.
TINY = SMALL["hybrid"] | {"image_size": 42, "width": 6, "fc_units": 16, "components": 8, "context_frames": 3}
TRAINING = TINY | {
    "batch_size": 16,
    "epochs": 2,
    "optimizer": "adam",
    "lstm_optimizer": "adam",
    "lstm_epochs": 3,
    "fusion_epochs": 2,
    "sequences_per_step": 2,
    "least_active": 0.0,
    "join": "clip",
    "fusion_people": 0.0,
    "validate_every_epochs": 1,
}


def build(network=None, **settings) -> HybridNet:
    torch.manual_seed(0)
    model = HybridNet(HybridConfig(**(SMALL["hybrid"] | settings)), AUS).double().eval()
    if network:
        model.enter_network(network)
    return model


def clips(*lengths, seed=0):
    """Pictures of several clips, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(sum(lengths), 3, 64, 64, generator=generator, dtype=torch.float64)
    return Batch(image=image, sequence=torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)))


def pick(batch, rows):
    return Batch(**{name: value[rows] for name, value in vars(batch).items() if value is not None})


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


# Equations


@pytest.fixture
def labels():
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(7, 5, generator=generator, dtype=torch.float64)
    y = (torch.rand(7, 5, generator=generator) < 0.4).double()
    v = torch.rand(7, 5, generator=generator) < 0.7
    v[:, 3] = v[2] = False
    return z, torch.where(v, y, torch.nan), v


def test_cross_entropy_is_that_of_section_3a(labels):
    z, y, v = labels
    rows = []
    for b in range(7):
        total = 0.0
        for a in range(5):
            paper = 0 if not v[b, a] else 1 if y[b, a] else -1
            total += (paper > 0) * math.log(sigmoid(z[b, a])) + (paper < 0) * math.log(1 - sigmoid(z[b, a]))
        rows.append(-total / 5)
    assert float(cross_entropy(z, y, v)) == pytest.approx(sum(rows) / 7, abs=1e-10)


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_margin_loss_is_equation_4(labels, margin):
    z, y, v = labels
    s, rows = torch.tanh(z), []
    for b in range(7):
        paper = [0 if not v[b, a] else 1 if y[b, a] else -1 for a in range(5)]
        n0 = sum(value != 0 for value in paper)
        if n0:
            # The sum is over what is not zero: a missing label has no margin to keep.
            rows.append(sum(max(0, margin - t * float(s[b, a])) for a, t in enumerate(paper) if t) / n0)
    assert len(rows) == 6
    assert float(margin_loss(s, y, v, margin)) == pytest.approx(sum(rows) / len(rows), abs=1e-10)


def test_margin_loss_by_hand():
    s, v = torch.tensor([[0.2, -0.9, 0.5]]), torch.tensor([[True, True, False]])
    # Present at 0.2 lacks 0.3 of the margin, absent at -0.9 lacks nothing.
    assert float(margin_loss(s, torch.tensor([[1.0, 0.0, 1.0]]), v, 0.5)) == pytest.approx(0.15)
    assert float(margin_loss(s, torch.tensor([[0.0, 1.0, 1.0]]), v, 0.5)) == pytest.approx((0.7 + 1.4) / 2)


def test_change_loss_is_of_neighbours_in_one_sequence(labels):
    z, y, v = labels
    sequence, parts = torch.tensor([0, 0, 0, 1, 1, 2, 2]), []
    for b in range(1, 7):
        for a in range(5):
            if sequence[b] == sequence[b - 1] and v[b, a] and v[b - 1, a]:
                told = sigmoid(float(z[b, a])) - sigmoid(float(z[b - 1, a]))
                parts.append(abs(told - float(y[b, a] - y[b - 1, a])))
    assert len(parts) >= 4
    assert float(change_loss(z, y, v, sequence)) == pytest.approx(sum(parts) / len(parts), abs=1e-10)
    assert float(change_loss(z, y, torch.zeros_like(v), sequence)) == 0


def test_changes_count_for_the_lstms_alone_and_in_any_order_of_clips():
    model, batch = build(change_weight=2.0, lstm_loss="cross_entropy"), clips(4, 3)
    known = torch.ones(7, len(AUS), dtype=torch.bool)
    present = (torch.arange(7 * len(AUS)).view(7, -1) % 3 == 0).double()
    mixed = torch.tensor([4, 0, 1, 5, 2, 3, 6])
    values = []
    for network in ("anet", "hybrid", "lstm"):
        model.enter_network(network)
        labelled = dataclasses.replace(batch, au_present=present, au_present_valid=known)
        for rows in (torch.arange(7), mixed):
            found = model.losses(model(pick(labelled, rows)), pick(labelled, rows))
            values.append(float(found["changes"].detach()) if "changes" in found else None)
    assert values[:4] == [None] * 4
    said = model(labelled).au_logit
    assert (
        values[4]
        == pytest.approx(values[5])
        == pytest.approx(2 * float(change_loss(said, present, known, batch.sequence).detach()))
    )


def test_lstm_is_equation_3_layer_by_layer():
    torch.manual_seed(1)
    net = StackedLstm(5, 4, 3, 2, 0.5, 0.8).double().eval()
    for parameter in net.parameters():
        torch.nn.init.uniform_(parameter, -0.8, 0.8)
    frames = torch.randn(6, 5, dtype=torch.float64)
    weights = {name: value.tolist() for name, value in net.lstm.named_parameters()}
    h, c = [[0.0] * 4 for _ in range(3)], [[0.0] * 4 for _ in range(3)]
    for t in range(6):
        x = frames[t].tolist()
        for k in range(3):
            w, r = weights[f"weight_ih_l{k}"], weights[f"weight_hh_l{k}"]
            b = [p + q for p, q in zip(weights[f"bias_ih_l{k}"], weights[f"bias_hh_l{k}"], strict=True)]

            def phi(row, w=w, r=r, b=b, x=x, h=h[k]):
                return (
                    sum(p * q for p, q in zip(w[row], x, strict=True))
                    + sum(p * q for p, q in zip(r[row], h, strict=True))
                    + b[row]
                )

            gates = [[phi(block * 4 + u) for u in range(4)] for block in range(4)]
            gate_i, gate_f, gate_o = ([sigmoid(a) for a in gates[block]] for block in (0, 1, 3))
            z = [math.tanh(a) for a in gates[2]]
            c[k] = [gate_i[u] * z[u] + gate_f[u] * c[k][u] for u in range(4)]
            x = h[k] = [gate_o[u] * math.tanh(c[k][u]) for u in range(4)]
        expected = [
            sum(p * q for p, q in zip(row, x, strict=True)) + b
            for row, b in zip(net.output.weight.tolist(), net.output.bias.tolist(), strict=True)
        ]
        score, state = net(frames[: t + 1], [t + 1], net.begin(1))
        np.testing.assert_allclose(score[t].detach(), expected, atol=1e-10)
    np.testing.assert_allclose(state.hidden[:, 0].detach(), h, atol=1e-10)
    np.testing.assert_allclose(state.cell[:, 0].detach(), c, atol=1e-10)


def test_lstm_scores_are_the_tanh_whose_margin_is_kept():
    model, batch = build("lstm"), clips(5)
    score = 2 * torch.sigmoid(model(batch).au_logit) - 1
    frames = model.frame_features(batch)[:, : model.projection.outputs]
    expected = torch.tanh(model.lstm(frames, [5], model.lstm.begin(1))[0])
    torch.testing.assert_close(score, expected)


def test_one_lstm_follows_every_au_apart():
    torch.manual_seed(1)
    net = AuLstm(4, 2, 3, 0.0, 0.8).double().eval()
    scores = torch.randn(9, 3, dtype=torch.float64)
    said, state = net(scores, [4, 5], net.begin(2))
    for a in range(3):
        own, mean = scores[:, a : a + 1], scores.mean(1, keepdim=True)
        read = torch.cat([own, mean, net.names[a].expand(9, -1)], 1)
        for k, rows in enumerate((slice(0, 4), slice(4, 9))):
            alone, after = net.shared(read[rows], [len(read[rows])], net.shared.begin(1))
            torch.testing.assert_close(said[rows, a], alone[:, 0] + net.bias[a])
            torch.testing.assert_close(state.of(k).cell[..., 4 * a : 4 * a + 4], after.cell)
    # Frame by frame: rows are the next frame of each sequence.
    going, frames = net.begin(2), []
    for t in range(4):
        frame, going = net(scores[[t, 4 + t]], None, going)
        frames.append(frame)
    torch.testing.assert_close(torch.stack(frames, 1).flatten(0, 1), said[:8])


@pytest.mark.parametrize("reads", ["fc7", "fc7_and_scores", "each_score"])
def test_corrections_start_at_the_cnns_scores(reads):
    model, batch = build("lstm", lstm_reads=reads, lstm_says="corrections"), clips(6)
    spatial = model.cnn.scores(model.fc7(batch))
    assert torch.equal(model(batch).au_logit, spatial)
    torch.nn.init.normal_(model.lstm.output.weight)
    moved = model(batch).au_logit
    assert not torch.allclose(moved, spatial)
    # What they read: a change of one score alone changes what is said where scores are read.
    read = model.frame_features(batch)
    other = read.clone()
    other[0, -1] += 1
    moved, changed = (
        model(dataclasses.replace(batch, features=rows)).au_logit - rows[:, -len(AUS) :] for rows in (read, other)
    )
    assert torch.allclose(moved, changed) == (reads == "fc7")


@pytest.mark.parametrize("standardized", [False, True])
@pytest.mark.parametrize("energy", [0.5, 0.9, 0.98, 1.0])
def test_projection_is_pca_with_the_wanted_energy(energy, standardized):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 9)) @ np.diag(1.6 ** -np.arange(9)) @ np.linalg.qr(rng.normal(size=(9, 9)))[0] + 0.3
    net = Projection(9, 6, standardized).double()
    net.fit(torch.from_numpy(rows).split(13), energy)
    reference = PCA().fit(rows)
    kept = min(6, int(np.searchsorted(reference.explained_variance_ratio_.cumsum(), energy - 1e-12)) + 1)
    ours, theirs = net(torch.from_numpy(rows)).numpy(), reference.transform(rows)[:, :kept]
    assert not ours[:, kept:].any() and net.fitted
    sign = np.sign((ours[:, :kept] * theirs).sum(0))
    scale = theirs.std(0) if standardized else theirs[:, 0].std()
    np.testing.assert_allclose(ours[:, :kept], sign * theirs / scale, atol=1e-9)


@pytest.mark.parametrize("unit_length", [True, False])
def test_fusion_is_two_layers_on_scores(unit_length):
    torch.manual_seed(0)
    net = Fusion(3, 4, unit_length).double()
    spatial, temporal = torch.randn(2, 5, 3, dtype=torch.float64)
    for b in range(5):
        stacked = []
        for scores in (spatial[b].tolist(), temporal[b].tolist()):
            length = math.sqrt(sum(value * value for value in scores)) if unit_length else 1
            stacked += [value / length for value in scores]
        hidden = [
            max(0.0, sum(stacked[k] * net.mixing[k, u].item() for k in range(6)) + net.bias[u].item())
            for u in range(4)
        ]
        expected = [
            sum(h * net.output.weight[a, u].item() for u, h in enumerate(hidden)) + net.output.bias[a].item()
            for a in range(3)
        ]
        np.testing.assert_allclose(net(spatial, temporal)[b].detach(), expected, atol=1e-10)


def test_cnn_has_the_sizes_of_alexnet():
    with torch.device("meta"):
        cnn = Cnn(176, 96, 4, 4096, 12, 0.5)
        assert cnn(torch.empty(2, 3, 176, 176)).shape == (2, 4096)
    shapes = {name: tuple(value.shape) for name, value in cnn.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "conv1.weight": (96, 3, 11, 11),
        "conv2.weight": (256, 96, 5, 5),
        "conv3.weight": (384, 256, 3, 3),
        "conv4.weight": (384, 384, 3, 3),
        "conv5.weight": (256, 384, 3, 3),
        "fc6.weight": (4096, 256 * fc6_cells(176, 4) ** 2),
        "fc7.weight": (4096, 4096),
        "fc8.weight": (12, 4096),
    }


def test_fc7_is_of_unit_length_and_sparse():
    fc7 = build().features(clips(6))
    torch.testing.assert_close(fc7.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert 0.1 < (fc7 == 0).double().mean() < 0.9


# Sequences


@pytest.mark.parametrize("reads", ["fc7", "fc7_and_scores", "each_score"])
@pytest.mark.parametrize("network", ["lstm", "hybrid"])
def test_a_stream_gives_what_the_whole_sequence_gives(network, reads):
    model, batch = build(network, lstm_reads=reads, lstm_says="corrections"), clips(17)
    torch.nn.init.normal_(model.lstm.output.weight)
    whole = model(batch).au_logit
    state, outputs = None, []
    for part in torch.arange(17).split([1, 1, 5, 9, 1]):
        output, state = model.stream(pick(batch, part), state)
        outputs.append(output.au_logit)
    torch.testing.assert_close(torch.cat(outputs), whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("network", ["lstm", "hybrid"])
def test_clips_of_any_length_and_mixed_order_do_not_see_each_other(network):
    model, batch = build(network), clips(1, 23, 2, 7)
    mixed = torch.randperm(33, generator=torch.Generator().manual_seed(3))
    # Rows of one clip keep their order; those of different clips lie anywhere.
    rank = torch.argsort(torch.argsort(batch.sequence[mixed], stable=True))
    rows = torch.arange(33)[rank]
    together = model(pick(batch, rows)).au_logit
    for clip in range(4):
        alone = model(pick(batch, batch.sequence == clip)).au_logit
        torch.testing.assert_close(together[batch.sequence[rows] == clip], alone, atol=1e-12, rtol=0)


def test_states_of_several_faces_are_told_apart():
    model, batch = build("hybrid"), clips(6, 6)
    whole = model(batch).au_logit
    states, outputs = {}, torch.empty_like(whole)
    for start in range(0, 6, 2):
        rows = torch.tensor([start, start + 6, start + 1, start + 7])
        joined = LstmState.join([states.get(k, model.lstm.begin(1)) for k in (0, 1)])
        output, state = model.stream(pick(batch, rows), joined)
        states = {k: state.of(k) for k in (0, 1)}
        outputs[rows] = output.au_logit
    torch.testing.assert_close(outputs, whole, atol=1e-12, rtol=0)


def test_a_frame_depends_on_the_frames_before_and_on_none_after():
    model, batch = build("hybrid"), clips(9)
    other = dataclasses.replace(batch, image=batch.image.clone())
    other.image[4] = 1 - other.image[4]
    differs = (model(batch).au_logit != model(other).au_logit).any(1)
    assert differs.tolist() == [False] * 4 + [True] * 5


def test_a_lost_frame_is_passed_over():
    """Without its row, the frames around it are what they are in a clip that never had it."""
    model, batch = build("hybrid"), clips(9)
    kept = torch.tensor([0, 1, 2, 6, 7, 8])
    state, outputs = None, []
    for row in kept:
        output, state = model.stream(pick(batch, row[None]), state)
        outputs.append(output.au_logit)
    torch.testing.assert_close(torch.cat(outputs), model(pick(batch, kept)).au_logit, atol=1e-12, rtol=0)


def test_a_photograph_is_a_sequence_of_one():
    model, batch = build("hybrid"), clips(4)
    alone = torch.cat([model(clips_of_one).au_logit for clips_of_one in (pick(batch, [k]) for k in range(4))])
    torch.testing.assert_close(model(Batch(image=batch.image)).au_logit, alone, atol=1e-12, rtol=0)
    assert not torch.allclose(model(batch).au_logit[1:], alone[1:])


def test_crops_of_clips_are_predicted_in_time_order():
    data = random_people(60, subjects=3)
    shuffled = data.subset(np.random.default_rng(0).permutation(60))
    torch.manual_seed(0)
    model = HybridNet(HybridConfig(**TINY), data.aus).eval()
    plain = predict_crops(model, data, 42).au_logit
    # Smaller pieces go on from the state of the piece before.
    np.testing.assert_allclose(predict_crops(model, data, 42, batch_size=7).au_logit, plain, atol=1e-5)
    again = predict_crops(model, shuffled, 42)
    place = {(c, f): k for k, (c, f) in enumerate(zip(data.clip, data.frame, strict=True))}
    rows = [place[key] for key in zip(shuffled.clip, shuffled.frame, strict=True)]
    np.testing.assert_allclose(again.au_logit, plain[rows], atol=1e-5)


# Training


def source(data, **settings):
    torch.manual_seed(0)
    model = HybridNet(HybridConfig(**(TRAINING_MODEL | settings)), data.aus)
    return SequenceSource(data, model.stages()[1], 1, model, seed=3), model


TRAINING_MODEL = {name: value for name, value in TRAINING.items() if name != "validate_every_epochs"}


def test_a_batch_is_whole_clips_whose_first_frames_do_not_count():
    data = random_people(160)
    batches, model = source(data)
    assert batches.steps_per_epoch == 4 and model.projection.fitted
    first = batches.batch(0)
    assert first.sequence.tolist() == [0] * 20 + [1] * 20 and first.image.shape[1:] == (3, 0, 0)
    known = first.au_present_valid.view(2, 20, 3)
    assert not known[:, :3].any() and known[:, 3:].float().mean() > 0.8
    shown = torch.cat([batches.batch(step).features for step in range(4)])
    features = frame_features(model, data, "cpu")
    order = np.lexsort((data.frame, data.clip))
    assert sorted(map(tuple, shown.tolist())) == sorted(map(tuple, features[order].tolist()))
    assert torch.equal(source(data)[0].batch(5).features, batches.batch(5).features)


def test_training_frames_pass_the_cnn_once_for_both_later_stages(tmp_path, monkeypatch):
    rows, plain = [], sequence_source.frame_features

    def counted(model, data, device):
        rows.append(len(data))
        return plain(model, data, device)

    monkeypatch.setattr(sequence_source, "frame_features", counted)
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    settings = make_settings("hybrid", TRAINING | {"epochs": 1, "lstm_epochs": 1, "fusion_epochs": 1})
    run("hybrid", settings, random_people(160), random_people(80, 4, "V", 2), tmp_path, fabric)
    assert rows == [160]


def test_clips_of_a_person_are_one_sequence_in_order_of_task():
    data = random_people(160)
    data = dataclasses.replace(data, subject=data.subject // 2)
    rows = source(data, join="person")[0].order(0)
    assert [len(stretch) for stretch in rows] == [40] * 4
    for stretch in rows:
        assert len(set(data.subject[stretch])) == 1
        assert (np.diff(data.clip[stretch] * 1000 + data.frame[stretch]) > 0).all()


def test_the_fusion_learns_from_people_whom_the_other_stages_have_not_seen():
    data = random_people(160)
    cnn, lstm, fusion = HybridNet(HybridConfig(**(TRAINING_MODEL | {"fusion_people": 0.3})), data.aus).stages()
    learned, held_out = (set(data.subject[rows_of_stage(data, stage, 3)]) for stage in (lstm, fusion))
    assert cnn.people == lstm.people and learned and held_out
    assert not learned & held_out and learned | held_out == set(data.subject)
    shown = SequenceSource(data, lstm, 1, HybridNet(HybridConfig(**TRAINING_MODEL), data.aus), seed=3).order(0)
    assert {person for rows in shown for person in data.subject[rows]} == learned
    assert set(data.subject[CropSource(data, cnn, 0, 42, 3)._rows]) == learned
    with pytest.raises(UserError, match="a part of the training people of its own, and there are too few"):
        rows_of_stage(data.subset(data.subject == 0), fusion, 3)


def test_frames_that_do_not_count_have_no_part_in_the_loss():
    data = random_people(160)
    batches, model = source(data)
    batch = batches.batch(0)
    set_trainable(model, model.stages()[1])
    spoilt = batch.au_present.view(2, 20, 3).clone()
    spoilt[:, :3] = 1 - spoilt[:, :3]
    other = dataclasses.replace(batch, au_present=spoilt.view(40, 3))
    values = [float(model.losses(model(b), b)["margin"].detach()) for b in (batch, other)]
    assert values[0] == values[1] > 0
    model.config = dataclasses.replace(model.config, lstm_loss="cross_entropy")
    said = model(batch).au_logit
    expected = cross_entropy(said, batch.au_present, batch.au_present_valid)
    assert torch.equal(model.losses(Output(said), batch)["cross_entropy"], expected)


def test_clips_that_are_too_short_are_told():
    with pytest.raises(UserError, match="leaves the first 20 frames of a sequence out of its loss, and the longest"):
        source(random_people(160), context_frames=20)
    with pytest.raises(UserError, match=r"2\.5 active action units per frame"):
        source(random_people(160), least_active=2.5)


def test_rmsprop_has_the_settings_of_the_paper():
    model = HybridNet(HybridConfig(width=8, fc_units=16), AUS)
    cnn, lstm, _ = model.stages()
    optimizer = make_optimizer(set_trainable(model, lstm), lstm, fused=False)
    assert type(optimizer) is torch.optim.RMSprop
    assert {(g["lr"], g["momentum"], g["alpha"]) for g in optimizer.param_groups} == {(1e-3, 0.9, 0.97)}
    assert (cnn.optimizer, cnn.lr, cnn.weight_decay, cnn.batch_size) == ("sgd", 1e-3, 5e-4, 196)
    limit = max(float(p.detach().abs().max()) for p in model.lstm.parameters())
    assert 0.07 < limit <= 0.08


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    torch.set_num_threads(1)
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    training, validation = random_people(160), random_people(80, 4, "V", 2)
    found = {}
    for variant in ("anet", "hybrid"):
        out = tmp_path_factory.mktemp("hybrid") / variant
        settings = make_settings("hybrid", TRAINING | {"variant": variant})
        run("hybrid", settings, training, validation, out, fabric)
        found[variant] = load_checkpoint(out / "model.safetensors").model
    return found, validation


def test_one_checkpoint_holds_the_whole_network(runs):
    models, validation = runs
    model = models["hybrid"]
    assert model.follows_time() and model.projection.fitted and model.projection.matrix.any()
    parts = {}
    for network in ("anet", "lstm", "hybrid"):
        model.enter_network(network)
        parts[network] = predict_crops(model, validation, 42).au_logit
    assert all(np.isfinite(value).all() for value in parts.values())
    assert not np.allclose(parts["anet"], parts["lstm"]) and not np.allclose(parts["lstm"], parts["hybrid"])


def test_the_cnn_alone_is_the_first_stage_of_the_whole(runs):
    models, _ = runs
    whole = models["hybrid"].cnn.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in models["anet"].cnn.state_dict().items())
    assert models["anet"].lstm is None and not models["anet"].follows_time()


def test_configurations_can_be_read():
    for path in CONFIGS.glob("hybrid_*.yaml"):
        assert make_settings("hybrid", read_config_file(path)).model.variant == "hybrid"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"variant": "gru"}, "variant is 'gru'; it must be one of anet, lstm, hybrid"),
        ({"lstm_reads": "fc6"}, "lstm_reads is 'fc6'; it must be one of fc7, fc7_and_scores, each_score"),
        ({"lstm_says": "more"}, "lstm_says is 'more'; it must be one of scores, corrections"),
        ({"join": "video"}, "join is 'video'; it must be one of person, clip"),
        ({"image_size": 40}, "of 40 pixels the convolutions leave nothing at stride 4"),
        ({"lstm_units": 0}, "lstm_units is 0; it must be at least 1"),
        ({"lstm_dropout": 1.0}, "lstm_dropout is 1.0; it must be below 1"),
        ({"energy": 0.0}, "energy is 0.0; it must be above 0"),
        ({"context_frames": 50, "sequence_frames": 50}, "no frame would count in the loss"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, line):
    with pytest.raises(UserError, match=line):
        make_config(HybridConfig, settings, "settings")


def test_eight_frames_of_the_contract_are_two_clips():
    assert random_batch().sequence.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_the_whole_can_start_from_a_cnn_alone(tmp_path):
    alone = build(variant="anet").float()
    save_checkpoint(tmp_path / "anet.safetensors", alone, {})
    torch.manual_seed(7)
    whole = HybridNet(HybridConfig(**SMALL["hybrid"]), AUS)
    before = {name: value.clone() for name, value in whole.lstm.state_dict().items()}
    assert [stage.name for stage in whole.stages()] == ["cnn", "lstm", "fusion"]
    start_from(whole, tmp_path / "anet.safetensors")
    assert all(torch.equal(value, alone.cnn.state_dict()[name]) for name, value in whole.cnn.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in whole.lstm.state_dict().items())
    assert [stage.name for stage in whole.stages()] == ["lstm", "fusion"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_drawn_dataset(folder / "many", subjects=3, frames=8)
    write_drawn_dataset(folder / "valid", subjects=1, frames=8, seed=6)
    write_drawn_dataset(folder / "unknown", subjects=2, frames=8)
    table = pd.read_parquet(folder / "unknown" / "frames.parquet")
    labels = [name for name in table.columns if re.fullmatch(r"AU\d\d", name)]
    table[labels] = -1
    table[[f"{name}_r" for name in labels]] = np.nan
    table.to_parquet(folder / "unknown" / "frames.parquet")
    for k, name in enumerate(("many", "valid", "unknown")):
        card = json.loads((folder / name / "dataset.json").read_text())
        (folder / name / "dataset.json").write_text(json.dumps(card | {"name": f"drawn-{k}", "seed": k}))
    return folder


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["train", "hybrid", "--data", "many", "--valid", "valid", "--epochs", "1"],
            "leaves the first 10 frames of a sequence out of its loss, and the longest has 8",
        ),
        (["train", "hybrid", "--data", "unknown", "--valid", "valid"], "no frame of the training data has a known"),
        (["crossval", "hybrid", "--data", "valid"], "the data holds 1 people; folds need two or more"),
    ],
)
def test_data_that_cannot_be_learned_from_is_one_line_and_exit_code_2(
    drawn, tmp_path, words, line, monkeypatch, capsys
):
    words = [str(drawn / word) if (drawn / word).exists() else word for word in words]
    small = {"image_size": 42, "width": 6, "stride": 2, "fc_units": 8, "batch_size": 4, "components": 4}
    options = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    command = ["actionunits", *words, "--out", str(tmp_path / "out"), "--accelerator", "cpu", *options]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert line in told
