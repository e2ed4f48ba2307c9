"""From an official tree to a prepared folder and its description, by the commands that people type."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from drawn_recordings import drawn_recording, inventory
from official_trees import drawn_clip
from typer.testing import CliRunner

from actionunits.aus import DATASET_AUS
from actionunits.cli import app, main
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.readers.layouts import LAYOUTS, find_layout
from actionunits.datasets.sampling.folds import PUBLISHED_FOLDS
from actionunits.errors import UserError
from actionunits.synth.layouts import bp4d


@pytest.fixture(scope="module")
def bp4d_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("official") / "BP4D"
    for subject in range(2):
        bp4d.write_clip(root, drawn_clip(subject, 0, 6, DATASET_AUS["bp4d"], size=160))
    return root


def test_layouts_name_their_folds_and_cost_nothing_to_list():
    assert set(LAYOUTS) == {"bp4d", "bp4d+", "disfa", "gft", "voxceleb", "videos"}
    assert {layout.folds for layout in LAYOUTS.values()} - {None} <= set(PUBLISHED_FOLDS)
    code = "import sys, actionunits.datasets.readers.layouts\n"
    code += "sys.exit(any('bp4d' in m or 'disfa' in m for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(UserError, match=r"unknown layout 'ck\+'; known are bp4d, bp4d\+, disfa"):
        find_layout("ck+")


def test_an_option_of_another_layout_is_refused(bp4d_tree):
    with pytest.raises(UserError, match="this layout has no --camera"):
        find_layout("BP4D").read(bp4d_tree, camera="left")


def test_landmarks_are_required_only_where_there_are_any(bp4d_tree, tmp_path):
    assert find_layout("bp4d").read(bp4d_tree).counts[-1].published == 146_576
    assert find_layout("bp4d").read(bp4d_tree, "find").counts[-1].published == 146_847
    bare = tmp_path / "BP4D"
    for part in ("AUCoding", "F001", "F002"):
        (bare / part).parent.mkdir(exist_ok=True)
        (bare / part).symlink_to(bp4d_tree / part)
    assert find_layout("bp4d").read(bare).counts[-1].published == 146_847
    with pytest.raises(UserError, match="2DFeatures"):
        find_layout("bp4d").read(bare, "read")


def test_the_commands_lead_from_an_official_tree_to_its_description(bp4d_tree, tmp_path):
    out = tmp_path / "prepared"
    wide = {"COLUMNS": "160", "TERM": "dumb"}
    run = CliRunner().invoke(app, ["prepare", "bp4d", str(bp4d_tree), "--out", str(out), "--workers", "1"], env=wide)
    assert run.exit_code == 0, run.output
    words = " ".join(run.output.split())
    assert "146,576" in words and "12 frames, landmarks read; 0 lost" in words
    data = load_data(out, 128)
    assert data.aus == DATASET_AUS["bp4d"] and len(data) == 12 and data.subjects[0].startswith("bp4d/F")
    expected = drawn_clip(0, 0, 6, DATASET_AUS["bp4d"], size=160)
    present = expected.au_intensity.round(2) >= 1
    np.testing.assert_array_equal(data.au_present[:6], present)
    eyes = (data.images[3][40:52, 44:84].mean(-1) < 60).mean()  # pupils lie on the registered eye line
    assert eyes > 0.02
    run = CliRunner().invoke(app, ["data", "describe", str(out), "--out", str(tmp_path / "pictures")], env=wide)
    assert run.exit_code == 0, run.output
    assert "12 frames, 2 people, 2 sequences" in run.output and (tmp_path / "pictures" / "relations.png").is_file()
    assert pd.read_csv(out / "lost.csv").empty and json.loads((out / "dataset.json").read_text())["lost"] == 0


PREPARE = """
import sys
from pathlib import Path
from actionunits.datasets.readers.layouts import find_layout
from actionunits.datasets.crops.prepare import prepare
from actionunits.runtime.processes import hear_sigterm_as_ctrl_c
if __name__ == "__main__":
    def tell(done, total):
        print(done, flush=True)
    hear_sigterm_as_ctrl_c()
    try:
        prepare(find_layout("bp4d").read(Path(sys.argv[1])), sys.argv[2], workers=2, on_progress=tell)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_process_and_goes_on(tmp_path, sign):
    root, out = tmp_path / "BP4D", tmp_path / "out"
    for subject in range(8):
        bp4d.write_clip(root, drawn_clip(subject, 0, 60, DATASET_AUS["bp4d"], size=700))
    (tmp_path / "run.py").write_text(PREPARE)
    command = [sys.executable, str(tmp_path / "run.py"), str(root), str(out)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    for line in run.stdout:
        if int(line) >= 200:
            break
    os.killpg(run.pid, sign) if sign != signal.SIGKILL else run.kill()
    _, errors = run.communicate(timeout=60)
    if sign != signal.SIGKILL:
        assert run.returncode == 130 and "Traceback" not in errors
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a worker outlived the run")
    assert not (out / "dataset.json").exists()
    before = {p.name: p.stat().st_mtime_ns for p in (out / "crops").glob("*.npy")}
    result = prepare(find_layout("bp4d").read(root), out, workers=1)
    assert result.frames == 480
    done_before = [p for p in (out / "crops").glob("*.npy") if before.get(p.name) == p.stat().st_mtime_ns]
    assert done_before
    assert not (out / ".parts").exists()


def test_frames_of_a_killed_process_are_made_again(tmp_path):
    # Killed between the crops and their part of the table: the crops alone do not count as done.
    recording = drawn_recording(tmp_path / "in")
    whole = prepare(inventory(recording), tmp_path / "whole", workers=1).folder
    out = prepare(inventory(recording), tmp_path / "out", workers=1).folder
    card = json.loads((out / "dataset.json").read_text())
    (out / ".parts").mkdir()
    (out / ".parts" / "plan.json").write_text(json.dumps(card))
    for name in ("dataset.json", "frames.parquet", "lost.csv"):
        (out / name).unlink()
    (out / "crops" / "F001_T1.npy").write_bytes(b"half")
    prepare(inventory(recording), out, workers=1)
    np.testing.assert_array_equal(np.load(out / "crops/F001_T1.npy"), np.load(whole / "crops/F001_T1.npy"))


def test_a_run_that_ctrl_c_ends_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    bp4d.write_clip(tmp_path / "in", drawn_clip(0, 0, 3, DATASET_AUS["bp4d"]))
    monkeypatch.setattr("actionunits.datasets.crops.prepare.prepare", interrupted)
    words = ["actionunits", "prepare", "bp4d", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "actionunits: interrupted; the same command goes on where it stopped\n"


def test_folders_name_people_where_the_user_says_so(mini_dir, tmp_path):
    clips = sorted((mini_dir / "studio" / "clips").glob("S0-0000_T*.mp4"))
    for number, clip in enumerate(clips[:2]):
        person = tmp_path / "videos" / "anna"
        person.mkdir(parents=True, exist_ok=True)
        (person / f"day{number}.mp4").write_bytes(clip.read_bytes())
    given = ["prepare", "videos", str(tmp_path / "videos"), "--workers", "1", "--fps", "1"]
    for out, options in (("each", []), ("named", ["--subject-level", "1"])):
        result = CliRunner().invoke(app, [*given, "--out", str(tmp_path / out), *options])
        assert result.exit_code == 0, result.output
    assert set(pd.read_parquet(tmp_path / "each" / "frames.parquet")["subject"]) == {"anna-day0", "anna-day1"}
    assert set(pd.read_parquet(tmp_path / "named" / "frames.parquet")["subject"]) == {"anna"}
