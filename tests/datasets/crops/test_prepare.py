"""Recordings become registered crops: every frame kept with its own labels or lost for a named reason."""

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_recordings import AUS, as_video, drawn_recording, inventory, unlabelled
from PIL import Image

from actionunits.datasets.crops import prepare as prepare_module
from actionunits.datasets.crops.crop_data import STORED_MARGIN
from actionunits.datasets.crops.crop_files import GrowingArray
from actionunits.datasets.crops.crop_recording import decode_factor
from actionunits.datasets.crops.frame_table import anchor_row
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.crops.prepare import check_request, prepare
from actionunits.errors import UserError
from actionunits.faces.align import box_transform, cut_out, register, similarity_transform, transform_points
from actionunits.faces.landmarks import POINTS_49
from actionunits.faces.mean_face import REGISTRATION_POINTS, template_landmarks
from actionunits.media import read_image
from actionunits.media.images import read_image_reduced
from actionunits.types import Face


def table_of(folder):
    return pd.read_parquet(folder / "frames.parquet")


def lost_of(folder):
    return pd.read_csv(folder / "lost.csv", dtype=str).to_numpy().tolist()


def test_every_crop_is_its_own_picture_registered_with_its_own_labels(tmp_path):
    recordings = [drawn_recording(tmp_path / "in", "F001"), drawn_recording(tmp_path / "in", "M002", seed=1)]
    done = []
    result = prepare(
        inventory(*recordings), tmp_path / "out", workers=1, on_progress=lambda *counts: done.append(counts)
    )
    assert (result.frames, result.lost, result.landmarks) == (12, {}, "read")
    assert done[0] == (0, 12) and done[-1] == (12, 12)
    table = table_of(result.folder)
    for r in recordings:
        rows = table[table["subject"] == r.subject]
        crops = np.load(result.folder / rows["crops"].iloc[0])
        assert crops.shape == (6, 128, 128, 3) and rows["row"].tolist() == list(range(6))
        assert rows["frame"].tolist() == r.frame.tolist() and set(rows["anchor"]) == {
            r.frame[anchor_row(r, np.arange(6))[0]]
        }
        for k in range(6):
            expected = register(read_image(r.pixels.paths[k]), r.landmarks_px[k], 128, STORED_MARGIN)
            np.testing.assert_array_equal(crops[k], expected)
        points = rows[[f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy().reshape(-1, 68, 2)
        matrix = similarity_transform(r.landmarks_px[3], 128, STORED_MARGIN)
        np.testing.assert_allclose(points[3], transform_points(r.landmarks_px[3], matrix), atol=0.01)
    assert table["fold"].tolist() == [1] * 6 + [2] * 6  # F001 and M002 in the published lists
    card = json.loads((result.folder / "dataset.json").read_text())
    assert {
        "kind": "crops",
        "format": 1,
        "name": "bp4d",
        "crop_size": 128,
        "frames": 12,
        "lost": 0,
    }.items() <= card.items()
    assert card["root_counts"] == [{"what": "coded frames", "found": 12, "published": 146_847}]
    assert not (result.folder / ".parts").exists()


def test_faces_that_are_not_aligned_are_cut_out_upright(tmp_path):
    recording = drawn_recording(tmp_path / "in", "F001")
    folder = prepare(inventory(recording), tmp_path / "out", workers=1, align=False).folder
    crops, table = np.load(folder / "crops" / "F001_T1.npy"), table_of(folder)
    points = table[[f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy().reshape(-1, 68, 2)
    for k in range(len(recording)):
        matrix = box_transform(recording.landmarks_px[k], 128, STORED_MARGIN)
        np.testing.assert_array_equal(crops[k], cut_out(read_image(recording.pixels.paths[k]), matrix, 128))
        np.testing.assert_allclose(points[k], transform_points(recording.landmarks_px[k], matrix), atol=0.01)
    assert not load_data(folder, 128).aligned
    with pytest.raises(UserError, match=r"prepared otherwise \(aligned False, not True\)"):
        prepare(inventory(recording), folder, workers=1)


def test_unknown_labels_leave_no_value_behind(tmp_path):
    recording = drawn_recording(tmp_path / "in", frames=12)
    assert (recording.au_present == 7).any() and (recording.au_intensity == 99).any()
    table = table_of(prepare(inventory(recording), tmp_path / "out", workers=1).folder)
    for k, au in enumerate(AUS):
        name = f"AU{au:02d}"
        np.testing.assert_array_equal(table[f"{name}_valid"], recording.au_present_valid[:, k])
        known = recording.au_present_valid[:, k]
        np.testing.assert_array_equal(table[name][known], recording.au_present[known, k])
        assert (table[name][~known] == 0).all()
        rated = recording.au_intensity_valid[:, k]
        np.testing.assert_allclose(table[f"{name}_r"][rated], recording.au_intensity[rated, k])
        assert table[f"{name}_r"][~rated].isna().all()


def test_an_au_that_one_recording_lacks_is_unknown_there(tmp_path):
    whole, other = drawn_recording(tmp_path / "in", "F001"), drawn_recording(tmp_path / "in", "F002")
    labels = ("au_present", "au_present_valid", "au_intensity", "au_intensity_valid")
    fewer = replace(other, aus=AUS[:2], **{name: getattr(other, name)[:, :2] for name in labels})
    table = table_of(prepare(inventory(whole, fewer), tmp_path / "out", workers=1).folder)
    assert not table["AU25_valid"][6:].any() and table["AU25_r"][6:].isna().all()
    assert table["AU25_valid"][:6].tolist() == whole.au_present_valid[:, 2].tolist()


def test_the_49_points_of_a_data_set_are_enough(tmp_path):
    recording = drawn_recording(tmp_path / "in", frames=3)
    assert set(REGISTRATION_POINTS) <= set(POINTS_49)
    landmarks = np.full_like(recording.landmarks_px, np.nan)
    landmarks[:, list(POINTS_49)] = recording.landmarks_px[:, list(POINTS_49)]
    whole = prepare(inventory(recording), tmp_path / "68", workers=1).folder
    part = prepare(inventory(replace(recording, landmarks_px=landmarks)), tmp_path / "49", workers=1).folder
    np.testing.assert_array_equal(np.load(part / "crops/F001_T1.npy"), np.load(whole / "crops/F001_T1.npy"))
    table = table_of(part)
    assert table["x_0"].isna().all() and table["y_60"].isna().all() and table["x_36"].notna().all()


def test_frames_are_lost_for_named_reasons_and_listed(tmp_path):
    r = drawn_recording(tmp_path / "in", frames=8)
    r.pixels.paths[1].unlink()
    r.pixels.paths[2].write_bytes(r.pixels.paths[2].read_bytes()[:200])
    landmarks = r.landmarks_px.copy()
    landmarks[3, 36] = np.nan  # an eye corner
    landmarks[4] = 0  # what some trackers write when they fail
    r = replace(r, landmarks_px=landmarks, lost={5: "known bad landmarks"})
    video = as_video(
        drawn_recording(tmp_path / "in", "M001", frames=4), tmp_path / "v.mp4", 5, np.array([0, 2, 4, 9])
    )
    gone = replace(
        drawn_recording(tmp_path / "in", "M002", frames=2), pixels=replace(video.pixels, path=tmp_path / "no.mp4")
    )
    gone = replace(gone, pixels=replace(gone.pixels, index=np.array([0, 1])))
    result = prepare(inventory(r, video, gone), tmp_path / "out", workers=1)
    assert lost_of(result.folder) == [
        ["F001", "T1", "101", "no picture"],
        ["F001", "T1", "102", "damaged picture"],
        ["F001", "T1", "103", "no landmarks"],
        ["F001", "T1", "104", "no landmarks"],
        ["F001", "T1", "105", "known bad landmarks"],
        ["M001", "T1", "103", "video ends early"],
        ["M002", "T1", "100", "no picture"],
        ["M002", "T1", "101", "no picture"],
    ]
    once = ("damaged picture", "known bad landmarks", "video ends early")
    assert result.lost == {"no picture": 3, "no landmarks": 2} | dict.fromkeys(once, 1)
    table = table_of(result.folder)
    assert table["frame"].tolist() == [100, 106, 107, 100, 101, 102]
    assert table["row"].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(np.load(result.folder / "crops/F001_T1.npy")) == 3
    assert not (result.folder / "crops/M002_T1.npy").exists()


def test_rows_of_a_video_are_the_frames_at_their_index(tmp_path):
    r = drawn_recording(tmp_path / "in", frames=3)
    video = as_video(r, tmp_path / "v.mp4", 9, np.array([1, 4, 8]))
    folder = prepare(inventory(video), tmp_path / "out", workers=1).folder
    crops = np.load(folder / "crops/F001_T1.npy").astype(int)
    for k in range(3):
        exact = register(read_image(r.pixels.paths[k]), r.landmarks_px[k], 128, STORED_MARGIN)
        assert np.abs(crops[k] - exact).mean() < 2.5  # H.264


def test_a_lost_anchor_is_replaced_by_the_next_kept_frame(tmp_path):
    anchors = {}
    for name, anchor, lost in (("own", 2, {}), ("next", 2, {2: "x", 3: "x"}), ("last", 4, {4: "x", 5: "x"})):
        r = drawn_recording(tmp_path / name, anchor=anchor, lost=lost)
        r = replace(r, au_present_valid=np.zeros_like(r.au_present_valid))  # nothing tells which face is neutral
        anchors[name] = set(table_of(prepare(inventory(r), tmp_path / f"{name}-out", workers=1).folder)["anchor"])
    assert anchors == {"own": {102}, "next": {104}, "last": {103}}


@pytest.mark.parametrize(
    ("active", "lost", "row", "choice"),
    [
        ((), (), 0, "first frame"),
        ((0, 1), (), 2, "first neutral coded frame"),
        ((1,), (0,), 2, "first neutral coded frame"),
        ((0, 2), (1,), 3, "first neutral coded frame"),
        ((0, 1, 2, 3), (), 0, "next kept frame"),
        ((1, 2, 3), (0,), 1, "next kept frame"),
    ],
)
def test_the_reference_is_neutral_where_labels_tell(tmp_path, active, lost, row, choice):
    recording = drawn_recording(tmp_path, frames=4)
    present = np.zeros_like(recording.au_present)
    present[list(active), 1] = 1
    recording = replace(recording, au_present=present, au_present_valid=np.ones_like(recording.au_present_valid))
    kept = np.array([k for k in range(4) if k not in lost])
    assert anchor_row(recording, kept) == (row, choice)
    unknown = replace(recording, au_present_valid=np.zeros_like(recording.au_present_valid))
    assert anchor_row(unknown, kept)[1] == ("next kept frame" if 0 in lost else "first frame")


def test_large_jpegs_are_decoded_smaller_without_a_visible_change(tmp_path, astronaut):
    # The face about as large as in BP4D, where the decoder leaves out three quarters of the work or more.
    zoom, left = 5.2, 70
    picture = cv2.resize(astronaut[:300, left : left + 300], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    Image.fromarray(np.clip(picture + noise, 0, 255).astype(np.uint8)).save(tmp_path / "a.jpg", quality=90)
    points = ((template_landmarks() * 160 + [145, 50] - [left, 0]) + 0.5) * zoom - 0.5
    whole = read_image(tmp_path / "a.jpg")
    for size, expected_factor in ((128, 4), (256, 2)):
        matrix = similarity_transform(points, size, STORED_MARGIN)
        small, used = read_image_reduced(tmp_path / "a.jpg", decode_factor(np.hypot(matrix[0, 0], matrix[1, 0])))
        assert used == expected_factor and small.shape[0] == whole.shape[0] // used
        exact = register(whole, points, size, STORED_MARGIN).astype(int)
        difference = np.abs(register(small, (points + 0.5) / used - 0.5, size, STORED_MARGIN) - exact)
        assert difference.mean() < 0.5 and np.percentile(difference, 99) <= 2  # of 255 grey levels
        shifted = np.abs(register(small, points / used, size, STORED_MARGIN) - exact)
        assert shifted.mean() > 2 * difference.mean()  # the bound would see half a pixel


def test_rotated_pictures_and_other_formats_are_read_whole(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "b.jpg", exif=turned)
    for name, shape in (("a.png", (64, 96, 3)), ("b.jpg", (96, 64, 3))):
        read, used = read_image_reduced(tmp_path / name, 4)
        assert used == 1 and read.shape == shape
        np.testing.assert_array_equal(read, read_image(tmp_path / name))


def test_an_interrupted_run_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    recordings = [drawn_recording(tmp_path / "in", f"F00{k}") for k in (1, 2, 3)]
    whole = prepare(inventory(*recordings), tmp_path / "whole", workers=1).folder

    def interrupt(done, total):
        if done >= 8:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare(inventory(*recordings), out, workers=1, on_progress=interrupt)
    assert [p.name for p in (out / "crops").iterdir()] == ["F001_T1.npy"]  # nothing half-written
    assert sorted(p.name for p in (out / ".parts").iterdir()) == ["F001_T1.parquet", "plan.json"]
    made, counts = [], []
    real = prepare_module.crop_recording
    monkeypatch.setattr(
        prepare_module,
        "crop_recording",
        lambda recording, *rest: made.append(recording.name) or real(recording, *rest),
    )
    prepare(inventory(*recordings), out, workers=1, on_progress=lambda *c: counts.append(c))
    assert made == ["F002_T1", "F003_T1"] and counts[0] == (6, 18)
    pd.testing.assert_frame_equal(table_of(out), table_of(whole))
    for name in ("F001_T1", "F002_T1", "F003_T1"):
        assert (out / f"crops/{name}.npy").read_bytes() == (whole / f"crops/{name}.npy").read_bytes()
    made.clear()
    again = prepare(inventory(*recordings), out, workers=1)
    assert again.was_complete and again.frames == 18 and made == []


def test_processes_give_the_same_as_one(tmp_path):
    recordings = [drawn_recording(tmp_path / "in", f"F00{k}", frames=3 + k) for k in (1, 2, 3)]
    counts = []
    one = prepare(inventory(*recordings), tmp_path / "one", workers=1).folder
    two = prepare(inventory(*recordings), tmp_path / "two", workers=2, on_progress=lambda *c: counts.append(c)).folder
    assert counts[-1] == (15, 15) and [c[0] for c in counts] == sorted(c[0] for c in counts)
    pd.testing.assert_frame_equal(table_of(one), table_of(two))
    assert (one / "crops/F002_T1.npy").read_bytes() == (two / "crops/F002_T1.npy").read_bytes()


def test_a_folder_keeps_what_it_was_made_for(tmp_path):
    r = drawn_recording(tmp_path / "in")
    out = prepare(inventory(r), tmp_path / "out", workers=1, options={"camera": "left"}).folder
    with pytest.raises(UserError, match=r"prepared otherwise \(image_size 112, not 224\); repeat"):
        prepare(inventory(r), out, image_size=224)
    changed = replace(r, au_present_valid=~r.au_present_valid)
    with pytest.raises(UserError, match=r"from other files or labels.*then: camera left"):
        prepare(inventory(changed), out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds no crops of this program"):
        prepare(inventory(r), tmp_path / "mine")
    (tmp_path / "renders").mkdir()
    (tmp_path / "renders" / "dataset.json").write_text('{"name": "synthau-wild"}')
    with pytest.raises(UserError, match="holds no crops of this program"):
        prepare(inventory(r), tmp_path / "renders")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_two_runs_do_not_write_one_folder(tmp_path):
    r = drawn_recording(tmp_path / "in")

    def start_another(done, total):
        with pytest.raises(UserError, match="another run is preparing"):
            prepare(inventory(r), tmp_path / "out", workers=1)

    assert prepare(inventory(r), tmp_path / "out", workers=1, on_progress=start_another).frames == 6


def test_what_cannot_be_written_is_told_in_one_line(tmp_path, monkeypatch):
    r = drawn_recording(tmp_path / "in")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*: part of the path is a file"):
        prepare(inventory(r), tmp_path / "file" / "out")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(UserError, match=r"the crops need 0.1 GB, and .* has 0.0 GB free"):
        prepare(inventory(r), tmp_path / "out", workers=1)
    with pytest.raises(UserError, match="cannot write /dev/full: the disk is full"):
        GrowingArray(Path("/dev/full"), (2,), np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: [r, r], "2 recordings have the name F001_T1"),
        (lambda r: [replace(r, task="a/b")], "cannot be the name of a file"),
        (lambda r: [], "there is no frame to prepare"),
        (
            lambda r: [replace(r, lost=dict.fromkeys(range(6), "known bad landmarks"))],
            "no frame could be kept .6 known",
        ),
    ],
)
def test_recordings_that_cannot_be_prepared(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        prepare(inventory(*change(drawn_recording(tmp_path / "in"))), tmp_path / "out", workers=1)


def test_options_out_of_range_are_refused(tmp_path):
    r = drawn_recording(tmp_path / "in")
    with pytest.raises(UserError, match="--landmarks must be auto, read, find"):
        prepare(inventory(r), tmp_path / "out", landmarks="guess")
    with pytest.raises(UserError, match="--size must be between"):
        prepare(inventory(r), tmp_path / "out", image_size=4)
    with pytest.raises(UserError, match="no landmarks to read; use --landmarks find"):
        prepare(inventory(replace(r, landmarks_px=None)), tmp_path / "out", landmarks="read")


def test_nothing_is_written_into_the_data_set(tmp_path):
    for out in ("data/crops", "data/F001/../F002/out"):
        with pytest.raises(UserError, match=r"lies inside the data set .*, where nothing is written"):
            check_request(tmp_path / "data", tmp_path / out, 112, "auto")
    check_request(tmp_path / "data", tmp_path / "data-crops", 112, "auto")
    check_request(tmp_path / "data" / "in", tmp_path / "data" / "out", 112, "auto")
    with pytest.raises(UserError, match="--size must be between"):
        check_request(tmp_path, tmp_path / "out", 0, "auto")


class ScriptedFinder:
    """Sees what it is told: per row, for each visible face its number and width in pixels."""

    script: dict[int, dict[int, float]] = {}  # noqa: RUF012

    def __init__(self, video, max_faces=None):
        assert video

    def __call__(self, frame):
        return [self._face(number, width) for number, width in self.script.get(frame.index, {}).items()]

    def _face(self, number, width):
        points = (template_landmarks() * width + 10 * number).astype(np.float32)
        mesh = np.zeros((478, 3), np.float32)
        mesh[:68, :2] = points
        box = np.concatenate([points.min(0), points.max(0)])
        return Face(box, points, 0.9, np.zeros(3), np.zeros(3), mesh, number)

    def close(self):
        pass


@pytest.fixture
def scripted(monkeypatch):
    def use(script):
        monkeypatch.setattr(ScriptedFinder, "script", script)
        monkeypatch.setattr("actionunits.faces.FaceFinder", ScriptedFinder)

    return use


def test_without_landmarks_the_large_face_that_stays_is_kept(tmp_path, scripted):
    # 0: small, always there; 1: large, in all rows but two; 2: huge, for one moment
    scripted({k: {0: 30, **({1: 80} if k not in (3, 6) else {}), **({2: 120} if k == 1 else {})} for k in range(7)})
    r = drawn_recording(tmp_path / "in", frames=8, landmarks_px=None)
    result = prepare(inventory(r), tmp_path / "out", workers=1)
    assert result.landmarks == "found" and table_of(result.folder)["frame"].tolist() == [100, 101, 102, 104, 105]
    assert lost_of(result.folder) == [
        ["F001", "T1", "103", "only another face"],
        ["F001", "T1", "106", "only another face"],
        ["F001", "T1", "107", "no face found"],
    ]
    crops, meshes = (np.load(result.folder / f"{kind}/F001_T1.npy") for kind in ("crops", "meshes"))
    assert crops.shape == (5, 128, 128, 3) and meshes.shape == (5, 478, 3) and meshes.dtype == np.float16
    points = template_landmarks() * 80 + 10
    expected = register(read_image(r.pixels.paths[4]), points, 128, STORED_MARGIN)
    np.testing.assert_array_equal(crops[3], expected)
    template = ((template_landmarks() - 0.5) / (1 + 2 * STORED_MARGIN)) + 0.5
    np.testing.assert_allclose(meshes[3, :68, :2], template, atol=1e-3)
    assert {p.name for p in result.folder.iterdir()} == {
        "crops",
        "meshes",
        "dataset.json",
        "frames.parquet",
        "lost.csv",
    }


def test_a_person_who_comes_back_is_kept_where_labels_say_that_it_is_one_person(tmp_path, scripted):
    script = {0: {0: 80}, 1: {0: 80}, 3: {5: 70}, 4: {0: 80}, 5: {6: 20}}
    scripted(script)
    labelled = drawn_recording(tmp_path / "in", frames=6, landmarks_px=None)
    folder = prepare(inventory(labelled), tmp_path / "a", workers=1).folder
    assert table_of(folder)["frame"].tolist() == [100, 101, 103, 104]
    crops = np.load(folder / "crops/F001_T1.npy")
    for row, k, number, width in ((2, 3, 5, 70), (3, 4, 0, 80)):  # two tracks, joined in the order of rows
        points = template_landmarks() * width + 10 * number
        expected = register(read_image(labelled.pixels.paths[k]), points, 128, STORED_MARGIN)
        np.testing.assert_array_equal(crops[row], expected)
    folder = prepare(inventory(unlabelled(labelled)), tmp_path / "b", workers=1).folder
    assert not [name for name in table_of(folder).columns if name.startswith("AU")]


def test_without_labels_every_unbroken_track_is_a_clip_of_its_own(tmp_path, scripted):
    # Person 0 leaves and comes back as 5; person 6 is beside them for a while; nobody is there in row 4.
    scripted({0: {0: 80}, 1: {0: 80, 6: 40}, 2: {0: 80, 6: 40}, 3: {6: 40}, 5: {5: 80}, 6: {5: 80}})
    recording = unlabelled(drawn_recording(tmp_path / "in", frames=7, landmarks_px=None))
    folder = prepare(inventory(recording), tmp_path / "out", workers=1).folder
    table = table_of(folder)
    clips = {crops: rows["frame"].tolist() for crops, rows in table.groupby("crops", sort=False)}
    assert clips == {
        "crops/F001_T1.npy": [100, 101, 102],
        "crops/F001_T1.track2.npy": [101, 102, 103],
        "crops/F001_T1.track3.npy": [105, 106],
    }
    assert set(table["subject"]) == {"F001"} and lost_of(folder) == [["F001", "T1", "104", "no face found"]]
    points = template_landmarks() * 40 + 60
    expected = register(read_image(recording.pixels.paths[3]), points, 128, STORED_MARGIN)
    np.testing.assert_array_equal(np.load(folder / "crops/F001_T1.track2.npy")[2], expected)
    assert np.load(folder / "meshes/F001_T1.track3.npy").shape == (2, 478, 3)
    data = load_data([folder], 128)
    assert len(data) == 8 and len(set(data.clip.tolist())) == 3


def test_landmarks_are_read_where_most_recordings_have_them(tmp_path, scripted):
    scripted({k: {0: 80} for k in range(3)})
    a, b, c = (drawn_recording(tmp_path / "in", name, frames=3) for name in ("F001", "F002", "F003"))
    one_lacks = prepare(inventory(a, b, replace(c, landmarks_px=None)), tmp_path / "read", workers=1)
    assert one_lacks.landmarks == "read" and one_lacks.lost == {"no landmarks": 3}
    most_lack = [a, *(replace(r, landmarks_px=None) for r in (b, c))]
    assert prepare(inventory(*most_lack), tmp_path / "found", workers=1).landmarks == "found"


def test_faces_of_renders_are_found_where_they_are(tmp_path, mini_dir):
    from actionunits.datasets.crops import synthau
    from actionunits.datasets.readers.recording import Recording, VideoFile

    frames = synthau.read_frames(mini_dir / "studio")
    clip = str(frames["clip"].iloc[0])
    rows = frames[(frames["clip"] == clip) & (frames["frame"] < 40) & (frames["frame"] % 4 == 0)]
    points = rows[[f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy(np.float32).reshape(-1, 68, 2)
    nothing = np.zeros((len(rows), 0))
    recording = Recording(
        *("S1", "T1", VideoFile(mini_dir / "studio" / clip, rows["frame"].to_numpy(np.int64))),
        *(rows["frame"].to_numpy(np.int64), rows["time_s"].to_numpy(float), ()),
        *(nothing.astype(np.uint8), nothing.astype(bool), nothing.astype(np.float32), nothing.astype(bool)),
    )
    folder = prepare(inventory(recording, dataset="videos"), tmp_path / "out", workers=1).folder
    table = table_of(folder)
    assert table["frame"].tolist() == rows["frame"].tolist()
    found = table[[f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy().reshape(-1, 68, 2)
    true = np.stack([transform_points(p, similarity_transform(p, 128, STORED_MARGIN)) for p in points])
    assert np.abs(found[:, 17:] - true[:, 17:]).mean() < 2.5  # crop pixels
    mesh = np.load(folder / "meshes/S1_T1.npy").astype(float)
    np.testing.assert_allclose((found[:, 30] + 0.5) / 128, mesh[:, 4, :2], atol=2e-3)  # the tip of the nose
