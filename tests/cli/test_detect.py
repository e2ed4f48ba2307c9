import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from staged_faces import StagedFinder, picture, write_video
from typer.testing import CliRunner

import actionunits.detection.detector as detect_module
from actionunits import __version__
from actionunits.aus import SYNTH_AUS, au_label
from actionunits.cli import app, main
from actionunits.detection.calibration import logit_of
from actionunits.detection.neutral import parse_neutral
from actionunits.detection.output_files import output_paths
from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.reports.tables import read_table
from actionunits.scores import resting


@pytest.fixture
def signal_at(monkeypatch):
    """Makes the program get a signal when it looks for the faces of a frame."""

    def staged(index, sign=signal.SIGINT):
        find = StagedFinder.__call__

        def interrupting(self, frame):
            if frame.index == index:
                os.kill(os.getpid(), sign)
            return find(self, frame)

        monkeypatch.setattr(StagedFinder, "__call__", interrupting)

    return staged


@pytest.fixture
def run(monkeypatch, tiny_weights, tmp_path, capsys):
    """Runs `actionunits detect` with staged faces in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    monkeypatch.chdir(tmp_path)
    # As wide as a window: file names are not broken.
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments, weights=tiny_weights):
        words = ["actionunits", "detect", *map(str, arguments)]
        monkeypatch.setattr("sys.argv", words if weights is None else [*words, "--weights", str(weights)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


OF_ALL = ["episodes.csv", "summary.csv", "summary.wide.csv"]


def write_photo(name, faces):
    Image.fromarray(picture(faces)).save(name)


def files():
    """Names in the folder, less the inputs that tests write."""
    return sorted(path for path in os.listdir() if not path.endswith((".mp4", ".png", ".jpg")) or ".a" in path)


def test_a_photo_gives_a_table_a_run_card_and_something_to_read(run):
    write_photo("photo.png", 2)
    code, out, err = run("photo.png", "--annotate")
    assert (code, err) == (0, "")
    assert files() == ["photo.annotated.png", "photo.csv", "photo.run.json"]
    table = pd.read_csv("photo.csv")
    assert table["face"].tolist() == [0, 1] and table.columns[1] == "confidence"
    present = [au for au in SYNTH_AUS if table[f"{au_label(au)}_c"].any()]
    assert present and all(au_label(au) in out for au in present) and "photo.csv" in out
    assert not any(au_label(au) in out for au in SYNTH_AUS if au not in present)
    # Small pictures are enlarged so that the drawing can be read.
    assert Image.open("photo.annotated.png").size >= (200, 120)


def test_a_video_gives_all_its_outputs_and_accounts_for_every_frame(run):
    counts = [1, 1, 0, 2, 2, 1, 0, 1, 1, 1]
    write_video("clip.mp4", counts)
    code, out, _ = run("clip.mp4", "--annotate", "--timeline", "--out", "results")
    assert code == 0
    made = ["clip.annotated.mp4", "clip.csv", "clip.run.json", "clip.timeline.png"]
    assert sorted(os.listdir("results")) == made
    table = pd.read_csv("results/clip.csv")
    assert table.groupby("frame")["success"].sum().tolist() == counts
    card = json.loads(Path("results/clip.run.json").read_text())
    assert card["frames_decoded"] == card["frames_written"] == 10 and card["rows_written"] == len(table) == 12
    assert (card["frames_with_face"], card["people"], card["damage"]) == (8, 2, None)
    assert card["model"] == "resnet18" and len(card["weights_sha256"]) == len(card["input_files"]["sha256"]) == 64
    assert card["thresholds"]["AU01"] == 0.3 and card["options"]["schema"] == "openface"
    with open_media("clip.mp4") as source, open_media("results/clip.annotated.mp4") as drawn:
        assert [f.time_s for f in drawn] == pytest.approx([f.time_s for f in source], abs=1e-3)
    assert "10 frames, 8 with a face, 2 people" in out


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_timelines_are_vectors_on_request_and_the_same_each_time(run, kind):
    write_video("clip.mp4", [1, 1, 0])
    for out in ("a", "b"):
        assert run("clip.mp4", "--timeline", "--timeline-format", kind, "-o", out)[0] == 0
    first, second = (Path(out, f"clip.timeline.{kind}").read_bytes() for out in ("a", "b"))
    assert first == second and first.startswith({"svg": b"<?xml", "pdf": b"%PDF"}[kind])
    assert run("clip.mp4", "--timeline", "--timeline-format", "gif")[0] == 2


def test_no_face_at_all_is_a_result_not_an_error(run):
    write_video("empty.mp4", [0, 0, 0])
    code, out, _ = run("empty.mp4", "--timeline", "--annotate")
    assert code == 0 and "no face found" in out
    assert pd.read_csv("empty.csv")["success"].tolist() == [0, 0, 0]


def test_schemas_columns_and_formats(run):
    write_video("clip.mp4", [1, 0])
    assert run("clip.mp4", "--schema", "tidy", "--aus", "AU12,4", "-o", "t.parquet")[0] == 0
    assert read_table("t.parquet")["au"].tolist()[:2] == ["AU04", "AU12"]
    assert run("clip.mp4", "--schema", "pyfeat", "--format", "parquet", "--no-landmarks", "--timeline")[0] == 0
    assert {"FaceRectX", "AU26"} < set(read_table("clip.parquet")) and os.path.exists("clip.timeline.png")
    assert run("clip.mp4", "--no-pose", "--no-landmarks", "--aus", "12")[0] == 0
    assert list(pd.read_csv("clip.csv").columns[5:]) == ["AU12_r", "AU12_c", "AU12_p", "usable", "quality"]
    assert run("clip.mp4", "--eyes-closed", "--annotate", "--timeline", "--schema", "pyfeat", "-o", "p.csv")[0] == 0
    assert {"AU43", "AU45"} < set(pd.read_csv("p.csv"))
    assert run("clip.mp4", "--eyes-closed", "--aus", "12")[0] == 2


def test_a_folder_is_one_table_and_with_fps_one_sequence(run):
    os.mkdir("shots")
    for k, n in enumerate([1, 0, 2]):
        write_photo(f"shots/{k}.png", n)
    assert run("shots", "--annotate")[0] == 0
    table = pd.read_csv("shots.csv")
    assert table["frame"].tolist() == [1, 2, 3, 3] and table["input"][3] == "shots/2.png"
    assert sorted(os.listdir("shots.annotated")) == ["0.png", "1.png", "2.png"]
    assert json.loads(Path("shots.run.json").read_text())["people"] is None
    assert run("shots", "--fps", "10", "--timeline", "--annotate", "-o", "seq")[0] == 0
    table = pd.read_csv("seq/shots.csv")
    assert table["timestamp"].tolist() == [0, 0.1, 0.2, 0.2] and "input" not in table
    assert os.path.exists("seq/shots.annotated.mp4") and os.path.exists("seq/shots.timeline.png")


def test_a_damaged_video_gives_its_rows_and_exit_code_3(run):
    write_video("clip.mp4", [1] * 60)
    content = Path("clip.mp4").read_bytes()
    Path("cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    code, _, err = run("cut.mp4", "--annotate")
    rows = len(pd.read_csv("cut.csv"))
    assert code == 3 and 0 < rows < 60
    assert err.count("\n") == 1 and f"{rows} frames" in err and "cut.csv" in err
    card = json.loads(Path("cut.run.json").read_text())
    assert card["frames_written"] == rows and "damaged after" in card["damage"]
    with open_media("cut.annotated.mp4") as drawn:
        assert sum(1 for _ in drawn) == rows


def bad_inputs():
    return {
        "missing.mp4": (None, "no such file"),
        "empty.jpg": (b"", "empty"),
        "empty.mp4": (b"", "empty"),
        "text.jpg": (b"this is no picture", "not a picture"),
        "text.mp4": (b"this is no video", "not a video"),
    }


@pytest.mark.parametrize("name", bad_inputs())
def test_bad_input_is_one_line_and_exit_code_2(run, name):
    content, words = bad_inputs()[name]
    if content is not None:
        Path(name).write_bytes(content)
    before = sorted(os.listdir())
    code, out, err = run(name, "--annotate")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("actionunits: ") and name in err and words in err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--aus", "1,99"], "'99' is not a known action unit"),
        (["--aus", "27"], "does not report AU27"),
        (["--schema", "spss"], "not a table schema"),
        (["--format", "xlsx"], "not a table format"),
        (["--model", "resnet19"], "not a known model"),
        (["--device", "tpu0"], "not a device"),
        (["--max-faces", "0"], "'--max-faces': Input should be greater than or equal to 1"),
        (["--smooth", "nan"], "nan is not above 0 and at most 3,600"),
        (["--min-confidence", "1.5"], "1.5 is not between 0 and 1"),
        (["--neutral", "nobody.png"], "nobody.png"),
        (["--neutral", "0"], "count from 1"),
        (["--neutral", "99"], "ends before"),
        (["--neutral", "2"], "no face in frame 2"),
        (["--neutral", "1", "--calibrate"], "exclude each other"),
        (["--landmarker", "none.task"], "none.task"),
        (["-o", "clip.mp4"], "neither a folder nor a table"),
        (["-o", "clip.mp4/results"], "cannot write"),
    ],
)
def test_unusable_options_are_one_line_and_exit_code_2(run, monkeypatch, arguments, words):
    from actionunits.faces import FaceFinder

    if "--landmarker" in arguments:
        monkeypatch.setattr(detect_module, "FaceFinder", FaceFinder)
    write_video("clip.mp4", [1, 0, 1])
    before = sorted(os.listdir())
    code, _, err = run("clip.mp4", *arguments)
    assert code == 2 and err.count("\n") == 1 and words in err
    assert sorted(os.listdir()) == before


def test_unusable_weights_are_one_line_and_exit_code_2(run, tiny_weights, tmp_path):
    write_photo("photo.png", 1)
    changed = bytearray(tiny_weights.read_bytes())
    changed[-9] ^= 4
    (tmp_path / "changed.safetensors").write_bytes(changed)
    (tmp_path / "model.pt").write_bytes(b"\x80\x04.")
    for name, words in (("changed.safetensors", "changed"), ("model.pt", "pickle"), ("gone.safetensors", "gone")):
        code, _, err = run("photo.png", weights=name)
        assert code == 2 and err.count("\n") == 1 and words in err
    assert files() == ["changed.safetensors", "model.pt"]


def test_a_full_disk_leaves_nothing_half_written(run, monkeypatch):
    write_video("clip.mp4", [1] * 30)
    Path("clip.csv").write_text("earlier")
    import actionunits.reports.tables as tables

    written = []
    write_rows = tables._CsvSink.write_rows

    def until_full(self, rows):
        written.append(rows)
        if len(written) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_rows(self, rows)

    monkeypatch.setattr(tables._CsvSink, "write_rows", until_full)
    code, _, err = run("clip.mp4", "--annotate", "--timeline")
    assert code == 2 and err.count("\n") == 1 and "disk is full" in err
    assert files() == ["clip.csv"] and Path("clip.csv").read_text() == "earlier"


def test_one_bad_input_among_several_does_not_stop_the_others(run):
    write_photo("a.png", 1)
    write_photo("c.png", 1)
    Path("b.png").write_bytes(b"text")
    code, out, err = run("a.png", "b.png", "c.png", "-q")
    assert code == 2 and out == "" and "b.png" in err and err.count("\n") == 1
    assert files() == sorted(["a.csv", "a.run.json", "c.csv", "c.run.json", "failed.csv", *OF_ALL])


@pytest.mark.parametrize(
    ("error", "told", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "there"), "there: Permission denied", 2),
        (MemoryError(), "not enough memory", 2),
        (ValueError("odd\nshape"), "ValueError: odd (unexpected; please report it", 1),
    ],
    ids=["system", "memory", "unforeseen"],
)
def test_whatever_fails_in_one_input_is_one_line_and_the_others_go_on(run, monkeypatch, error, told, code):
    for name in ("a.png", "b.png", "c.png"):
        write_photo(name, 1)
    find = StagedFinder.__call__

    def failing(self, frame):
        if frame.source == "b.png":
            raise error
        return find(self, frame)

    monkeypatch.setattr(StagedFinder, "__call__", failing)
    ended, out, err = run("a.png", "b.png", "c.png", "-q")
    assert ended == code and out == "" and told in err and err.count("\n") == 1
    assert files() == sorted(["a.csv", "a.run.json", "c.csv", "c.run.json", "failed.csv", *OF_ALL])


def test_the_traceback_of_an_unforeseen_fault_is_there_for_a_report(run, monkeypatch):
    write_photo("a.png", 1)
    monkeypatch.setattr(StagedFinder, "__call__", lambda self, frame: 1 / 0)
    monkeypatch.setenv("ACTIONUNITS_TRACEBACK", "1")
    assert "Traceback" in run("a.png", "-q")[2]


@pytest.mark.parametrize("shape", ["openface", "tidy", "pyfeat"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_of_any_bytes_are_read_and_written_as_text(run, shape, suffix):
    os.mkdir("shots")
    strange = [b"caf\xe9.png", b"[red].png", b"esc\x1b[31m.png", b"two\nlines.png"]
    for name in strange:
        write_photo(os.path.join(b"shots", name), 1)
    code, out, err = run("shots", "--schema", shape, "--format", suffix)
    assert (code, err) == (0, "") and "\x1b[31m." not in out
    table = read_table(f"shots.{suffix}")
    column = next(name for name in ("input", "source") if name in table)
    assert {"shots/caf\\xe9.png", "shots/[red].png"} < set(table[column])
    json.loads(Path("shots.run.json").read_text())


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"[red].png", b"esc\x1b[31m.png"])
def test_a_photo_of_any_name_is_told_of_in_plain_letters(run, name):
    write_photo(name, 1)
    code, out, err = run(os.fsdecode(name), "--annotate")
    assert (code, err) == (0, "") and "\x1b[31m." not in out
    assert os.path.exists(os.fsencode(Path(os.fsdecode(name)).stem) + b".annotated.png")
    missing = b"no" + name
    code, _, err = run(os.fsdecode(missing), os.fsdecode(name), "-q")
    assert code == 2 and err.count("\n") == 1 and "\x1b" not in err


def test_names_of_any_bytes_are_told_in_the_run_card(run):
    os.mkdir("shots")
    write_photo("shots/a.png", 1)
    Path(os.fsdecode(b"shots/b\xe9.png")).write_bytes(b"text")
    neutral = os.fsdecode(b"n\xe9.png")
    write_photo(neutral, 1)
    code, _, err = run("shots", "--neutral", neutral, "-q")
    card = json.loads(Path("shots.run.json").read_text())
    assert code == 3 and err.count("\n") == 1
    assert "b\\xe9.png" in card["damage"] and card["options"]["neutral"] == "n\\xe9.png"


def test_a_name_without_room_for_its_results_is_refused_before_any_work(run, monkeypatch):
    long = "v" * 248 + ".png"
    write_photo(long, 1)
    write_photo("a.png", 1)
    code, _, err = run(long, "x" * 300, "a.png", "-q")
    assert code == 2 and err.count("\n") == 2 and err.count("name is too long") >= 1
    assert files() == sorted(["a.csv", "a.run.json", "failed.csv", *OF_ALL])
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_nothing_is_written_over_an_input(run, monkeypatch):
    write_video("clip.mp4", [1])
    write_video("clip.annotated.mp4", [1])
    before = Path("clip.annotated.mp4").read_bytes()
    monkeypatch.setattr(detect_module.Detector, "stream_frames", lambda *_, **__: pytest.fail("work was begun"))
    for inputs in (["clip.annotated.mp4", "clip.mp4"], ["*.mp4"]):
        code, _, err = run(*inputs, "--annotate", "--out", ".")
        assert code == 2 and "clip.annotated.mp4 would be written over" in err and err.count("\n") == 1
    assert Path("clip.annotated.mp4").read_bytes() == before and files() == ["clip.annotated.mp4"]
    write_photo("a.png", 1)
    write_photo("a.annotated.png", 1)
    code, _, err = run("a.png", "--annotate", "--neutral", "a.annotated.png", "--out", ".")
    assert code == 2 and "a.annotated.png would be written over" in err


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert not ended.value.code and capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_rows_so_far(run, signal_at, sign):
    write_video("clip.mp4", [1] * 200)
    signal_at(20, sign)
    before = signal.getsignal(signal.SIGINT)  # a shell that runs the tests in the background has it ignored
    code, _, err = run("clip.mp4", "--annotate", "-q")
    rows = len(pd.read_csv("clip.csv"))
    assert code == 130 and "interrupted" in err and 20 < rows < 200
    card = json.loads(Path("clip.run.json").read_text())
    assert card["interrupted"] and card["frames_decoded"] == card["frames_written"] == rows
    with open_media("clip.annotated.mp4") as drawn:
        assert sum(1 for _ in drawn) == rows
    assert not [name for name in os.listdir() if name.startswith(".")]
    # Ctrl-C means what it did before.
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_while_standard_input_is_silent(run, monkeypatch, sign):
    reading, writing = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(reading))
    threading.Timer(1.0, os.kill, (os.getpid(), sign)).start()
    code, _, err = run("-", "-q")
    os.close(writing)
    assert code == 130 and err.endswith("actionunits: interrupted\n") and files() == []


def test_work_goes_on_when_nobody_reads_what_is_printed(tiny_weights, tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(picture(0)).save(tmp_path / name)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "actionunits", "detect", "a.png", "b.png", "--weights", str(tiny_weights)]
    run = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (run.returncode, run.stderr) == (0, "") and (tmp_path / "b.run.json").exists()


def test_a_signal_before_the_neutral_frame_promises_no_files(run, signal_at):
    write_video("clip.mp4", [1] * 100)
    signal_at(5)
    code, _, err = run("clip.mp4", "--neutral", "90", "-q")
    assert code == 130 and err.endswith("actionunits: interrupted\n") and files() == []


class EndlessCamera:
    """Stands in for cv2.VideoCapture."""

    def __init__(self, index):
        self.taken = 0

    def isOpened(self):
        return True

    def get(self, _):
        return 25.0

    def grab(self):
        self.taken += 1
        return True

    def retrieve(self):
        return True, picture(1, self.taken)[:, :, ::-1]

    def release(self):
        pass


def test_ctrl_c_is_the_normal_end_of_a_webcam(run, monkeypatch, signal_at):
    monkeypatch.setattr("cv2.VideoCapture", EndlessCamera)
    signal_at(20)
    code, _, err = run("webcam:0", "--timeline")
    assert (code, err) == (0, "")
    card = json.loads(Path("webcam-0.run.json").read_text())
    assert card["frames_decoded"] == card["frames_written"] == len(pd.read_csv("webcam-0.csv")) > 20
    assert files() == ["webcam-0.csv", "webcam-0.run.json"] and os.path.exists("webcam-0.timeline.png")
    # What was to come after it is not begun, which is no normal end.
    write_video("clip.mp4", [1])
    code, out, err = run("webcam:0", "clip.mp4")
    assert code == 130 and "interrupted" in err and "1 not begun" in out
    code, _, err = run("webcam:0", "--annotate", "--neutral", "1s")
    assert code == 2 and "cannot be read twice" in err


def test_a_webcam_is_measured_from_the_rest_that_was_shown_so_far(run, monkeypatch, signal_at):
    monkeypatch.setattr("cv2.VideoCapture", EndlessCamera)
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())
    monkeypatch.setattr(resting, "MOST_ACTIVITY", 9.0)
    monkeypatch.setattr(resting, "MOST_INTENSITY", 9.0)
    signal_at(60)
    assert run("webcam:0", "-o", "plain.parquet")[0] == 0
    assert run("webcam:0", "--calibrate", "--annotate", "-o", "moved.parquet")[0] == 0
    plain, moved = (intensities(read_table(f"{name}.parquet"))[:60].to_numpy() for name in ("plain", "moved"))
    np.testing.assert_array_equal(moved[: resting.MIN_FRAMES - 1], plain[: resting.MIN_FRAMES - 1])
    assert (moved[resting.MIN_FRAMES :].mean(1) < plain[resting.MIN_FRAMES :].mean(1)).all()
    assert json.loads(Path("moved.run.json").read_text())["without_neutral_reference"] == []


def intensities(table):
    return table[[f"{au_label(au)}_r" for au in SYNTH_AUS]]


def test_a_neutral_frame_reads_0_and_moves_only_its_person(run):
    write_video("clip.mp4", [1, 1, 1, 2, 2, 2])
    run("clip.mp4", "-o", "plain.parquet")
    plain = read_table("plain.parquet")
    for reference in ("2", "0.04s"):
        code, out, _ = run("clip.mp4", "--neutral", reference, "--annotate", "-o", "moved.parquet")
        assert code == 0 and "no neutral reference for face 1" in out
        moved = read_table("moved.parquet")
        assert (intensities(moved[moved["frame"] == 2]) == 0).all(axis=None)
        # The model's own neutral logit is then the person's.
        logit = logit_of(moved.loc[moved["frame"] == 2, "AU01_p"].to_numpy())
        assert logit == pytest.approx([-2.0], abs=1e-4)
        others = plain["face_id"] == 1
        pd.testing.assert_frame_equal(moved[others], plain[others])
        assert not np.allclose(intensities(moved[~others]), intensities(plain[~others]), atol=1e-3)
    card = json.loads(Path("moved.run.json").read_text())
    assert card["without_neutral_reference"] == [1] and card["options"]["neutral"] == "0.04s"
    # The annotated video shows frames, not the empty pictures of the spool.
    with open_media("moved.annotated.mp4") as drawn:
        assert all(frame.image_rgb.mean() > 20 for frame in drawn)


def test_a_neutral_picture_serves_everybody(run):
    write_video("clip.mp4", [2] * 3)
    write_photo("neutral.png", 1)
    run("clip.mp4", "-o", "plain.parquet")
    code, out, _ = run("clip.mp4", "--neutral", "neutral.png", "-o", "moved.parquet")
    assert code == 0 and "no neutral reference" not in out
    plain, moved = (intensities(read_table(f"{name}.parquet")) for name in ("plain", "moved"))
    assert (plain - moved).abs().max(axis=1).gt(1e-3).all()
    write_photo("nobody.png", 0)
    assert "no face found" in run("clip.mp4", "--neutral", "nobody.png")[2]


def test_calibrate_leaves_who_never_rests(run, monkeypatch):
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())
    write_video("clip.mp4", [1] * 40)
    assert run("clip.mp4", "-o", "plain.parquet")[0] == 0
    code, out, _ = run("clip.mp4", "--calibrate", "-o", "same.parquet")
    assert code == 0 and "no neutral reference for face 0: left as they are" in out
    assert json.loads(Path("same.run.json").read_text())["without_neutral_reference"] == [0]
    # What the weights of tests read as 1.5 and more is the rest of whoever they are told of.
    monkeypatch.setattr(resting, "MOST_ACTIVITY", 9.0)
    monkeypatch.setattr(resting, "MOST_INTENSITY", 9.0)
    code, out, _ = run("clip.mp4", "--calibrate", "-o", "moved.parquet")
    assert code == 0 and "no neutral reference" not in out
    plain, same, moved = (read_table(f"{name}.parquet") for name in ("plain", "same", "moved"))
    pd.testing.assert_frame_equal(plain, same)
    for kind in "rp":
        columns = [f"{au_label(au)}_{kind}" for au in SYNTH_AUS]
        assert (moved[columns] <= plain[columns] + 1e-6).all(axis=None)
    assert (intensities(moved).mean(0) < intensities(plain).mean(0)).any()


def test_photographs_need_a_picture_as_reference(run):
    write_photo("photo.png", 1)
    for option in (["--calibrate"], ["--neutral", "1"]):
        code, _, err = run("photo.png", *option)
        assert code == 2 and err.startswith(f"actionunits: {option[0]} ") and "give --neutral a picture" in err
    assert "timeline needs a video" in run("photo.png", "--timeline")[2]
    assert files() == []


def test_photographs_among_videos_have_no_timeline_and_are_analysed_all_the_same(run):
    write_photo("photo.png", 1)
    write_video("clip.mp4", [1, 1, 1])
    assert run("photo.png", "clip.mp4", "--timeline", "--no-summary", "-o", "out")[0] == 0
    made = sorted(path.name for path in Path("out").iterdir())
    assert made == ["clip.csv", "clip.run.json", "clip.timeline.png", "photo.csv", "photo.run.json"]


def test_output_names():
    paths = output_paths(["a/clip.mp4", "b/photo.jpg", "webcam:0", "day1/*.jpg"], output := Path("r"))
    assert [p.table.name for p in paths] == ["clip.csv", "photo.csv", "webcam-0.csv", "day1.csv"]
    assert paths[0].card == output / "clip.run.json" and paths[0].annotated("images").name == "clip.annotated"
    with pytest.raises(UserError, match="would both be written"):
        output_paths(["a/clip.mp4", "b/clip.avi"], output)
    with pytest.raises(UserError, match="one file"):
        output_paths(["a.mp4", "b.mp4"], output / "t.csv")


@pytest.mark.parametrize("name", ["res.txt", "res.CSV", "res.tsv", "clip.mp4"])
def test_a_file_that_is_no_table_is_refused_as_output(tmp_path, name):
    with pytest.raises(UserError, match=r"neither a folder nor a table; a table ends in \.csv or \.parquet"):
        output_paths(["a.mp4"], tmp_path / name)
    (tmp_path / name).mkdir()
    assert output_paths(["a.mp4"], tmp_path / name)[0].table == tmp_path / name / "a.csv"
    assert output_paths(["a.mp4"], tmp_path / "2024.05.01")


def test_an_empty_word_is_refused(run):
    code, _, err = run("")
    assert (code, err) == (2, "actionunits: there is an empty word after detect; name something or leave it out\n")
    assert run("photo.png", "--out=")[0] == 2 and files() == []


def test_a_video_has_times_of_its_own(run):
    write_video("clip.mp4", [1, 1])
    code, _, err = run("clip.mp4", "--fps", 5)
    assert code == 2 and "clip.mp4 has times of its own; --fps is for the pictures of a folder" in err
    assert files() == []


def test_neutral_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.png").touch()
    assert parse_neutral("7") == 7 and parse_neutral("0s") == (0.0,) and parse_neutral(".5s,0s") == (0.0, 0.5)
    assert parse_neutral("n.png").name == "n.png"
    for text in ("0", "-1", "1.5", "later", "1s,", "1s,2"):
        with pytest.raises(UserError, match="--neutral"):
            parse_neutral(text)


def test_help_lists_the_options_without_loading_the_networks():
    import subprocess
    import sys

    code = "import sys; from actionunits.cli import main; sys.argv = ['actionunits', 'detect', '--help']\n"
    code += "try: main()\nfinally: print('onnxruntime' in sys.modules, 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.rstrip().endswith("False False") and "--calibrate" in shown
    assert CliRunner().invoke(app, ["detect"]).exit_code == 2
