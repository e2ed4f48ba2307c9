"""TCAE: its equations against literal loops, what it moves, its curriculum, and that it learns from pairs."""

import dataclasses
import math

import pytest
import torch
from small_models import AUS, SMALL, random_batch

from actionunits.errors import UserError
from actionunits.models.batch import Batch
from actionunits.models.layers.probe import class_weights, probe_loss
from actionunits.models.tcae import Tcae, TcaeConfig, loss
from actionunits.models.tcae.curriculum import pair_weight
from actionunits.models.tcae.decoder import Movement
from actionunits.models.tcae.displacement import integrate, warp
from actionunits.settings.checks import make_config
from actionunits.training.optim import set_trainable
from actionunits.training.start import refuse_untrained


def build(aus=AUS, **settings) -> Tcae:
    torch.manual_seed(0)
    own = {"au_rates": SMALL["tcae"]["au_rates"] if aus else ()}
    return Tcae(TcaeConfig(**(SMALL["tcae"] | own | settings)), aus)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_all_close(found: torch.Tensor, wanted: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-10, atol=0)


def test_sparsity_is_eq_1():
    t = rand(2, 3, 4, 2) - 0.5
    wanted = [sum(abs(float(v)) for row in one for place in row for v in place) for one in t]
    assert_all_close(loss.sparsity_loss(t), wanted)


@pytest.mark.parametrize("function", [loss.reconstruction_loss, loss.cycle_loss])
def test_reconstruction_and_cycles_are_eq_2_to_4(function):
    a, b = rand(2, 3, 4, 5), rand(2, 3, 4, 5, seed=1)
    wanted = [
        sum(abs(float(a[n, c, y, x] - b[n, c, y, x])) for c in range(3) for y in range(4) for x in range(5))
        for n in range(2)
    ]
    assert_all_close(function(a, b), wanted)


def test_embeddings_are_eq_5_and_6():
    kept, source, changed, target = (rand(2, 7, seed=k) for k in range(4))
    wanted = []
    for n in range(2):
        total = 0.0
        for d in range(7):
            total += float(kept[n, d] - source[n, d]) ** 2
            total += float(changed[n, d] - target[n, d]) ** 2
        wanted.append(total)
    assert_all_close(loss.embedding_loss(kept, source, changed, target), wanted)


def test_the_probe_weighs_classes_inversely_to_their_frequency():
    z, y = 4 * rand(6, 3) - 2, (rand(6, 3, seed=1) < 0.4).double()
    v = rand(6, 3, seed=2) < 0.8
    rates = torch.tensor([0.1, 0.4, 0.7], dtype=torch.float64)
    total, count = 0.0, 0
    for n in range(6):
        for a in range(3):
            if not v[n, a]:
                continue
            p = 1 / (1 + math.exp(-float(z[n, a])))
            present, rate = float(y[n, a]), float(rates[a])
            total -= present / (2 * rate) * math.log(p) + (1 - present) / (2 * (1 - rate)) * math.log(1 - p)
            count += 1
    found = probe_loss(z, y, v, class_weights(rates))
    assert float(found) == pytest.approx(total / count, rel=1e-10)
    # Each class has half of the weight.
    weights = class_weights(rates)
    torch.testing.assert_close(weights[:, 1] * rates, torch.full((3,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(weights[:, 0] * (1 - rates), torch.full((3,), 0.5, dtype=torch.float64))


def test_the_full_loss_has_the_weights_and_counts_of_sec_4_1():
    model, batch = build().eval(), random_batch(3, inputs=("target",))
    with torch.no_grad():
        output = model(batch)
    pair, c = output.pair, output.pair.cycles
    size = 64
    wanted = 0.0
    for n in range(3):
        l_rec = float((pair.reconstruction[n] - batch.target[n]).abs().sum())
        l_1 = float(pair.au.displacement[n].abs().sum())
        l_cyc = float(
            (c.au_returned[n] - batch.image[n]).abs().sum() + (c.pose_returned[n] - batch.image[n]).abs().sum()
        )
        l_emb = float(((c.of_au_changed.pose[n] - pair.source.pose[n]) ** 2).sum())
        l_emb += float(((c.of_au_changed.au[n] - pair.target.au[n]) ** 2).sum())
        l_emb += float(((c.of_pose_changed.au[n] - pair.source.au[n]) ** 2).sum())
        l_emb += float(((c.of_pose_changed.pose[n] - pair.target.pose[n]) ** 2).sum())
        pixels = size * size
        # 16 is the length of the small model's vectors, 256 in the paper.
        wanted += l_rec / (3 * pixels) + 0.01 * l_1 / (2 * pixels) + 0.1 * l_cyc / (3 * pixels) + 0.1 * l_emb / 16
    found = sum(float(value) for value in model.losses(output, batch).values())
    assert found == pytest.approx(wanted / 3, rel=1e-5)


def test_a_displacement_says_where_a_pixel_comes_from():
    image = rand(1, 3, 4, 8).float()
    offset = torch.zeros(1, 4, 8, 2)
    offset[..., 0] = 2 * 2 / 8  # two pixels to the right, where 2 spans eight pixels
    moved = warp(image, offset)
    torch.testing.assert_close(moved[..., :6], image[..., 2:])
    # Beyond the border the last pixel is repeated.
    torch.testing.assert_close(moved[..., 6:], image[..., 7:].expand(-1, -1, -1, 2))
    torch.testing.assert_close(warp(image, torch.zeros(1, 4, 8, 2)), image)


def test_movements_are_integrated_with_weights_that_sum_to_one():
    au, pose = (Movement(rand(1, 2, 2, 2, seed=k), rand(1, 2, 2, seed=k + 5)) for k in range(2))
    displacement, mask = integrate(au, pose)
    for y in range(2):
        for x in range(2):
            a, p = (math.exp(float(m.mask_logit[0, y, x])) for m in (au, pose))
            assert float(mask[0, y, x]) == pytest.approx(a / (a + p))
            for k in range(2):
                both = a * au.displacement[0, y, x, k] + p * pose.displacement[0, y, x, k]
                assert float(displacement[0, y, x, k]) == pytest.approx(float(both / (a + p)))


@pytest.mark.parametrize(("first", "ranks"), [(0.0, range(5)), (0.1, range(1, 6)), (0.2, range(2, 7))])
def test_the_curriculum_takes_ranks_of_the_losses(first, ranks):
    losses = torch.tensor([5.0, 1, 9, 3, 7, 2, 8, 4, 6, 0])
    weight = pair_weight(losses, first, 0.5)
    assert sorted(losses[weight > 0].tolist()) == [float(k) for k in ranks]
    assert float(weight.sum()) == pytest.approx(1)


def test_only_pairs_of_the_current_part_give_a_gradient():
    model = build()
    seen = []
    for stage in model.stages()[:3]:
        set_trainable(model, stage)
        batch = random_batch(10, inputs=stage.inputs)
        each = dataclasses.replace(batch, image=batch.image.requires_grad_())
        total = torch.stack(list(model.losses(model(each), each).values())).sum()
        pair = torch.stack(list(model._pair_losses(model(each).pair, each).values())).sum(0)
        ranks = pair.argsort().argsort()
        start = round(10 * model.first_rank)
        assert float(total.detach()) == pytest.approx(
            float(pair[(ranks >= start) & (ranks < start + 5)].mean().detach()), rel=1e-4
        )
        seen.append(stage.name)
    assert seen == ["pairs 0-50%", "pairs 10-60%", "pairs 20-70%"]


def test_parts_share_the_epochs_and_end_when_validation_saturates():
    stages = build(epochs=10).stages()
    assert [stage.epochs for stage in stages[:3]] == [3, 4, 3]
    assert [stage.patience for stage in stages] == [15, 15, 0, 0]
    assert [stage.schedule for stage in stages] == ["constant", "constant", "plateau", "cosine"]
    assert [stage.inputs for stage in stages] == 3 * [("image", "target")] + [("image",)]
    assert [stage.takes_unused for stage in stages] == [False, True, True, False]
    assert [stage.least_lr_share for stage in stages] == [1e-3, 1e-3, 1e-3, 0.0]


def test_without_labels_there_is_no_probe_to_train():
    model = build(aus=())
    assert [stage.name for stage in model.stages()] == ["pairs 0-50%", "pairs 10-60%", "pairs 20-70%"]
    assert model.eval()(Batch(image=random_batch().image)).au_logit.shape == (8, 0)


def test_labels_never_reach_the_encoder():
    model, batch = build().train(), random_batch()
    torch.stack(list(model.losses(model(batch), batch).values())).sum().backward()
    assert all(p.grad is None for name, p in model.named_parameters() if not name.startswith("probe."))


def test_fabnet_has_one_vector_and_one_flow():
    model, batch = build(variant="fabnet").eval(), random_batch(inputs=("target",))
    output = model(batch)
    assert model.encoder.pose is None and model.pose_decoder is None and output.pair.cycles is None
    assert set(model.losses(output, batch)) == {"reconstruction"}
    torch.testing.assert_close(output.pair.reconstruction, warp(batch.image, output.pair.au.displacement))


def moved_squares(rows: int, seed: int) -> Batch:
    """Sources with a bright square, and targets where it is some pixels further: a movement that can be found."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(rows, 3, 32, 32)
    target = torch.zeros(rows, 3, 32, 32)
    for n in range(rows):
        x, y = torch.randint(4, 18, (2,), generator=generator).tolist()
        dx, dy = torch.randint(-3, 4, (2,), generator=generator).tolist()
        image[n, :, y : y + 10, x : x + 10] = 1
        target[n, :, y + dy : y + dy + 10, x + dx : x + dx + 10] = 1
    return Batch(image=image, target=target)


@pytest.mark.slow
def test_a_movement_is_learned_from_pairs_alone():
    model = build(aus=(), image_size=32, width=8).train()
    set_trainable(model, model.stages()[-1])
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    batch = moved_squares(16, 1)
    nothing = float((batch.image - batch.target).abs().mean())
    for _ in range(160):
        optimizer.zero_grad()
        torch.stack(list(model.losses(model(batch), batch).values())).sum().backward()
        optimizer.step()
    with torch.inference_mode():
        left = float((model(batch).pair.reconstruction - batch.target).abs().mean())
    assert left < 0.5 * nothing


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variant": "other"}, "tcae, fabnet"),
        ({"image_size": 112}, "power of two"),
        ({"curriculum": (0.6,)}, "between 0 and"),
        ({"curriculum": ()}, "one fraction or more"),
        ({"width": 0}, "at least 1"),
        ({"pose_cells": 3}, "power of two"),
        ({"alone_weight": 0.5}, "pairs of both kinds"),
        ({"au_first_share": 1.0}, "below 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        make_config(TcaeConfig, settings, "settings")


def test_at_256_pixels_the_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        model = Tcae(TcaeConfig(), ())
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim == 4}
    encoder = [s[0] for name, s in shapes.items() if name.startswith("encoder.shared")]
    decoder = [s[0] for name, s in shapes.items() if name.startswith("au_decoder")]
    branch = [s[0] for name, s in shapes.items() if name.startswith("encoder.pose")]
    assert encoder == [32, 64, 128, 256, 256] and branch == [256, 256, 256]
    assert decoder == [256, 256, 256, 256, 128, 64, 32, 3]


def test_each_movement_alone_may_have_to_make_its_share_of_the_targets():
    model = build(alone_weight=0.5, face_pairs=0.5)
    assert {stage.face_pairs for stage in model.stages()[:3]} == {0.5}
    batch = random_batch(6, inputs=("target",))
    model.train()
    pair = model(batch).pair
    found = model._pair_losses(pair, batch)["alone"]
    for n in range(6):
        made = pair.au_changed if n < 3 else pair.pose_changed
        wanted = 0.5 * float((made[n] - batch.target[n]).detach().abs().mean())
        assert float(found[n].detach()) == pytest.approx(wanted, rel=1e-5)
    # What is validated is the paper's loss, on any pairs.
    assert "alone" not in model.eval().losses(model(batch), batch)
    assert "alone" not in build().train()._pair_losses(pair, batch)


def test_the_pose_movement_may_be_learned_before_what_it_leaves_to_the_au_movement():
    settings = {"epochs": 10, "curriculum": (0.0,), "curriculum_share": 1.0, "face_pairs": 0.5, "head_pairs": 0.25}
    model = build(pose_first_share=0.2, au_first_share=0.3, alone_weight=1.0, **settings)
    stages = model.stages()[:3]
    assert [(s.name, s.epochs, s.face_pairs, s.head_pairs) for s in stages] == [
        ("pose movement alone", 2, 0.0, 1.0),
        ("AU movement alone", 3, 1.0, 0.0),
        ("pairs 0-100%", 5, 0.5, 0.25),
    ]
    batch = random_batch(8, inputs=("target",))
    model.train()
    kept = model.pose_decoder.blocks[3].running_mean.clone()
    for stage in stages[:2]:
        model.enter_stage(stage)
        set_trainable(model, stage)
        model.zero_grad()
        losses = model.losses(model(batch), batch)
        losses["reconstruction"].backward()
        assert len(losses) == 1
        moved = {name for name, p in model.named_parameters() if p.grad is not None}
        assert moved == {name for name, _ in model.named_parameters() if name.startswith(stage.parameters)}
        moves = model.pose_decoder.blocks[3].running_mean != kept
        assert bool(moves.any()) == (stage is stages[0])
        kept = model.pose_decoder.blocks[3].running_mean.clone()
    # The AU movement alone is added to the pose's, which is left as it is.
    pair = model.pair(batch.image, batch.target)
    s, t = pair.source, pair.target
    whole = pair.au.displacement + model.pose_decoder(s.pose, t.pose).displacement
    torch.testing.assert_close(pair.reconstruction, warp(batch.image, whole))
    model.enter_stage(stages[2])
    pair = model(batch).pair
    assert model.pose_decoder.training
    found = model._pair_losses(pair, batch)["alone"]
    by_au = warp(batch.image, pair.au.displacement + pair.pose.displacement)
    for n in range(8):
        made = by_au if n < 4 else pair.pose_changed
        wanted = float((made[n] - batch.target[n]).detach().abs().mean()) if n < 6 else 0.0
        assert float(found[n].detach()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"face_pairs": 0.6, "head_pairs": 0.5}, "together they must be 1 at most"),
        ({"pose_first_share": 0.5, "au_first_share": 0.5}, "leave no epochs"),
        ({"au_cells": 5}, "au_cells is 5"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        TcaeConfig(**settings)


def test_the_layers_of_the_mesh_network_are_read_and_stay_as_they_are():
    model = build(shared="mesh", au_first_share=0.5).train()
    before = {name: p.clone() for name, p in model.encoder.shared.named_parameters()}
    refuse_untrained(model)
    for stage in model.stages():
        set_trainable(model, stage)
        assert not any(p.requires_grad for p in model.encoder.shared.parameters())
    batch = random_batch(inputs=("target",))
    assert model.features(batch).shape == (len(batch.image), model.config.embedding)
    assert all(torch.equal(p, before[name]) for name, p in model.encoder.shared.named_parameters())


def test_a_movement_in_cells_is_as_large_as_the_picture():
    pair = build(au_cells=8).eval()(random_batch(inputs=("target",))).pair
    assert pair.au.displacement.shape == pair.pose.displacement.shape


@pytest.mark.parametrize("variant", ["tcae", "fabnet"])
def test_the_au_movement_may_be_learned_first(variant):
    settings = {"epochs": 10, "curriculum": (0.0,), "curriculum_share": 1.0}
    model = build(variant=variant, au_first_share=0.4, face_pairs=0.5, **settings)
    stages = model.stages()[:2]
    found = [(stage.name, stage.epochs, stage.face_pairs, stage.time_share) for stage in stages]
    assert found == [("AU movement alone", 4, 1.0, 0.4), ("pairs 0-100%", 6, 0.5, 0.6)]
    model.train()
    set_trainable(model, stages[0])
    batch = random_batch(inputs=("target",))
    losses = model.losses(model(batch), batch)
    losses["reconstruction"].backward()
    assert len(losses) == 1
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    assert moved == {name for name, _ in model.named_parameters() if name.startswith(stages[0].parameters)}
    # Only while training: what is validated is what will be used.
    assert (model.eval()(batch).pair.cycles is None) == (variant == "fabnet")


def test_displacements_can_start_near_zero():
    batch = random_batch(inputs=("target",))
    with torch.no_grad():
        large, small = (
            build(start_scale=scale).eval()(batch).pair.au.displacement.abs().mean() for scale in (1.0, 0.0)
        )
    assert float(small) == 0 < float(large)


def test_decoders_can_start_with_what_differs_between_two_faces():
    vectors = torch.rand(6, 2, 16)
    common = torch.rand(6, 1, 16)
    for with_difference in (True, False):
        decoder = build(start_with_difference=with_difference).train().au_decoder
        first, second = (decoder((vectors + more)[:, 0], (vectors + more)[:, 1]) for more in (0, common))
        same = torch.allclose(first.displacement, second.displacement, atol=1e-5)
        assert same == with_difference


def test_a_coarse_pose_movement_bends_between_its_cells_alone():
    model = build(pose_cells=4).train()
    pair = model(random_batch(inputs=("target",))).pair
    # Along a line through the picture the slope changes at the inner nodes alone, of four that span the picture: each
    # lies between two of the 64 pixels.
    bent = [(m.displacement.diff(n=2, dim=2).abs().amax((0, 1, 3)) > 1e-5).sum() for m in (pair.pose, pair.au)]
    assert 1 <= int(bent[0]) <= 4 and int(bent[1]) > 30
    assert pair.pose.displacement.shape == pair.au.displacement.shape
