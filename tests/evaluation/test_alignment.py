"""Table V of EAC-Net: one network, trained on faces as they are, tested on the same frames in both ways."""

import dataclasses

import pandas as pd
import pytest
import torch
from official_trees import drawn_clip
from typer.testing import CliRunner

from actionunits.aus import DATASET_AUS
from actionunits.cli import app
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.layouts import find_layout
from actionunits.errors import UserError
from actionunits.evaluation import alignment, plan
from actionunits.evaluation.plan import published_row
from actionunits.evaluation.published import table
from actionunits.evaluation.reproduction import planned, reproduce
from actionunits.evaluation.result_rows import Request
from actionunits.synth.layouts import bp4d

TINY = "image_size: 32\nwidth: 2\nbatch_size: 16\nepochs: 1\nlr: 3.0e-3\noptimizer: adamw\nema_decay: 0.9\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same six people, as they are and registered."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("official") / "BP4D"
    for subject in range(6):
        bp4d.write_clip(root, drawn_clip(subject, 0, 8, DATASET_AUS["bp4d"]))
    out = tmp_path_factory.mktemp("prepared")
    inventory = find_layout("bp4d").read(root)
    for align in (False, True):
        prepare(inventory, out / str(align), image_size=32, workers=1, align=align)
    return out / "False", out / "True"


@pytest.fixture
def request_of(folders, tmp_path, monkeypatch):
    (tmp_path / "resnet18_small.yaml").write_text(TINY)
    monkeypatch.setattr(plan, "CONFIGS", tmp_path)
    plain, upright = folders
    return Request((plain,), tmp_path / "out", registered=(upright,), models=("resnet18",), scale="small", folds="2")


def test_one_network_reads_the_same_frames_as_they_are_and_registered(request_of, monkeypatch):
    monkeypatch.setattr(alignment, "FRAMES", 30)
    found = reproduce("eacnet-table5", request_of)
    assert [item.rows["scale"].iloc[0] for item in found] == ["small, tested=as-they-are", "small, tested=registered"]
    averages = [item.rows[(item.rows["fold"] == "mean") & (item.rows["au"] == "average")].iloc[0] for item in found]
    assert [row["frames"] for row in averages] == [30, 30] and averages[0]["base_rate"] == averages[1]["base_rate"]
    assert averages[0]["auc"] != averages[1]["auc"]
    assert sorted(path.name for path in (request_of.out / "resnet18").glob("fold-*")) == ["fold-1", "fold-2"]
    assert len(pd.read_csv(request_of.out / "results.csv")["run"].unique()) == 2


def test_each_way_stands_beside_its_own_row():
    published = table("eacnet-table5")
    for scale, average in (("paper, tested=registered", 43.6), ("paper, tested=as-they-are", 44.8)):
        assert published_row(published, "f1", "eacnet:enet", "folds-3", "", scale).average == average


def test_both_ways_are_needed_and_only_there(request_of, folders):
    for changed in ({"registered": ()}, {"data": (folders[1],)}):
        with pytest.raises(UserError, match=r"prepared with --no-align as --data, and the same data .* --registered"):
            planned("eacnet-table5", dataclasses.replace(request_of, **changed))
    with pytest.raises(UserError, match="tests faces in one way; leave out --registered"):
        planned("eacnet-table3", request_of)


def test_the_plan_of_a_table_is_shown_without_training(folders, tmp_path):
    words = ["reproduce", "renet-table8", "--data", str(folders[1]), "--dry-run", "--out", str(tmp_path / "out")]
    words += ["--set", "image_size=32", "--set", "width=4", "--folds", "2", "--seeds", "0,1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    shown = result.output
    assert "resnet18, balance=duplicate, balance_aus=[1,2,15,23,24], seed=1: ResNet18, with DA, folds-3" in shown
    assert (
        "folds, 2 folds with seed 0" in shown
        and "fold 2: 2 people to train (16 frames), 1 to tune, 3 people" in shown
    )
    assert "settings of renet_bp4d.yaml:" in shown and "lr: 0.0001  (Sec. 4.3)" in shown
    assert "clip_norm: 0.0  (none in the paper)" in shown and "min of one GPU" in shown
    assert not (tmp_path / "out").exists()
