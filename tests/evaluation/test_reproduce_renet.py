"""RE-Net's tables in one command: fixed and learned relations, an action unit left out, rare ones shown twice."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_faces import write_drawn_dataset
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.evaluation import plan
from actionunits.models import find_model
from actionunits.training.checkpoint import save_checkpoint
from actionunits.weights.checkpoint_file import read_header

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


def test_table_7_has_fixed_and_learned_relations_and_teaches_a_student(data, tmp_path, monkeypatch):
    for model in ("renet", "resnet18"):
        (tmp_path / f"{model}_small.yaml").write_text("\n".join(f"{name}: {value}" for name, value in TINY.items()))
    monkeypatch.setattr(plan, "CONFIGS", tmp_path)
    out = tmp_path / "out"
    shown = command("reproduce", "renet-table7", "--data", data, "--scale", "small", "--folds", 2, "--out", out)
    assert "65.5" in shown and "63.7" in shown
    rows = pd.read_csv(out / "results.csv")
    assert set(rows["model"]) == {"renet", "renet:learnable", "resnet18"}
    fixed, learned = (
        read_header(out / name / "fold-1" / "model.safetensors") for name in ("renet", "renet-learnable")
    )
    assert (fixed["config"]["variant"], learned["config"]["variant"]) == ("fixed", "learnable")
    assert "level" not in shown
    taught = tmp_path / "taught"
    words = ["reproduce", "renet-table7", "--data", data, "--scale", "small", "--folds", 2, "--model", "resnet18"]
    shown = command(*words, "--teacher", out / "renet", "--out", taught)
    assert "taught by renet" in shown
    for fold in ("fold-1", "fold-2"):
        student, teacher = (
            read_header(where / fold / "model.safetensors") for where in (taught / "resnet18", out / "renet")
        )
        assert student["data"]["taught_by"]["sha256"] == teacher["sha256"]
    assert len(fixed["config"]["relations"]) == len(fixed["aus"]) ** 2 and learned["config"]["relations"] == []


def test_table_4_from_other_peoples_weights_scores_both_readings_of_the_levels(data, tmp_path, monkeypatch):
    (tmp_path / "renet_small.yaml").write_text("\n".join(f"{name}: {value}" for name, value in TINY.items()))
    monkeypatch.setattr(plan, "CONFIGS", tmp_path)
    torch.manual_seed(0)
    body = tmp_path / "body.safetensors"
    source = find_model("resnet18").model(find_model("resnet18").config(image_size=32, width=2), (1, 12))
    save_checkpoint(body, source, {"data": {"names": ["others"], "training_subjects": ["others/S1"]}})
    words = ["reproduce", "renet-table4", "--data", data, "--scale", "small", "--folds", 2, "--init", body]
    shown = command(*words, "--set", "relation_sum=absolute", "--out", tmp_path / "out")
    settings = "relation_sum=absolute, from body"
    settings = f"tasks=intensity, {settings}"
    assert f"small, {settings}" in shown and f"settings: {settings}" in shown
    average = pd.read_csv(tmp_path / "out" / "results.csv").query("fold == 'mean' and au == 'average'").iloc[0]
    assert average[["icc", "icc_level", "mae", "mae_level"]].notna().all()
    assert f"{average['mae_level']:.2f}" in (tmp_path / "out" / "renet-table4.md").read_text()
    header = read_header(tmp_path / "out" / "renet" / "fold-1" / "model.safetensors")
    assert "others/S1" in header["data"]["training_subjects"] and header["config"]["relation_sum"] == "absolute"


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
