import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.datasets.crops.synthau import load_crops
from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.synth.dataset import Plan, label_table, write_dataset
from actionunits.synth.motion import sample_motion
from actionunits.synth.render import ClipLabels, ClipRenderer
from actionunits.synth.scene import sample_scene

LABELS = [au_label(au) for au in SYNTH_AUS]
COLUMNS = [
    *["subject", "task", "clip", "frame", "time_s", "anchor"],
    *LABELS,
    *[f"{label}_r" for label in LABELS],
    *[f"{label}_r_left" for label in LABELS],
    *[f"{label}_r_right" for label in LABELS],
    *["gaze_yaw_deg", "gaze_pitch_deg", "pose_pitch_deg", "pose_yaw_deg", "pose_roll_deg"],
    *["box_left_px", "box_top_px", "box_right_px", "box_bottom_px"],
    *[f"x_{k}" for k in range(68)],
    *[f"y_{k}" for k in range(68)],
]


def small_plan(**changed):
    return Plan(
        **{
            **dict(look="wild", subjects=2, clips=2, frames=5, size=48, fps=5.0, seed=7, rates="balanced"),
            **changed,
        }
    )


def checksums(folder):
    """Checksum of every file but those of caches, by its path in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".crops" not in path.parts
    }


class Killed(Exception):
    """Stands for a run that ends before its time."""


def stop_after(frames):
    def on_progress(done, total):
        if done >= frames:
            raise Killed

    return on_progress


@pytest.fixture(scope="module")
def written(facekit_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("renders") / "wild"
    assert write_dataset(facekit_dir, out, small_plan(), workers=1) == out
    return out


def test_folder_holds_videos_a_table_and_a_card(written):
    names = [f"W7-000{s}_T{t}" for s in (0, 1) for t in (1, 2)]
    assert list(checksums(written)) == [*[f"clips/{name}.mp4" for name in names], "dataset.json", "frames.parquet"]
    assert not (written / ".parts").exists()
    card = json.loads((written / "dataset.json").read_text())
    expected = dict(name="synthau-wild", look="wild", seed=7, size=48, fps=5.0, subjects=2, clips=2, frames=5)
    assert {key: card[key] for key in expected} == expected
    assert "ICT Face Model Light" in card["facekit"] and "MIT" in card["facekit"] and card["version"]


def test_table_has_a_row_for_every_frame_and_the_documented_columns(written):
    table = pd.read_parquet(written / "frames.parquet")
    assert list(table.columns) == COLUMNS
    assert len(table) == 20 and not table.isna().any().any()
    assert list(table["subject"]) == ["W7-0000"] * 10 + ["W7-0001"] * 10
    assert list(table["task"]) == (["T1"] * 5 + ["T2"] * 5) * 2
    assert list(table["frame"]) == [0, 1, 2, 3, 4] * 4
    np.testing.assert_allclose(table["time_s"], table["frame"] / 5)
    assert (table["anchor"] == 0).all()
    assert (table["clip"] == "clips/" + table["subject"] + "_" + table["task"] + ".mp4").all()


def test_first_frame_is_the_neutral_anchor(written):
    table = pd.read_parquet(written / "frames.parquet")
    anchors = table[table["frame"] == table["anchor"]]
    assert len(anchors) == 4
    assert not anchors[[c for c in COLUMNS if c.startswith("AU")]].to_numpy().any()
    assert table[[f"{label}_r" for label in LABELS]].to_numpy().any()


def test_clips_can_begin_anywhere_and_the_card_says_so(facekit_dir, written, tmp_path):
    plan = small_plan(subjects=1, begin="anywhere")
    write_dataset(facekit_dir, tmp_path / "out", plan, workers=1)
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["begin"] == "anywhere"
    assert json.loads((written / "dataset.json").read_text())["begin"] == "rest"
    table = pd.read_parquet(tmp_path / "out" / "frames.parquet")
    first = table[table["frame"] == 0][[f"{label}_r" for label in LABELS]]
    assert first.to_numpy().max() > 0.5
    with pytest.raises(UserError, match="holds another data set"):
        write_dataset(facekit_dir, tmp_path / "out", small_plan(subjects=1), workers=1)


def test_assets_are_recorded_and_credited(facekit_dir, assets_dir, tmp_path):
    plan, out = small_plan(subjects=4, clips=1, frames=1), tmp_path / "out"
    write_dataset(facekit_dir, out, plan, assets=assets_dir, workers=1)
    table = pd.read_parquet(out / "frames.parquet")
    shown = {name for text in [*table["skin"], *table["surroundings"]] for name in text.split()}
    credited = {line.split(" | ")[0].strip("| ") for line in (out / "CREDITS.md").read_text().splitlines()[4:]}
    assert shown == credited and any(name.startswith("skins_cyl/") for name in shown)
    # It goes on with these assets alone.
    write_dataset(facekit_dir, out, plan, assets=assets_dir, workers=1)
    with pytest.raises(UserError, match=r"holds another data set \(assets="):
        write_dataset(facekit_dir, out, plan, workers=1)
    others = shutil.copytree(assets_dir, tmp_path / "others")
    (others / "env" / "pano_sunny.jpg").unlink()
    with pytest.raises(UserError, match=r"holds another data set \(assets="):
        write_dataset(facekit_dir, out, plan, assets=others, workers=1)


def test_without_assets_nothing_is_credited(written):
    assert not (written / "CREDITS.md").exists()
    assert json.loads((written / "dataset.json").read_text())["assets"] is None


def test_occurrence_is_intensity_of_level_a_and_above(written):
    table = pd.read_parquet(written / "frames.parquet")
    for label in LABELS:
        assert table[label].dtype == np.int8
        np.testing.assert_array_equal(table[label], table[f"{label}_r"] >= 1)
        sides = table[[f"{label}_r_left", f"{label}_r_right"]].max(axis=1)
        np.testing.assert_array_equal(table[f"{label}_r"], sides)
        assert table[f"{label}_r"].between(0, 5).all()


def test_occurrence_agrees_with_the_rounded_intensity():
    values = np.zeros((3, len(SYNTH_AUS)), np.float32)
    values[:, 0] = 0.994, 0.996, 1.0
    labels = ClipLabels(
        au_intensity=values,
        au_left=values,
        au_right=values,
        landmarks_px=np.zeros((3, 68, 2), np.float32),
        box_xyxy_px=np.zeros((3, 4), np.float32),
        pose_deg=np.zeros((3, 3), np.float32),
        gaze_deg=np.zeros((3, 2), np.float32),
    )
    table = label_table(labels, np.arange(3) / 25)
    assert list(table["AU01_r"].astype(float).round(2)) == [0.99, 1.0, 1.0]
    assert list(table["AU01"]) == [0, 1, 1]


def test_videos_show_the_frames_that_the_rows_describe(written, casting):
    plan = small_plan()
    person = casting.sample(np.random.default_rng((7, 1, 1)))
    rng = np.random.default_rng((7, 1, 1, 2))
    motion = sample_motion(rng, "wild", 5, 5.0, "balanced")
    renderer = ClipRenderer(person, sample_scene(rng, "wild", 48, 1.0), motion, 48, rng)
    with open_media(written / "clips" / f"{plan.clip_name(1, 1)}.mp4") as media:
        frames = list(media)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(5) / 5, atol=1e-6)
    pictures = [renderer.frame(k).astype(float) for k in range(5)]
    for k, frame in enumerate(frames):
        differences = [np.abs(frame.image_rgb - picture).mean() for picture in pictures]
        assert np.argmin(differences) == k and differences[k] < 8
    rows = pd.read_parquet(written / "frames.parquet").query("subject == 'W7-0001' and task == 'T2'")
    points = np.stack([rows[[f"{a}_{i}" for i in range(68)]] for a in "xy"], axis=-1)
    np.testing.assert_allclose(points, renderer.labels.landmarks_px, atol=0.006)


def test_the_data_set_loads_for_training(written):
    data = load_crops(written)
    assert len(data) == 20 and data.aus == SYNTH_AUS and data.au_present_valid.all()
    assert list(data.subjects) == ["synthau-wild-7/W7-0000", "synthau-wild-7/W7-0001"] or len(data.subjects) == 2


def test_names_of_people_differ_between_looks_and_seeds():
    plans = [small_plan(), small_plan(look="studio"), small_plan(seed=8)]
    assert len({plan.subject_name(s) for plan in plans for s in range(2)}) == 6


def test_an_interrupted_run_continues_to_the_same_bytes(written, facekit_dir, tmp_path):
    out = tmp_path / "again"
    with pytest.raises(Killed):
        write_dataset(facekit_dir, out, small_plan(), workers=1, on_progress=stop_after(10))
    assert not (out / "frames.parquet").exists()
    assert len(list((out / "clips").iterdir())) == 2
    # A run killed within a clip leaves its video without labels, or neither.
    (out / ".parts" / "W7-0000_T2.parquet").unlink()
    kept = (out / "clips" / "W7-0000_T1.mp4").stat().st_mtime_ns
    seen = []
    write_dataset(facekit_dir, out, small_plan(), workers=1, on_progress=lambda done, _: seen.append(done))
    assert (out / "clips" / "W7-0000_T1.mp4").stat().st_mtime_ns == kept, "a finished clip is not rendered again"
    assert seen[-1] == 20 and seen == sorted(seen)
    assert checksums(out) == checksums(written)


def test_a_finished_run_does_nothing_and_a_lost_clip_is_rendered_again(written, facekit_dir, tmp_path):
    before = checksums(written)
    stamps = {name: (written / name).stat().st_mtime_ns for name in before}
    write_dataset(facekit_dir, written, small_plan(), workers=1)
    assert {name: (written / name).stat().st_mtime_ns for name in before} == stamps
    (written / "clips" / "W7-0001_T1.mp4").unlink()
    write_dataset(facekit_dir, written, small_plan(), workers=1)
    assert checksums(written) == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 8}, "seed=7"),
        ({"frames": 6}, "frames=5"),
        ({"look": "studio"}, "look=wild"),
        ({"flow": True}, "flow"),
    ],
)
def test_other_options_for_a_started_folder_are_refused(written, facekit_dir, changed, named):
    before = checksums(written)
    with pytest.raises(UserError, match=f"holds another data set .*{named}") as error:
        write_dataset(facekit_dir, written, small_plan(**changed), workers=1)
    assert "\n" not in str(error.value)
    assert checksums(written) == before


def test_a_folder_of_something_else_is_left_alone(facekit_dir, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not a data set of renders"):
        write_dataset(facekit_dir, tmp_path, small_plan(), workers=1)
    with pytest.raises(UserError, match="is not a data set of renders"):
        write_dataset(facekit_dir, tmp_path / "thesis.txt", small_plan(), workers=1)
    assert checksums(tmp_path).keys() == {"thesis.txt"}


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\ud800".encode("utf-16", "surrogatepass")])
def test_a_damaged_card_is_told_in_one_line(facekit_dir, tmp_path, content):
    card = tmp_path / "dataset.json"
    card.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"dataset\.json is damaged") as error:
        write_dataset(facekit_dir, tmp_path, small_plan(), workers=1)
    assert "\n" not in str(error.value)


def test_a_place_that_cannot_be_written_is_told_in_one_line(facekit_dir, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot create .*inner"):
        write_dataset(facekit_dir, tmp_path / "file" / "inner", small_plan(), workers=1)
    out = tmp_path / "out"
    with pytest.raises(Killed):
        write_dataset(facekit_dir, out, small_plan(), workers=1, on_progress=stop_after(0))
    (out / "clips").touch()
    with pytest.raises(UserError, match=r"cannot create .*clips") as error:
        write_dataset(facekit_dir, out, small_plan(), workers=1)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_folder_is_told_in_one_line(facekit_dir, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"cannot create .*renders"):
        write_dataset(facekit_dir, tmp_path / "locked" / "renders", small_plan(), workers=1)


def test_a_wrong_face_model_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="no face model"):
        write_dataset(tmp_path / "nowhere", tmp_path / "out", small_plan(), workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"subjects": 0}, "--subjects must be at least 1 and at most 1,000,000, not 0"),
        ({"clips": -1}, "--clips must be"),
        ({"frames": 0}, "--frames must be"),
        ({"size": 47}, "--size must be an even number"),
        ({"size": 16}, "--size must be"),
        ({"fps": 0.0}, "--fps must be above 0"),
        ({"fps": float("nan")}, "--fps must be"),
        ({"fps": float("inf")}, "--fps must be"),
        ({"seed": -1}, "--seed must not be negative"),
        ({"look": "cinema"}, "--look must be studio or wild, not cinema"),
        ({"rates": "even"}, "--rates must be published, balanced or together, not even"),
        ({"begin": "late"}, "--begin must be rest or anywhere, not late"),
    ],
)
def test_options_out_of_range_are_refused(changed, message):
    with pytest.raises(UserError, match=message):
        small_plan(**changed)


def test_flow_to_the_first_frame_is_written_on_request(facekit_dir, tmp_path):
    plan = small_plan(subjects=1, clips=1, frames=3, flow=True)
    write_dataset(facekit_dir, tmp_path / "out", plan, workers=1)
    with np.load(tmp_path / "out" / "flow" / "W7-0000_T1.npz") as held:
        flow, valid = held["flow"], held["valid"]
    assert flow.shape == (3, 48, 48, 2) and flow.dtype == np.float16
    assert valid.shape == (3, 48, 48) and valid.dtype == bool
    assert np.abs(flow[0]).max() < 0.01 and np.abs(flow[1:]).max() > 0.1
    assert valid.any((1, 2)).all()


def test_more_people_leave_the_first_ones_as_they_were(written, facekit_dir, tmp_path):
    write_dataset(facekit_dir, tmp_path / "one", small_plan(subjects=1), workers=1)
    one, two = checksums(tmp_path / "one"), checksums(written)
    for name in ("clips/W7-0000_T1.mp4", "clips/W7-0000_T2.mp4"):
        assert one[name] == two[name]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(written, facekit_dir, tmp_path):
    write_dataset(facekit_dir, tmp_path / "two", small_plan(), workers=2)
    assert checksums(tmp_path / "two") == checksums(written)


@pytest.mark.slow
def test_a_lost_process_is_told_in_one_line_and_the_run_can_go_on(written, facekit_dir, tmp_path):
    plan, out = small_plan(), tmp_path / "out"

    def lose_one(done, total):
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(UserError, match="run the same command again") as error:
        write_dataset(facekit_dir, out, plan, workers=2, on_progress=lose_one)
    assert "\n" not in str(error.value)
    write_dataset(facekit_dir, out, plan, workers=1)
    assert checksums(out) == checksums(written)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's list of processes")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_command_ends_its_processes_and_continues_to_the_same_bytes(written, facekit_dir, tmp_path, sign):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "actionunits", "synth", "--facekit", str(facekit_dir), "--out", str(out)]
    command += "--look wild --subjects 2 --clips 2 --frames 5 --size 48 --fps 5 --seed 7 --rates balanced".split()
    process = subprocess.Popen(
        [*command, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not list(out.glob("clips/[!.]*.mp4")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    # A batch system sends SIGTERM to all processes of a job.
    os.killpg(process.pid, sign) if sign == signal.SIGTERM else process.kill()
    _, errors = process.communicate()
    if sign == signal.SIGTERM:
        assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
        assert not [path for path in out.rglob(".*") if path.is_file()]
    assert len(children) >= 2 and list(out.glob("clips/[!.]*.mp4")), "it was killed after it had begun"
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()], "nobody is left to write"
    subprocess.run([*command, "--workers", "1"], check=True, capture_output=True)
    assert checksums(out) == checksums(written)
