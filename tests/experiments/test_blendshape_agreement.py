"""Agreement with blendshapes over a folder of clips, on made-up tables."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

from actionunits.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    """The module, which lies beside its scripts."""
    monkeypatch.syspath_prepend(ROOT / "experiments" / "resnet18")
    return importlib.import_module("blendshape_agreement")


def test_every_clip_of_a_folder_is_compared_with_the_table_of_its_name(script, monkeypatch, tmp_path):
    clips, tables = tmp_path / "clips", tmp_path / "tables"
    clips.mkdir()
    tables.mkdir()
    for name, r in (("b", 0.5), ("a", 0.25)):
        (clips / f"{name}.mp4").touch()
        pd.DataFrame({"r": [r]}).to_csv(tables / f"{name}.csv", index=False)
    (clips / "notes.txt").touch()
    monkeypatch.setattr(script, "read_blendshapes", lambda video: video.stem)
    monkeypatch.setattr(script, "agreement", lambda table, reading: table.assign(read=reading))
    found = script.agreement_of(tables, clips)
    assert found[["clip", "read", "r"]].values.tolist() == [["a", "a", 0.25], ["b", "b", 0.5]]


def test_a_folder_without_videos_is_refused(script, tmp_path):
    with pytest.raises(UserError, match="has no videos"):
        script.agreement_of(tmp_path, tmp_path)
