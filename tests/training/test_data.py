"""What a run loads of its data."""

from pathlib import Path

import pytest
from random_crops import random_people

from actionunits.datasets.crops import load
from actionunits.training.data import load_training_data
from actionunits.training.settings import make_settings


@pytest.mark.parametrize(
    ("changed", "of_training", "of_validation"),
    [
        ({}, False, False),
        ({"landmark_branch": True}, True, True),
        # Settings of the data's three AUs, before they are known.
        ({"landmark_branch": True, "class_weighting": "inverse"}, True, True),
        # Finding the points of a hundred thousand frames takes longer than some trainings.
        ({"landmark_branch": True, "landmark_epochs": 0}, False, True),
    ],
)
def test_meshes_are_found_where_they_are_read(monkeypatch, changed, of_training, of_validation):
    asked = {}

    def load_data(folders, size, *, meshes, **options):
        asked[folders[0].name] = meshes
        return random_people(40, 4, folders[0].name, 2)

    monkeypatch.setattr(load, "load_data", load_data)
    monkeypatch.setattr(load, "coded_aus", lambda folder: (1, 4, 12))
    settings = make_settings("resnet18", {"image_size": 42, "width": 4} | changed)
    load_training_data([Path("a")], [Path("b")], settings, progress=False)
    assert asked == {"a": of_training, "b": of_validation}
    asked.clear()
    load_training_data([Path("a")], [], settings, progress=False)
    assert asked == {"a": of_validation}  # a part of it is then held out to validate on
