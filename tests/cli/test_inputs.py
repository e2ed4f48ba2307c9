"""Folders, unusual files and faces without a pose, from the command to the table and the run card."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from staged_faces import StagedFinder, picture, write_video
from typer.testing import CliRunner

import actionunits.detection.detector as detect_module
from actionunits.aus import SYNTH_AUS
from actionunits.cli import app
from actionunits.detection.inputs import find_inputs, shard_of
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.run import Outcome
from actionunits.detection.run_files import RunFiles
from actionunits.errors import UserError
from actionunits.media import VideoWriter, open_media
from actionunits.reports.outcomes import outcomes_table


@pytest.fixture
def detect(monkeypatch, tiny_weights, tmp_path):
    """Runs `actionunits detect` with staged faces in an empty folder; gives the exit code."""
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["detect", *words, "--weights", str(tiny_weights)]).exit_code


def card(name: str) -> dict:
    return json.loads(Path(f"{name}.run.json").read_text())


def test_all_that_is_in_a_folder_has_a_table(detect):
    Path("day").mkdir()
    for k in (1, 2):
        Image.fromarray(picture(k)).save(f"day/{k}.png")
    frames = [Image.fromarray(picture(1, k)) for k in range(3)]
    frames[0].save("day/moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    write_video("day/clip.mp4", [1, 2])
    assert detect("day", "--out", "results") == 0
    own = ["clip.csv", "clip.episodes.csv", "day.csv", "moving.csv", "moving.episodes.csv"]
    assert made("results") == sorted([*own, *OF_ALL])
    assert [len(pd.read_csv(f"results/{name}.csv")) for name in ("day", "moving", "clip")] == [3, 3, 3]
    people = pd.read_csv("results/summary.wide.csv")[["file", "face_id", "frames"]].to_numpy().tolist()
    assert people == [
        *[["day", "all", 3], ["day/clip.mp4", "0", 2], ["day/clip.mp4", "1", 1], ["day/moving.webp", "0", 3]],
    ]
    assert len(pd.read_csv("results/summary.csv")) == 4 * len(SYNTH_AUS)
    assert detect("day", "--no-summary", "--out", "few") == 0 and made("few") == ["clip.csv", "day.csv", "moving.csv"]
    assert card("results/day")["notes"] == [
        "day: inputs of their own, not read with the photographs: clip.mp4, moving.webp"
    ]
    assert card("results/clip")["notes"] == []


OF_ALL = ["episodes.csv", "summary.csv", "summary.wide.csv"]


def write_clip(path, counts=(1, 1)):
    write_video(path, counts)


def made(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.csv"))


def test_folders_in_folders_are_mirrored_and_results_are_no_inputs(detect):
    write_clip("videos/clip.mp4")
    write_clip("videos/Zoë 1/clip.mp4")
    write_clip("videos/.trash/clip.mp4")
    Path("videos/Zoë 1/b/pictures").mkdir(parents=True)
    Image.fromarray(picture(1)).save("videos/Zoë 1/b/pictures/1.png")
    Path("videos/Zoë 1/notes.txt").write_text("none")
    words = ("videos", "videos/*.mp4", "--recursive", "--annotate", "--out", "videos")
    assert detect(*words) == detect(*words) == 0
    tables = ["Zoë 1/b/pictures/pictures.csv", "Zoë 1/clip.csv", "Zoë 1/clip.episodes.csv"]
    assert made("videos") == sorted([*tables, "clip.csv", "clip.episodes.csv", *OF_ALL])
    assert not list(Path("videos").rglob("*.annotated.annotated*"))
    assert detect("videos", "--out", "flat") == 0 and made("flat") == ["clip.csv"]


def test_a_data_set_has_one_schema_and_a_part_for_each_input(detect):
    write_clip("day/é 1.mp4", (1, 2))
    Path("shots").mkdir()
    for k in (1, 2):
        Image.fromarray(picture(k)).save(f"shots/{k}.png")
    Image.fromarray(picture(0)).save("photo.png")
    Path("day/bad.mp4").write_bytes(b"no video")
    words = ("day", "shots", "photo.png", "--format", "dataset", "--relations", "--out", "out")
    assert detect(*words, "--annotate") == 2
    table = pd.read_parquet("out/table")
    assert table.groupby("file", observed=True).size().to_dict() == {"day/é 1.mp4": 3, "photo.png": 1, "shots": 3}
    assert {"frame", "AU12_r", "input"} < set(table) and set(table["input"]) == {
        *("day/é 1.mp4", "photo.png", "shots/1.png", "shots/2.png")
    }
    failed = pd.read_csv("out/failed.csv")
    assert failed[["input", "status"]].to_numpy().tolist() == [["day/bad.mp4", "failed"]]
    assert "not a video" in failed["reason"][0]
    # Nothing but parts lies in the data set, whose readers take every file for one; the rest lies beside it.
    assert {path.name for path in Path("out/table").rglob("*") if path.is_file()} == {"part.parquet"}
    assert len(list(Path("out/table").iterdir())) == 3
    assert (
        Path("out/runs/file=photo.png.annotated.png").is_file() and card("out/runs/file=shots")["frames_written"] == 2
    )
    assert set(pd.read_csv("out/summary.csv")["file"]) == {"day/é 1.mp4", "shots"}
    written = {path: path.stat().st_mtime_ns for path in Path("out/table").rglob("*")}
    Path("day/bad.mp4").unlink()
    assert detect(*words, "--annotate", "--skip-done") == 0 and not Path("out/failed.csv").exists()
    assert {path: path.stat().st_mtime_ns for path in Path("out/table").rglob("*")} == written
    with pytest.raises(UserError, match="a data set is a folder"):
        find_inputs(["photo.png"], Path("out.parquet"), "dataset")


def test_a_table_that_is_no_result_of_ours_is_left_alone(detect):
    write_clip("a.mp4")
    write_clip("b.mp4")
    Path("failed.csv").write_text("whose,reason\nmine,none\n")
    assert detect("a.mp4", "b.mp4") == 0 and Path("failed.csv").read_text().startswith("whose")


def test_a_table_names_inputs(detect):
    for name in ("a", "b", "c"):
        write_clip(f"day/{name}.mp4")
    pd.DataFrame({"person": [1, 2, 3], "input": ["day/b.mp4", None, " day/*.mp4 "]}).to_csv("list.csv", index=False)
    pd.DataFrame({"input": ["day/c.mp4"]}).to_parquet("list.parquet")
    sources = [entry.source for entry in find_inputs(["list.parquet", "list.csv"], Path("r"))]
    assert sources == ["day/c.mp4", "day/b.mp4", "day/a.mp4"]
    Path("german.csv").write_text("Input;Notiz\nday/b.mp4;a, b\n")
    assert [entry.source for entry in find_inputs(["german.csv"], Path("r"))] == ["day/b.mp4"]
    Path("other.csv").write_text("file\nday/a.mp4\n")
    Path("none.csv").write_text("input\n\n")
    Path("bytes.parquet").write_bytes(b"no table")
    for name, told in (
        ("other.csv", "no column `input`"),
        ("none.csv", "names no input"),
        ("bytes.parquet", "no column `input`"),
    ):
        with pytest.raises(UserError, match=told):
            find_inputs([name], Path("r"))


def test_shards_are_all_inputs_and_a_last_run_gathers_them(detect):
    for name in "abcde":
        write_clip(f"day/{name}.mp4")
    words = ("day", "--format", "dataset", "--out", "out")
    inputs = find_inputs(["day"], Path("out"), "dataset")
    shards = [shard_of(inputs, f"{k}/3") for k in (1, 2, 3)]
    assert sorted(len(shard) for shard in shards) == [1, 2, 2]
    assert sorted(entry.source for shard in shards for entry in shard) == [entry.source for entry in inputs]
    assert (
        detect(*words, "--shard", "1/3") == detect(*words, "--shard", "3/3") == detect(*words, "--shard", "9/9") == 0
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["runs", "table"]
    before = {path: path.stat().st_mtime_ns for path in Path("out/table").rglob("*.parquet")}
    assert len(before) == 3
    assert detect(*words, "--skip-done") == 0
    after = {path: path.stat().st_mtime_ns for path in Path("out/table").rglob("*.parquet")}
    assert len(after) == 5 and before.items() <= after.items()
    assert len(set(pd.read_csv("out/summary.csv")["file"])) == 5
    for wrong in ("0/3", "4/3", "1", "1/3/5", "-1/2"):
        with pytest.raises(UserError, match="number of the share"):
            shard_of(inputs, wrong)


def test_an_input_that_is_called_as_the_summary_is_refused(detect):
    write_clip("summary.mp4")
    assert detect("summary.mp4") == 0
    with pytest.raises(UserError, match="which is that of all inputs; rename the input"):
        RunFiles.of(find_inputs(["summary.mp4"], Path("r")), Path("r/t.csv"), AnalysisOptions(episodes=True))


def test_the_report_is_one_file_with_warnings_first(detect, monkeypatch):
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())
    write_clip("day/<b>&.mp4", [1] * 5)
    write_clip("day/empty.mp4", [0, 0])
    Path("day/bad.mp4").write_bytes(b"no video")
    assert detect("day", "--report", "--out", "r") == 2
    page = Path("r/report.html").read_text()
    assert "<b>&.mp4" not in page and "day/&lt;b&gt;&amp;.mp4" in page
    assert (
        page.index("bad.mp4</b>: cannot read") < page.index("empty.mp4</b>: no face was found") < page.index("<svg")
    )
    # It names nothing that lies elsewhere, and holds the moments itself.
    assert not re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)|https?:|@import', page)
    picture_of_moment = base64.b64decode(re.search(r'base64,([^"]+)"', page)[1])
    assert Image.open(io.BytesIO(picture_of_moment)).size == (200, 120)
    assert page.count("<tr><td>") == len(SYNTH_AUS) and "actionunits 0" in page
    assert detect("day", "--report", "--no-summary", "--out", "r2") != 0 and not Path("r2").exists()


def test_relations_have_tables_of_each_input_and_of_all(detect, monkeypatch):
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())
    write_clip("day/a.mp4", [2] * 3)
    for k in (1, 2):
        Image.fromarray(picture(1, k)).save(f"day/{k}.png")
    assert detect("day", "--relations", "--out", "r") == 0
    pairs = pd.read_csv("r/cooccurrence.csv")
    assert pairs.groupby(["file", "face_id"])["frames"].agg(["size", "max"]).reset_index().to_numpy().tolist() == [
        *[["day", "all", 153, 2], ["day/a.mp4", "0", 153, 3], ["day/a.mp4", "1", 153, 3]],
    ]
    assert list(pd.read_csv("r/synchrony.csv").columns)[:3] == ["file", "face_id", "other_id"]
    own = ["a.cooccurrence.csv", "a.csv", "a.episodes.csv", "a.synchrony.csv", "day.cooccurrence.csv", "day.csv"]
    assert made("r") == sorted([*own, *OF_ALL, "cooccurrence.csv", "synchrony.csv"])
    assert detect("day", "--relations", "--no-summary") != 0


class LeavingFinder(StagedFinder):
    """After the third frame the tracker takes the face for somebody new."""

    def __call__(self, frame):
        return [replace(face, face_id=3 * (frame.index > 2)) for face in super().__call__(frame)]


def test_a_person_has_one_number_over_a_video_and_over_all(detect, monkeypatch):
    monkeypatch.setattr(detect_module, "QualityCheck", lambda video: lambda *_: ())
    monkeypatch.setattr(detect_module, "FaceFinder", LeavingFinder)
    monkeypatch.setattr("actionunits.detection.same_people.FaceDescriber", lambda: lambda *_: np.ones(128))
    monkeypatch.setattr("actionunits.detection.run.find_weights", lambda: None)
    for name in ("day/a.mp4", "day/b.mp4"):
        write_clip(name, [1] * 6)
    assert detect("day", "--out", "plain") == 0
    assert pd.read_csv("plain/summary.wide.csv")["face_id"].tolist() == [0, 3, 0, 3]
    words = ("day", "--same-people", "--annotate", "--neutral", "0.2s", "--out", "r")
    assert detect(*words) == detect(*words, "--skip-done") == 0
    wide = pd.read_csv("r/summary.wide.csv")
    assert wide[["file", "face_id", "person", "frames"]].to_numpy().tolist() == [
        *[["day/a.mp4", 0, 0, 6], ["day/b.mp4", 0, 0, 6]],
    ]
    assert pd.read_csv("r/a.csv")["face_id"].tolist() == [0] * 6 and "person" in pd.read_csv("r/summary.csv")
    assert pd.read_csv("r/people.csv")["nearest_same"].tolist() == [0, 0]
    # The picture of the person at rest is that of another frame, which is the same person's now.
    assert (pd.read_csv("r/a.csv").filter(regex="AU.._r").iloc[-1].dropna() == 0).all()
    with open_media("r/a.annotated.mp4") as drawn:
        assert all(frame.image_rgb.mean() > 20 for frame in drawn)
    for k in (1, 2):
        Image.fromarray(picture(1, k)).save(f"day/{k}.png")
    assert detect("day", "--same-people", "--out", "r2") == 0 and card("r2/day")["likenesses"] is None


def test_a_missing_package_is_told_once_and_before_any_work(detect, monkeypatch, tiny_weights):
    for name in ("day/a.mp4", "day/b.mp4"):
        write_clip(name)
    monkeypatch.setattr("actionunits.faces.recognition.find_spec", lambda name: None)
    words = ["detect", "day", "--same-people", "--out", "r", "--weights", str(tiny_weights)]
    with pytest.raises(UserError, match=r'this needs the package dlib; pip install "actionunits\[people\]"'):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert not Path("r").exists()


def test_what_failed_and_what_was_not_changed_is_told(tiny_weights, tmp_path, monkeypatch, detect):
    write_clip("day/a.mp4")
    Path("day/b.mp4").write_bytes(b"no video")
    words = ["detect", "day", "lost.mp4", "--out", "r", "--skip-done", "--weights", str(tiny_weights)]
    monkeypatch.setenv("COLUMNS", "200")

    def statuses(*more):
        ended = CliRunner().invoke(app, [*words, *more])
        told = [line.split("│") for line in ended.stdout.splitlines() if line.startswith("│")]
        assert ended.exit_code == 2 and "day/b.mp4" in ended.stderr and "lost.mp4" in ended.stderr
        return {cells[1].strip(): cells[2].strip() for cells in told}

    assert statuses() == {"day/a.mp4": "done", "day/b.mp4": "failed", "lost.mp4": "failed"}
    assert statuses()["day/a.mp4"] == "done before"
    # Other options, a changed input and a lost table are done again.
    assert statuses("--smooth", "0.1")["day/a.mp4"] == "done"
    assert (statuses()["day/a.mp4"], statuses()["day/a.mp4"]) == ("done", "done before")
    write_clip("day/a.mp4", (1, 1, 1))
    assert statuses()["day/a.mp4"] == "done" and len(pd.read_csv("r/a.csv")) == 3
    Path("r/a.csv").unlink()
    assert statuses()["day/a.mp4"] == "done"


def test_the_last_table_names_inputs_below_their_folder():
    done = Outcome(
        "a/b/1.mp4", {"frames_written": 8, "frames_with_face": 2, "frames_usable": 0} | {"people": 1, "damage": None}
    )
    console = Console(width=80)
    with console.capture() as told:
        console.print(outcomes_table(["a/b/1.mp4", "a/c/[red].mp4"], {"a/b/1.mp4": done}))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.get().splitlines() if "│" in line]
    assert rows == [["b/1.mp4", "done before", "8", "25%", "0%", "1"], ["c/[red].mp4", "not begun", "", "", "", ""]]


def test_a_table_names_the_neutral_moments_of_many_videos(tiny_weights, detect):
    for name in ("a", "b", "c"):
        write_clip(f"day/{name}.mp4", [1] * 4)
    words = ["detect", "day", "--neutral", "n.csv", "--report", "--skip-done", "--out", "r"]

    def said(table):
        Path("n.csv").write_text(table)
        ended = CliRunner().invoke(app, [*words, "--weights", str(tiny_weights)])
        return ended.exit_code, ended.stdout, ended.stderr

    code, _, err = said("video,time\na.mp4,0.04\nb.mp4,0:00\nb.mp4,0.08\n")
    assert (
        code == 0
        and err == "actionunits: n.csv has no neutral moment for 1 of 3 inputs, which stay as they are: day/c.mp4\n"
    )
    assert [card(f"r/{name}")["options"]["neutral"] for name in "abc"] == ["0.04s", "0s,0.08s", None]
    assert "measured from neutral moments chosen by hand in 2 of 3 inputs" in Path("r/report.html").read_text()
    a, b, c = (pd.read_csv(f"r/{name}.csv").filter(regex="AU.._p") for name in "abc")
    # The drawn frames differ: one moment is neutral itself, of two it is the middle of their log-odds.
    logit = np.log(c / (1 - c))
    middle = (logit.iloc[0] + logit.iloc[2]) / 2
    np.testing.assert_allclose(np.log(b / (1 - b)) - np.log(a / (1 - a)), [logit.iloc[1] - middle] * 4, atol=0.05)
    # Only what a changed row is about is done again; a moment behind the end is told with the video's name.
    code, out, err = said("video,time\na.mp4,0.04\nb.mp4,9\nc.mp4,0\n")
    assert code == 2 and out.count("done before") == 3 and "day/b.mp4: --neutral 9s: the video ends before" in err
    assert said("video,seconds\n")[0] != 0 != detect("day", "--neutral", "3s", "--calibrate")


def test_an_interrupted_or_damaged_input_keeps_its_state(detect, monkeypatch):
    write_clip("a.mp4")
    assert detect("a.mp4") == 0
    told = card("a")
    for change, code in (({"interrupted": True}, 0), ({"damage": "a.mp4 is damaged"}, 3)):
        Path("a.run.json").write_text(json.dumps(told | change | {"seconds": -1}))
        assert detect("a.mp4", "--skip-done") == code
        # The damaged one is left as it is, the interrupted one done again.
        assert (card("a")["seconds"] == -1) == (code == 3)


def test_nothing_is_loaded_where_no_input_is_there(detect, monkeypatch):
    monkeypatch.setattr(detect_module.Detector, "__init__", lambda *_, **__: pytest.fail("loaded"))
    assert detect("lost.mp4", "gone/*.png") == 2


def test_a_stretch_of_a_video_keeps_numbers_and_times(detect):
    write_clip("clip.mp4", [1] * 20)
    assert detect("clip.mp4", "--start", "0.2", "--end", "0.6", "--every", "3", "--annotate") == 0
    table = pd.read_csv("clip.csv")
    assert table["frame"].tolist() == [7, 10, 13] and table["timestamp"].tolist() == [0.24, 0.36, 0.48]
    assert card("clip")["frames_decoded"] == 3 and card("clip")["options"]["frames"]["every"] == 3
    before = sorted(path.name for path in Path().iterdir())
    Image.fromarray(picture(1)).save("photo.png")
    assert detect("clip.mp4", "--start", "9") == detect("photo.png", "--end", "1") == 2
    assert sorted(path.name for path in Path().iterdir()) == sorted([*before, "photo.png"])


def test_the_run_card_tells_how_samples_were_scaled(detect):
    Image.fromarray(picture(1)[..., 0].astype(np.uint16) * 16).save("infrared.png")
    assert detect("infrared.png") == 0
    assert card("infrared")["notes"] == [
        "infrared.png: 16-bit samples hold values of 12 bits: 4095 is shown as white"
    ]


class FlatFinder(StagedFinder):
    """The points of every second face lie on a line, and it has no pose."""

    def _face(self, i):
        face = super()._face(i)
        unknown = np.full(3, np.nan, np.float32)
        flat = face.landmarks_px * [1, 0] + [0, 60]
        return replace(face, landmarks_px=flat, pose_deg=unknown, position_mm=unknown) if i % 2 else face


@pytest.mark.parametrize("kind", ["photo.png", "clip.mp4"])
def test_a_face_without_a_pose_has_all_the_rest(detect, monkeypatch, kind):
    monkeypatch.setattr(detect_module, "FaceFinder", FlatFinder)
    if kind == "photo.png":
        Image.fromarray(picture(2)).save(kind)
    else:
        with VideoWriter(kind, fps=25) as writer:
            writer.write(picture(2))
    assert detect(kind, "--annotate") == 0
    table = pd.read_csv(f"{Path(kind).stem}.csv")
    pose = table[["pose_Tx", "pose_Tz", "pose_Rx", "pose_Rz"]]
    assert pose.notna().all(axis=1).tolist() == [True, False] and pose.isna().all(axis=1).tolist() == [False, True]
    assert table["AU12_r"].notna().all() and table["x_0"].notna().all()


def test_an_address_is_opened_only_where_asked_for(detect, monkeypatch):
    asked = []

    def refuse(source, *, fps=None, allow_network=False):
        asked.append((source, allow_network))
        raise UserError("not today")

    monkeypatch.setattr("actionunits.detection.analysis.open_media", refuse)
    assert detect("rtsp://camera/stream", "--allow-network") == detect("rtsp://camera/stream") == 2
    assert asked == [("rtsp://camera/stream", True), ("rtsp://camera/stream", False)]
