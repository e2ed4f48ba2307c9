"""What readings over time see of a clip, and how errors are taken apart, on made-up outputs."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
FRAMES, AUS = 20, 3
RNG = np.random.default_rng(0)


@pytest.fixture
def scripts(monkeypatch):
    """Modules, by name, which lie beside each other."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "hybrid")
    return importlib.import_module


def seen_by(reading, clip_of):
    """First and last frame, relative to the one that is told, of those that change what is said of it."""
    values = RNG.normal(0, 1, (FRAMES, AUS)).astype(np.float32)
    told, middle = reading(clip_of(values)), FRAMES // 2
    moved = []
    for frame in range(FRAMES):
        other = values.copy()
        other[frame] += 3
        if not np.allclose(reading(clip_of(other))[middle], told[middle], atol=1e-6):
            moved.append(frame - middle)
    return moved[0], moved[-1]


@pytest.mark.parametrize(("frames", "ahead", "seen"), [(7, 3, (-3, 3)), (7, 0, (-6, 0)), (11, 3, (-7, 3))])
def test_a_mean_sees_as_many_frames_ahead_as_it_is_told(scripts, frames, ahead, seen):
    mean_of = scripts("correct").mean_of
    assert seen_by(lambda values: mean_of(values, frames, ahead), lambda values: values) == seen


@pytest.mark.parametrize(("form", "last"), [({}, 0), ({"ahead": 3}, 3), ({"both": True}, FRAMES - FRAMES // 2 - 1)])
def test_the_network_sees_as_many_frames_ahead_as_it_is_told(scripts, form, last):
    correct = scripts("correct")
    torch.manual_seed(0)
    model = correct.Corrector(RNG.normal(0, 1, (50, AUS, 2)).astype(np.float32), **form).eval()
    torch.nn.init.normal_(model.weight_out)

    def clip_of(values):
        nothing = np.zeros(values.shape)
        return correct.Clip(values, nothing + 1, nothing > 0, nothing)

    first, seen = seen_by(lambda clip: correct.corrected(model, clip)[0] - clip.logit, clip_of)
    assert first < 0 and seen == last


def test_the_parts_of_an_error_are_the_whole(scripts):
    ceilings = scripts("ceilings")
    error = RNG.normal(0, 1, (60, AUS)) + [1, 0, -1]
    same, slow, fast = ceilings.parts_of(error)
    np.testing.assert_allclose(same + slow + fast, error)
    np.testing.assert_allclose(same[0], error.mean(0))
    assert np.abs(fast).mean() > np.abs(slow).mean()  # noise from frame to frame


def test_how_a_person_reads_at_rest_is_of_frames_at_rest(scripts):
    ceilings = scripts("ceilings")
    strength = np.zeros((10, 2))
    strength[:4, 0], strength[:, 1] = 2, 2
    error = np.where(strength > 0, 5.0, 1.0)
    np.testing.assert_array_equal(ceilings.at_rest(error, strength), [[1, 0]])  # the second never rests


def test_onsets_are_paired_as_in_report_onsets(scripts):
    onset_errors = scripts("onset_errors")
    present, detected = (np.array([[c == "#"] for c in text]) for text in ("..#####...##...#", "...#.##........."))
    clip = onset_errors.Clip(np.where(detected, 1.0, -1.0), None, present, np.where(present, 3.0, 0.0))
    found = onset_errors.paired([clip.logit], [clip], np.zeros(1))
    np.testing.assert_array_equal(found[:, 2], [3, np.nan, np.nan])  # with the larger part of a broken event
    assert found[:, 1] == pytest.approx([1.5, 1, 1])  # three in two frames, and in three
    counts = onset_errors.near_counts([clip.logit], [clip], np.zeros(1))
    assert counts[:, 0].tolist() == [3, 1, 2, 1]
