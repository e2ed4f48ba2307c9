from dataclasses import replace

import numpy as np
import pytest
import torch
from random_crops import random_crops

from actionunits.datasets.crops import Rows
from actionunits.errors import UserError
from actionunits.training.source import CropSource
from actionunits.types import Stage


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
    crops = random_crops(40, "S", 3)
    landmarks = np.random.default_rng(0).random((40, 68, 2)).astype(np.float32)
    landmarks[:, :17] = np.nan  # as a 49-point markup
    landmarks[30:] = np.nan
    anchor = Rows((crops.images,), np.zeros(40, np.int16), np.arange(40) % 4)
    return replace(crops, anchor=anchor, landmarks=landmarks)


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
