"""The benchmark of GPUs runs through on a processor, in small sizes."""

from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_all_of_it_is_measured(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    torch.set_num_threads(1)
    table = gpu.measure("cpu", gpu.SMALL)
    assert (table["value"] > 0).all() and table["value"].notna().all()
    assert set(zip(table["measured"], table["at once"], strict=True)) == {
        ("product of matrices", 64),
        ("default detector", 1),
        ("default detector", 2),
        ("RE-Net, 12 AUs", 1),
        ("RE-Net, 12 AUs", 2),
        ("training, same batch", 4),
        ("training, augmented crops", 4),
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
