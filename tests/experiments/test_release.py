"""How the default detector's decisions are set before it is released, on made-up scores."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit
from small_models import SMALL, random_batch

from actionunits.models.layers.blendshapes import NAMES
from actionunits.models.resnet18 import ResNet18, ResNet18Config

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
SHARE = 0.6


@pytest.fixture
def release(monkeypatch):
    """The module, which lies beside its script."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "resnet18")
    return importlib.import_module("release")


def made_up_labels(slope, offset, faces=4000):
    scores = RNG.normal(0, 2, (faces, len(offset)))
    present = RNG.random(scores.shape) < expit(slope * scores + offset)
    return scores, present.astype(float), np.ones(scores.shape, bool)


def test_slope_and_offsets_of_the_labels_are_found(release):
    offset = np.array([-2.0, 0.0, 1.0])
    scores, present, valid = made_up_labels(0.7, offset)
    slope, found = release.fit(scores, present, valid, prior_sd=100.0)
    assert slope == pytest.approx(0.7, abs=0.05)
    np.testing.assert_allclose(found, offset, atol=0.2)


def test_a_prior_holds_the_offset_of_an_action_unit_with_few_labels(release):
    scores, present, valid = made_up_labels(1.0, np.array([0.0, 0.0, 0.0]))
    valid[6:, 2] = False
    present[:6, 2] = 1  # whatever the score
    loose, held = (release.fit(scores, present, valid, sd)[1][2] for sd in (100.0, 0.5))
    assert loose > 3 > 1 > held > 0


def test_unknown_labels_have_no_part(release):
    scores, present, valid = made_up_labels(1.0, np.array([0.5, -0.5]), faces=200)
    valid[::2] = False
    changed = np.where(valid, present, 1 - present)
    first, second = (release.fit(scores, labels, valid, 0.5) for labels in (present, changed))
    assert first[0] == second[0] and np.array_equal(first[1], second[1])


def test_thresholds_have_the_highest_promised_f1(release):
    probability = RNG.random((30, 5)) ** np.array([0.5, 1, 2, 4, 8])

    def promised(p, threshold):
        called = p >= threshold
        return 2 * p[called].sum() / (p.sum() + called.sum())

    for p, threshold in zip(probability.T, release.promised_thresholds(probability), strict=True):
        assert promised(p, threshold) == pytest.approx(max(promised(p, value) for value in p), abs=1e-12)


def test_the_slope_of_intensity_is_that_of_the_truth(release):
    score = RNG.normal(0, 1, 500)
    truth = 5 * expit(1.7 * (score - 0.3) + release.LEVEL_A)
    assert release.intensity_slope(score, 0.3, truth) == pytest.approx(1.7, abs=1e-2)


@pytest.mark.parametrize(
    ("sides", "names"), [(("Left", "Right"), ("mouthSmileLeft", "mouthSmileRight")), (("Left",), ("mouthSmileLeft",))]
)
def test_an_au_has_the_mean_of_its_own_blendshapes(release, sides, names):
    smile, nose, brow = release.own_blendshapes((12, 9, 4), sides, image_only=(4,))
    assert {NAMES[k] for k in smile.nonzero()[0]} == set(names) and smile.sum() == pytest.approx(1)
    assert not nose.any()  # of those that hardly move
    assert not brow.any()


def test_a_share_of_the_landmark_branch_is_its_weight_in_the_mean(release):
    presence, intensity = RNG.normal(size=(2, 2, 7, 3))
    share = np.array([0.25, 0.0, 1.0])
    odds, strength = release.Evidence(presence, intensity, np.zeros((7, 3))).at(share)
    for mean, branches in ((odds, presence), (strength, intensity)):
        np.testing.assert_allclose(mean[:, 0], 0.75 * branches[0, :, 0] + 0.25 * branches[1, :, 0])
        np.testing.assert_array_equal(mean[:, 1:], np.stack([branches[0, :, 1], branches[1, :, 2]], -1))


def test_heads_answer_by_the_factors_written_into_them(release):
    settings = SMALL["resnet18"] | {"sides": True, "landmark_blendshapes": True, "landmark_weight": SHARE}
    settings |= {"image_only": (9,)}
    torch.manual_seed(0)
    aus = (4, 9, 12, 26)
    model = ResNet18(ResNet18Config(**settings), aus).eval()
    batch = random_batch(3, 64)
    presence, intensity = RNG.normal(size=(2, 4, len(aus)))
    sides = RNG.normal(size=(3, len(aus)))
    with torch.inference_mode():
        model.landmarks.shape.count.fill_(1)
        before, found = model(batch), release.evidence(model, [batch])
        shares = model.landmark_shares[0].numpy()
        release.write_into_heads(model, presence, intensity, sides, shares)
        after = model(batch)
    odds, strength = found.at(shares)
    assert not found.blendshapes[:, 1].any()
    seen = batch.mesh_valid.numpy()  # without a mesh the image branch alone answers
    assert 0 < seen.sum() < len(seen)
    for factors, said in ((presence, after.au_logit), (intensity, mean_intensity(after, model))):
        expected = factors[0] * odds + factors[1] * strength + factors[2] * found.blendshapes + factors[3]
        np.testing.assert_allclose(said.numpy()[seen], expected[seen], atol=1e-4)
    left = sides[0] * before.image.sides[..., 0].numpy() + sides[2]
    np.testing.assert_allclose(after.image.sides[..., 0].numpy(), left, atol=1e-4)


def mean_intensity(output, model):
    return torch.lerp(output.image.intensity, output.landmarks.intensity, model.landmark_shares[1])


def test_the_header_names_the_faces_that_decided(release):
    faces = SimpleNamespace(name="dev", ids=("a", "b"), people=2)
    header = release.decided_on(faces, {"data": {"names": ["r"]}, "seed": 1}, (4, 12), np.array([0.25, 0.5]))
    assert header == {
        "data": {"names": ["r"], "calibrated_on": {"name": "dev", "faces": 2, "people": 2}},
        "thresholds": {"AU04": 0.25, "AU12": 0.5},
    }
