"""The benchmark of GPUs runs through on a processor, in small sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from actionunits.faces.align import cut_out, similarity_transform
from actionunits.faces.mean_face import template_landmarks

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FINDER = ((", one core", 1), ("", 2))
CROPS = ("cut on a core", "sampled on the device")


@pytest.mark.slow
def test_all_of_it_is_measured(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    torch.set_num_threads(1)
    table = gpu.measure("cpu", gpu.SMALL)
    assert (table["value"] > 0).all() and table["value"].notna().all()
    chain = {
        (f"{part} {faces}, {where}", 8)
        for part in ("decode", "find", "register", "predict", "detect")
        for faces in ("one face", "4 faces")
        for where in ("cores alone", "with the device")
    }
    assert set(zip(table["measured"], table["at once"], strict=True)) == chain | {
        ("product of matrices", 64),
        ("default detector", 1),
        ("default detector", 2),
        ("RE-Net, 12 AUs", 1),
        ("RE-Net, 12 AUs", 2),
        ("training, same batch", 4),
        ("training, augmented crops", 4),
        *((f"{network}{where}", count) for network in ("face mesh", "search for faces") for where, count in FINDER),
        *((f"crops {how}, of frames of {rows} rows", 1) for how in CROPS for rows in (360, 1080)),
        *((f"detect photographs of 300 pixels, {where}", 8) for where in ("cores alone", "with the device")),
    }
    named = table[table["goal"].notna()].set_index(["measured", "at once", "unit"])["goal"]
    assert named.to_dict() == {
        ("default detector", 2, "pictures per second"): 50_000,
        ("default detector", 2, "share of the arithmetic limit"): 0.5,
        ("RE-Net, 12 AUs", 2, "pictures per second"): 10_000,
        ("RE-Net, 12 AUs", 2, "share of the arithmetic limit"): 0.5,
        ("training, same batch", 4, "of bare forward and backward passes"): 0.9,
    }
    value = table.set_index(["measured", "at once", "unit"])["value"]
    for name in ("default detector", "RE-Net, 12 AUs"):
        rate, time_ms = value[name, 2, "pictures per second"], value[name, 2, "ms per picture"]
        assert rate * time_ms == pytest.approx(1000)
    quick = value["RE-Net, 12 AUs", 1, "times as fast as the paper says"]
    assert quick * value["RE-Net, 12 AUs", 1, "ms per picture"] == pytest.approx(gpu.PAPER_MS)


def test_operations_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    left, right = torch.zeros(3, 5), torch.zeros(5, 7)
    assert gpu.operations(lambda: left @ right) == 2 * 3 * 5 * 7


@pytest.mark.parametrize("face_px", [60, 400])  # wider and less wide than in the crop
def test_crops_sampled_from_frames_are_those_that_a_core_cuts(monkeypatch, astronaut, face_px):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_chain

    frames = np.stack([astronaut, astronaut[::-1]])
    angles, places = (0.2, -0.4), ((224, 130), (30, 400))  # one face lies partly outside
    matrices = []
    for angle, place in zip(angles, places, strict=True):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrices.append(similarity_transform((template_landmarks() - 0.5) @ turn * face_px + place, 112))
    found = gpu_chain.sampled(torch.from_numpy(frames), np.stack(matrices), 112).numpy().astype(int)
    expected = [cut_out(frame, matrix, 112) for frame, matrix in zip(frames, matrices, strict=True)]
    difference = np.abs(found - np.stack(expected))
    assert difference.max() <= 3 and difference.mean() < 0.3
