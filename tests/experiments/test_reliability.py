"""How far probabilities hold, on made-up answers."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    """The module, which lies beside its scripts."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "resnet18")
    return importlib.import_module("reliability")


def test_bins_hold_the_known_cells_and_what_is_true_of_them(script):
    probability = np.array([[0.05, 0.95], [0.02, 0.91], [0.55, 0.0]])
    present = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    valid = np.array([[True, True], [True, True], [True, False]])
    table = script.bins(script.Said("made up", probability, probability > 0.5, present, valid))
    assert table["above"].tolist() == pytest.approx([0.0, 0.5, 0.9])
    assert table["cells"].tolist() == [2, 1, 2]
    assert table["said"].tolist() == pytest.approx([0.035, 0.55, 0.93])
    assert table["present"].tolist() == [0.5, 1.0, 1.0]


def test_probabilities_that_are_true_lie_on_the_diagonal(script):
    rng = np.random.default_rng(0)
    probability = rng.random((20000, 2))
    present = (rng.random(probability.shape) < probability).astype(float)
    said = script.Said("made up", probability, probability > 0.5, present, np.ones(present.shape, bool))
    table = script.bins(said)
    assert (table["said"] - table["present"]).abs().max() < 0.03
