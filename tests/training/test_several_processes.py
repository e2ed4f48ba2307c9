"""Processes that share a training learn what one process learns, and go on when one of them was killed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("train_here.py")


def train(out, *words):
    """Exit code, losses by step, and the weights at the end, None without one."""
    out.mkdir(exist_ok=True)
    code = subprocess.run([sys.executable, PROGRAM, out, *words], timeout=500).returncode
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    end = out / "end"
    return (
        code,
        {line["step"]: line["loss"]["occurrence"] for line in lines},
        load_file(end) if end.exists() else None,
    )


@pytest.mark.slow
def test_two_processes_are_one_with_the_double_batch_and_resume_after_a_kill(tmp_path):
    _, alone, expected = train(tmp_path / "one", "1")
    code, losses, weights = train(tmp_path / "two", "2")
    assert code == 0 and list(losses) == list(alone) == [1, 2, 3, 4, 5, 6]
    assert alone[6] < alone[1]
    np.testing.assert_allclose(list(losses.values()), list(alone.values()), rtol=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)

    code, before, end = train(tmp_path / "killed", "2", "", "3")
    assert code != 0 and list(before) == [1, 2, 3] and end is None
    code, resumed, end = train(tmp_path / "killed", "2", "resume")
    assert code == 0 and resumed == losses
    assert all(torch.equal(value, weights[name]) for name, value in end.items())
