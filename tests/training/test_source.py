from dataclasses import replace

import numpy as np
import pytest
import torch
from random_crops import random_crops

from actionunits.datasets.crops.crop_data import Rows
from actionunits.errors import UserError
from actionunits.models.contract import Stage
from actionunits.training.run import Hardware, make_fabric, run
from actionunits.training.settings import make_settings
from actionunits.training.source import CropSource

FABRIC = make_fabric(Hardware(accelerator="cpu", precision="32"))


def stage(*inputs: str) -> Stage:
    return Stage("s", ("",), 1, 8, "sgd", 0.1, inputs=inputs)


class Unreadable:
    """Stands in for stored pictures that nobody asked for."""

    shape, dtype = (40, 48, 48, 3), np.dtype(np.uint8)

    def __getitem__(self, key):
        raise AssertionError("a picture was read")

    def __array__(self, *args, **kwargs):
        raise AssertionError("a picture was read")


@pytest.fixture
def data():
    crops = random_crops(40, "S", 3, points=True)
    crops.landmarks[:, :17] = np.nan  # as a 49-point markup
    crops.landmarks[30:] = np.nan
    return crops


@pytest.mark.parametrize(
    "inputs",
    [("image",), ("image", "anchor"), ("image", "landmarks"), ("landmarks",), ("mesh",), ("mesh", "landmarks")],
)
def test_a_stage_gets_what_it_reads_and_nothing_else(data, inputs):
    batch = CropSource(data, stage(*inputs), 0, 42, 5).batch(0)
    assert batch.image.shape == (8, 3, 42, 42) if "image" in inputs else batch.image.numel() == 0
    for name in ("anchor", "landmarks", "mesh"):
        assert (getattr(batch, name) is not None) == (name in inputs)
    assert batch.au_present is not None


def test_anchors_cost_nothing_where_they_are_not_read(data):
    unread = Rows((Unreadable(),), np.zeros(40, np.int16), np.arange(40))
    blind = replace(data, anchor=unread)
    image = CropSource(blind, stage("image"), 0, 42, 5).batch(1).image
    torch.testing.assert_close(image, CropSource(data, stage("image"), 0, 42, 5).batch(1).image)
    CropSource(replace(blind, images=unread), stage("mesh"), 0, 42, 5).batch(0)
    with pytest.raises(AssertionError, match="read"):
        CropSource(blind, stage("image", "anchor"), 0, 42, 5).batch(0)


def test_rows_without_what_is_read_are_left_out(data):
    source = CropSource(data, stage("landmarks", "mesh"), 0, 42, 5)
    usable = np.flatnonzero(data.mesh_valid[:30])
    assert source.steps_per_epoch == len(usable) // 8
    landmarks = source.batch(0).landmarks
    assert torch.isfinite(landmarks).any((1, 2)).all() and landmarks[:, :17].isnan().all()


@pytest.mark.parametrize(
    ("change", "inputs", "message"),
    [
        ({"anchor": None}, ("image", "anchor"), "reads anchor frames"),
        ({"landmarks": None}, ("image", "landmarks"), "reads landmarks"),
        ({"landmarks": np.full((40, 68, 2), np.nan, np.float32)}, ("landmarks",), "reads landmarks"),
        ({"mesh_valid": np.arange(40) >= 30}, ("landmarks", "mesh"), "no training frame has all of them"),
    ],
)
def test_data_that_lacks_what_a_stage_reads_is_told(data, change, inputs, message):
    with pytest.raises(UserError, match=message):
        CropSource(replace(data, **change), stage(*inputs), 0, 42, 5)


def test_pairs_of_moving_faces_need_landmarks(data):
    pairs = replace(stage("image", "target"), face_pairs=0.5)
    assert CropSource(data, pairs, 0, 42, 5).batch(0).target.shape == (8, 3, 42, 42)
    with pytest.raises(UserError, match="reads landmarks, and the training data has none"):
        CropSource(replace(data, landmarks=None), pairs, 0, 42, 5)


def test_balance_is_a_setting_and_a_wrong_one_leaves_no_folder(data, tmp_path):
    values = {"balance": "duplicate", "balance_aus": [1, 12], "image_size": 42}
    settings = make_settings("resnet18", values)
    assert (settings.data.balance, settings.data.balance_aus) == ("duplicate", (1, 12))
    validation = random_crops(16, "V", 4)
    for change in ({"balance": "always"}, {"balance": "repeat", "balance_aus": [2]}):
        with pytest.raises(UserError, match="balance"):
            run("resnet18", make_settings("resnet18", values | change), data, validation, tmp_path / "a", FABRIC)
    assert not (tmp_path / "a").exists()


def test_balanced_frames_come_more_often(data):
    weight = np.where(data.au_present[:, 0] > 0, 3.0, 1.0)
    source = CropSource(data, stage("image"), 0, 42, 5, weight=weight)
    assert source.steps_per_epoch == int(weight.sum()) // 8
    shown = torch.cat([source.batch(step).au_present[:, 0] for step in range(source.steps_per_epoch)])
    assert shown.mean() > 1.4 * data.au_present[:, 0].mean()
