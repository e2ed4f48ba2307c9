"""RE-Net's tables in one command: fixed and learned relations, an action unit left out, rare ones shown twice."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_faces import write_drawn_dataset
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.evaluation import reproduction
from actionunits.training.checkpoint import read_header

TINY = {"image_size": 32, "width": 2, "batch_size": 16, "epochs": 1, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_drawn_dataset(folder, subjects=6, frames=24)
    return folder


def command(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "150"})
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_table_7_has_fixed_and_learned_relations(data, tmp_path, monkeypatch):
    (tmp_path / "renet_small.yaml").write_text("\n".join(f"{name}: {value}" for name, value in TINY.items()))
    monkeypatch.setattr(reproduction, "CONFIGS", tmp_path)
    out = tmp_path / "out"
    shown = command("reproduce", "renet-table7", "--data", data, "--scale", "small", "--folds", 2, "--out", out)
    assert "65.5" in shown and "63.7" in shown
    rows = pd.read_csv(out / "results.csv")
    assert set(rows["model"]) == {"renet", "renet:learnable"}
    fixed, learned = (
        read_header(out / name / "fold-1" / "model.safetensors") for name in ("renet", "renet-learnable")
    )
    assert (fixed["config"]["variant"], learned["config"]["variant"]) == ("fixed", "learnable")
    assert len(fixed["config"]["relations"]) == len(fixed["aus"]) ** 2 and learned["config"]["relations"] == []


def test_tables_6_and_8_are_settings_of_crossval(data, tmp_path):
    tiny = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    for words in (
        ("unseen_aus=[23,24]", "relation_sum=absolute"),
        ("balance=duplicate", "relation_sum=absolute", "balance_aus=[1,2,15,23,24]"),
    ):
        out = tmp_path / words[0][:6]
        given = [word for assignment in words for word in ("--set", assignment)]
        command("crossval", "renet", "--data", data, "--folds", 2, "--out", out, *tiny, *given)
        rows = pd.read_csv(out / "results.csv").query("fold == 'mean'").set_index("au")
        assert np.isfinite(rows.loc[["AU23", "AU24", "average"], "auc"]).all()
