"""Flow of two frames kept beside a data set: right for every row, computed once, changed with its pictures."""

import numpy as np
import pytest
import torch
from drawn_recordings import drawn_recording, inventory

import actionunits.datasets.crops.stored_flow as stored_flow
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.sampling.augment import AugmentConfig, augment, center_crop
from actionunits.models.batch import Batch
from actionunits.models.ofnet.loss import warp
from actionunits.models.ofnet.two_frame import two_frame_flow

SIZE = 73
INPUTS = ("image", "anchor", "flow")


@pytest.fixture
def folders(tmp_path):
    made = []
    for k, people in enumerate((("F001", "F002"), ("M001",))):
        drawn = [drawn_recording(tmp_path / "pictures", person, frames=5 + k, seed=k) for person in people]
        made.append(prepare(inventory(*drawn), tmp_path / f"made{k}", image_size=64, workers=1).folder)
    return made


@pytest.mark.parametrize("every", [1, 2])
def test_every_row_has_the_flow_to_its_own_anchor(folders, every):
    data = load_data(folders, SIZE, flow="dis", every=every)
    rows = np.random.default_rng(0).permutation(len(data))
    batch = data.subset(rows).batch(slice(None), inputs=INPUTS)
    expected = two_frame_flow("dis", batch.image, batch.anchor)
    assert expected.abs().max() > 0.5
    torch.testing.assert_close(batch.flow, expected, rtol=1e-3, atol=1e-3)


def test_flow_is_computed_once_and_again_for_other_crops(folders, monkeypatch):
    calls = []

    def counted(method, image, anchor):
        calls.append(len(image))
        return torch.zeros(len(image), 2, *image.shape[2:])

    monkeypatch.setattr(stored_flow, "two_frame_flow", counted)
    steps = []
    for settings, computed in (({"flow": "dis"}, 5 + 5 + 6), ({"flow": "dis"}, 0), ({"flow": "tvl1"}, 16)):
        load_data(folders, SIZE, workers=1, **settings)
        steps.append(sum(calls) == computed)
        calls.clear()
    load_data(folders, SIZE - 9, flow="dis", workers=1)
    assert all(steps) and sum(calls) == 16


def test_data_that_nobody_wants_flow_of_has_none(folders):
    data = load_data(folders, SIZE)
    assert data.flow is None and data.batch([0], inputs=INPUTS).flow is None


def waves(size, rows):
    y, x = np.mgrid[:size, :size] / size
    value = [0.5 + 0.2 * np.sin(9 * x + k) * np.cos(8 * y) + 0.2 * np.cos(5 * (x + y) - k) for k in range(rows)]
    return torch.from_numpy(np.stack(value)[:, None].repeat(3, 1)).float()


@pytest.mark.parametrize("size", [64, 112])
def test_a_changed_flow_leads_from_the_changed_image_to_the_changed_anchor(size):
    stored, rows = round(size * 8 / 7), 12
    anchor = waves(stored, rows)
    flow = torch.stack([3 + 2 * waves(stored, rows)[:, 0], -4 * waves(stored, rows)[:, 1]], 1)
    batch = Batch(warp(anchor, flow)[0], anchor=anchor, flow=flow)
    still = dict.fromkeys(
        ("brightness", "contrast", "saturation", "gamma", "grey", "blur", "noise", "low_resolution", "erase"), 0.0
    )
    config = AugmentConfig(shift=0.05, rotation_deg=40, zoom=0.3, flip=0.5, **still)
    for changed in (center_crop(batch, size), augment(batch, size, torch.Generator().manual_seed(0), config)):
        warped, inside = warp(changed.anchor, changed.flow)
        inside[..., : size // 5], inside[..., -size // 5 :] = False, False  # beyond the border pixels are repeated
        inside[..., : size // 5, :], inside[..., -size // 5 :, :] = False, False
        error = ((warped - changed.image).abs() * inside).amax()
        moved = ((changed.anchor - changed.image).abs() * inside).amax()
        assert error < 0.01 and moved > 0.05
    alone = Batch(torch.zeros(rows, 3, 0, 0), flow=flow)
    again = augment(alone, size, torch.Generator().manual_seed(0), config)
    torch.testing.assert_close(again.flow, changed.flow)
