"""Commands that show or learn flow: what they write, and one line with exit code 2 for what they cannot use."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_recordings import drawn_recording, inventory
from PIL import Image
from staged_faces import StagedFinder, picture, write_video

import actionunits.detection.detector as detect_module
import actionunits.reports.flow_grid as flow_grid_module
from actionunits.cli import main
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.prepare import prepare
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.ofnet.two_frame import has_tvl1
from actionunits.training.checkpoint import save_checkpoint
from actionunits.training.validation import predict_crops

AUS = (1, 4, 12)


def weights(path, **settings):
    torch.manual_seed(0)
    config = find_model("ofnet").config(image_size=64, width=4, **settings)
    save_checkpoint(path, find_model("ofnet").model(config, AUS), {})
    return path


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs `actionunits` with staged faces in an empty folder; gives exit code, stdout and stderr."""
    for module in (detect_module, flow_grid_module):
        monkeypatch.setattr(module, "FaceFinder", StagedFinder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        monkeypatch.setattr("sys.argv", ["actionunits", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


def assert_refused(result, *parts):
    """The command ended with one line and exit code 2."""
    code, _, err = result
    assert code == 2 and err.startswith("actionunits: ") and err.count("\n") == 1, err
    for part in parts:
        assert part in err


def test_show_flow_draws_it_into_the_annotated_picture(run, tmp_path):
    Image.fromarray(picture(1)).save("photo.png")
    learned = weights(tmp_path / "of.safetensors")
    drawn = {}
    for name, words in {"plain": ["--annotate"], "flow": ["--show", "flow"]}.items():
        code, _, err = run("detect", "photo.png", "--weights", learned, "--model", "ofnet", "-o", name, *words)
        assert (code, err) == (0, "")
        drawn[name] = np.asarray(Image.open(f"{name}/photo.annotated.png")).astype(int)
    assert drawn["plain"].shape == drawn["flow"].shape
    # Nearly white where an untrained network sees no motion, which the dark panel has nowhere.
    brighter = (drawn["flow"].min(2) > 200) & (drawn["plain"].max(2) < 200)
    assert brighter.sum() > 1000
    table = {name: pd.read_csv(f"{name}/photo.csv") for name in drawn}
    pd.testing.assert_frame_equal(table["plain"], table["flow"])


def test_flow_of_a_video_survives_calibration_and_smoothing(run, tmp_path):
    write_video("clip.mp4", [1] * 12, fps=10)
    learned = weights(tmp_path / "of.safetensors")
    for name, words in {"a": ["--annotate"], "b": ["--show", "flow"]}.items():
        arguments = ("clip.mp4", "--weights", learned, "--smooth", "0.2", "-o", name, *words)
        assert run("detect", *arguments)[0] == 0
    assert (tmp_path / "b/clip.annotated.mp4").read_bytes() != (tmp_path / "a/clip.annotated.mp4").read_bytes()


def test_only_flow_can_be_shown_and_only_by_a_model_that_estimates_it(run, tmp_path, tiny_weights):
    Image.fromarray(picture(1)).save("photo.png")
    assert_refused(run("detect", "photo.png", "--weights", tiny_weights, "--show", "flow"), "resnet18", "no flow")
    assert_refused(run("detect", "photo.png", "--weights", tiny_weights, "--show", "motion"), "--show motion")
    two = weights(tmp_path / "dis.safetensors", variant="dis")
    assert_refused(run("detect", "photo.png", "--weights", two), "two frames")


def test_report_flow_draws_the_most_moved_frames_of_a_clip(run, tmp_path):
    write_video("clip.mp4", [0, 1, 1, 1, 0, 1, 1, 1], fps=10)
    learned = weights(tmp_path / "of.safetensors")
    code, out, err = run("report", "flow", "clip.mp4", "--model", learned, "-o", "grid.png", "--frames", "2")
    assert code == 0 and "grid.png" in out and (err == "" or (not has_tvl1() and "no TV-L1 flow" in err))
    assert Image.open("grid.png").size == ((4 + has_tvl1()) * 172 + 12, Image.open("grid.png").height)
    crops = flow_grid_module.choose_crops("clip.mp4", 64, 2)
    assert len(crops.frames) == 2 and crops.frames[0] in (3, 4) and crops.frames[1] in (6, 7, 8)
    later = flow_grid_module.choose_crops("clip.mp4", 64, 2, anchor=6)
    assert not np.array_equal(later.anchor, crops.anchor) and 6 not in later.frames


def test_report_flow_refuses_clips_without_motion(run, tmp_path, tiny_weights):
    learned = weights(tmp_path / "of.safetensors")
    write_video("one.mp4", [1], fps=10)
    write_video("none.mp4", [0, 0], fps=10)
    write_video("two.mp4", [0, 1, 1], fps=10)
    flow = ("--weights", learned, "-o", "grid.png")
    assert_refused(run("report", "flow", "one.mp4", *flow), "one.mp4", "motion needs two frames")
    assert_refused(run("report", "flow", "none.mp4", *flow), "no face found")
    assert_refused(run("report", "flow", "two.mp4", *flow, "--anchor", "1"), "no face in frame 1")
    assert_refused(run("report", "flow", "two.mp4", "--weights", tiny_weights, "-o", "grid.png"), "estimates no flow")
    assert_refused(run("report", "flow", "two.mp4", "--weights", learned, "-o", "grid.txt"), "grid.txt")


# Training data


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """Two prepared folders, of two people each, to train and to validate on."""
    folder, made = tmp_path_factory.mktemp("pictures"), []
    for people in (("F001", "F002"), ("M001", "M002")):
        drawn = [drawn_recording(folder, person, frames=12, seed=k) for k, person in enumerate(people)]
        made.append(prepare(inventory(*drawn), tmp_path_factory.mktemp("made") / people[0], image_size=64, workers=1))
    return [one.folder for one in made]


SMALL = "image_size=64 width=4 batch_size=4 epochs=2 warmup_epochs=1 optimizer=adam".split()


def train(run, data, valid, *settings):
    words = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    return run("train", "ofnet", "--data", data, "--valid", valid, "--out", "run", *words)


@pytest.mark.parametrize("variant", ["joint", "separate", "dis"])
def test_sequences_train_a_model_that_evaluates(run, sequences, variant):
    code, _, err = train(run, *sequences, f"variant={variant}")
    assert code == 0, err
    assert run("evaluate", "run/model.safetensors", "--data", sequences[0])[0] == 2  # people that it knows


def changed(sequences, tmp_path, **columns):
    folder = shutil.copytree(sequences[0], tmp_path / "changed")
    table = pd.read_parquet(folder / "frames.parquet")
    table.assign(**columns).to_parquet(folder / "frames.parquet")
    return folder


def test_a_sequence_without_its_anchor_is_refused(run, sequences, tmp_path):
    assert_refused(
        train(run, changed(sequences, tmp_path, anchor=7), sequences[1]), "the anchor of crops/F001_T1.npy is none"
    )


def test_a_sequence_of_several_people_is_refused(run, sequences, tmp_path):
    folder = changed(sequences, tmp_path, subject=lambda t: np.where(t["row"] < 5, "F001", "F002"))
    assert_refused(train(run, folder, sequences[1]), "crops/F001_T1.npy holds frames of F001, F002", "one person")


def test_crops_of_another_size_than_the_others_are_refused(run, sequences, tmp_path):
    folder = changed(sequences, tmp_path)
    np.save(folder / "crops/F002_T1.npy", np.zeros((12, 40, 40, 3), np.uint8))
    assert_refused(train(run, folder, sequences[1]), "F002_T1.npy", "does not hold 12 rows of (73, 73, 3)")


def test_clips_of_one_frame_are_refused(run, sequences):
    assert_refused(train(run, *sequences, "every=12"), "every training sequence has one frame")


def test_data_without_the_flow_that_a_model_reads_is_refused(sequences):
    data = load_data(sequences[0], 73)
    model = find_model("ofnet").model(find_model("ofnet").config(image_size=64, width=4, variant="dis"), data.aus)
    with pytest.raises(UserError, match="reads flow of two frames"):
        predict_crops(model.eval(), data, 64)
