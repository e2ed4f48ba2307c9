import hashlib
import json
from importlib import import_module

import h5py
import numpy as np
import pandas as pd
import pytest
from official_trees import drawn_clip

from actionunits.aus import SYNTH_AUS
from actionunits.cli import main
from actionunits.datasets.readers import bp4d as bp4d_reader
from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49
from actionunits.media import read_image
from actionunits.synth.dataset import Plan
from actionunits.synth.layouts import LAYOUTS, bp4d, bp4d_plus
from actionunits.synth.layouts.render import write_layout


def checksums(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def small_plan(**changed):
    values = dict(look="studio", subjects=2, clips=2, frames=4, size=48, fps=25.0, seed=7, rates="balanced")
    return Plan(**{**values, **changed})


class Killed(Exception):
    """Stands for a run that ends before its time."""


@pytest.fixture(scope="module")
def rendered(facekit_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("renders") / "bp4d"
    assert write_layout(facekit_dir, root, "bp4d", small_plan(), workers=1) == root
    return root


def test_level_of_a_frame_is_the_nearest_one_and_agrees_with_occurrence():
    clip = drawn_clip(0, 0, 6, (12, 25))
    values = np.array([0, 0.6, 0.994, 0.996, 2.5, 4.6], np.float32)
    clip.au_intensity[:, 0] = values
    np.testing.assert_array_equal(clip.levels(12), [0, 0, 0, 1, 2, 5])
    np.testing.assert_array_equal(clip.levels(12) > 0, values.round(2) >= 1)


def test_bp4d_tree_is_the_official_one(tmp_path):
    clip = drawn_clip(0, 0, 5, SYNTH_AUS)
    bp4d.write_clip(tmp_path, clip)
    bp4d.write_clip(tmp_path, drawn_clip(1, 2, 5, SYNTH_AUS))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    pictures = {f"F001/T1/{n}.jpg" for n in range(990, 995)} | {f"F002/T3/{n}.jpg" for n in range(1249, 1254)}
    tables = {f"AUCoding/AU_OCC/{s}.csv" for s in ("F001_T1", "F002_T3")}
    levels = {
        f"AUCoding/AU_INT/AU{au:02d}/{s}_AU{au:02d}.csv" for au in (6, 10, 12, 14, 17) for s in ("F001_T1", "F002_T3")
    }
    assert files == pictures | tables | levels | {"2DFeatures/F001_T1.mat", "2DFeatures/F002_T3.mat"}


def test_public_ways_of_reading_bp4d_give_the_written_labels(tmp_path):
    clip = drawn_clip(3, 1, 9, SYNTH_AUS)
    bp4d.write_clip(tmp_path, clip)
    aus = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
    table = pd.read_csv(
        tmp_path / "AUCoding/AU_OCC/F004_T2.csv", header=0, index_col=0, usecols=["0", *map(str, aus)]
    )
    expected = np.stack([clip.levels(au) > 0 for au in aus], axis=1)
    np.testing.assert_array_equal(table.to_numpy(), expected)
    # Another reader takes the position of a column as the number of its AU.
    by_position = np.loadtxt(tmp_path / "AUCoding/AU_OCC/F004_T2.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(by_position[:, aus], expected)
    assert (by_position[:, [11, 13, 25, 26, 45]] == 9).all(), "what nobody coded is unknown"
    level = np.loadtxt(tmp_path / "AUCoding/AU_INT/AU12/F004_T2_AU12.csv", delimiter=",")
    np.testing.assert_array_equal(level, np.stack([table.index, clip.levels(12)], axis=1))
    assert list(table.index) == [int(path.stem) for path in sorted((tmp_path / "F004/T2").iterdir())]
    with h5py.File(tmp_path / "2DFeatures/F004_T2.mat") as file:
        references = file["fit/pred"]
        assert references.shape == (table.index[-1], 1)
        for row, frame in enumerate(table.index):
            points = file[references[frame - 1][0]][()].transpose()
            np.testing.assert_array_equal(points, clip.landmarks_px[row, list(POINTS_49)])
        assert file[references[table.index[0] - 2][0]].size == 2, "MATLAB's empty array before the first frame"


def test_landmark_files_begin_as_matlab_writes_them(tmp_path):
    bp4d.write_clip(tmp_path, drawn_clip(0, 0, 3, SYNTH_AUS))
    head = (tmp_path / "2DFeatures/F001_T1.mat").read_bytes()[:520]
    assert head.startswith(b"MATLAB 7.3 MAT-file") and head[124:128] == b"\x00\x02IM"
    assert head[512:520] == b"\x89HDF\r\n\x1a\n"


def test_bp4d_plus_counts_its_pictures_from_one_below_its_tables(tmp_path):
    clip = drawn_clip(0, 1, 4, SYNTH_AUS)
    bp4d_plus.write_clip(tmp_path, clip)
    table = pd.read_csv(tmp_path / "AUCoding/AU_OCC/F001_T6.csv", index_col=0)
    assert len(table.columns) == 34 and list(table.columns[:10]) == "1 2 4 5 6 7 9 10 11 12".split()
    numbers = [int(path.stem) for path in sorted((tmp_path / "2D+3D/F001/T6").iterdir())]
    assert [number + 1 for number in numbers] == list(table.index)
    assert (table[["11", "13", "39"]] == 9).all(axis=None)


@pytest.mark.parametrize("writer", [bp4d, bp4d_plus])
def test_numbers_and_padding_differ_by_sequence_and_sort_by_name(writer, tmp_path):
    firsts, lengths = set(), set()
    for subject in range(3):
        for task in range(3):
            writer.write_clip(tmp_path, drawn_clip(subject, task, 3, SYNTH_AUS, size=32))
    for folder in {path.parent for path in tmp_path.rglob("*.jpg")}:
        names = sorted(path.stem for path in folder.iterdir())
        assert names == sorted(names, key=int) and len({len(name) for name in names}) == 1
        firsts.add(int(names[0]))
        lengths.add(len(names[0]))
    assert len(firsts) == 9 and 0 not in firsts and lengths == {3, 4}


@pytest.mark.parametrize(("writer", "people", "next_one"), [(bp4d, 41, "M019"), (bp4d_plus, 140, "M059")])
def test_official_people_come_first_and_more_go_on(writer, people, next_one):
    assert len(writer.SUBJECTS) == len(set(writer.SUBJECTS)) == people and writer.SUBJECTS[0] == "F001"
    assert writer.subject_name(people - 1) == writer.SUBJECTS[-1] and writer.subject_name(people) == next_one


@pytest.mark.parametrize("writer", [bp4d, bp4d_plus])
def test_a_finished_clip_is_left_alone_and_an_unfinished_one_written_again(writer, tmp_path):
    clip = drawn_clip(0, 0, 3, SYNTH_AUS)
    writer.write_clip(tmp_path, clip)
    before = checksums(tmp_path)
    picture, label = next(tmp_path.rglob("*.jpg")), next(tmp_path.rglob("F001_T1.csv"))
    stamp = picture.stat().st_mtime_ns
    writer.write_clip(tmp_path, clip)
    assert picture.stat().st_mtime_ns == stamp
    label.unlink()
    picture.unlink()
    writer.write_clip(tmp_path, clip)
    assert checksums(tmp_path) == before


@pytest.mark.parametrize("writer", [bp4d, bp4d_plus])
def test_a_task_that_the_data_set_lacks_is_refused(writer, tmp_path):
    with pytest.raises(UserError, match=r"holds \d (coded )?sequences per person"):
        writer.write_clip(tmp_path, drawn_clip(0, len(writer.TASKS), 2, SYNTH_AUS))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_a_writer(name):
    writer = import_module(f"actionunits.synth.layouts.{LAYOUTS[name].module}")
    assert callable(writer.write_clip) and len(set(writer.SUBJECTS)) == len(writer.SUBJECTS) > 0


def test_rendered_tree_reads_back_with_the_rendered_labels(rendered):
    inventory = bp4d_reader.read(rendered, landmarks_required=True)
    assert [r.name for r in inventory.recordings] == ["F001_T1", "F001_T2", "F002_T1", "F002_T2"]
    for recording in inventory.recordings:
        assert len(recording) == 4 and recording.lost is None
        assert recording.au_present_valid.all() and not recording.au_present[0].any(), "the first frame is neutral"
        image = read_image(recording.pixels.paths[2])
        assert image.shape == (48, 48, 3)
        points = recording.landmarks_px[2, list(POINTS_49)]
        x, y = points.mean(0).astype(int)
        corner = image[:6, :6].reshape(-1, 3).astype(float).mean(0)
        assert np.abs(image[y, x] - corner).max() > 20, "a face is where the landmarks say"
    assert any(r.au_present.any() for r in inventory.recordings)
    card = json.loads((rendered / "actionunits-render.json").read_text())
    assert (card["name"], card["look"], card["seed"], card["clips"]) == ("renders-bp4d", "studio", 7, 2)


def test_an_interrupted_rendering_goes_on_to_the_same_files(rendered, facekit_dir, tmp_path):
    root = tmp_path / "again"

    def stop(done, total):
        if done:
            raise Killed

    with pytest.raises(Killed):
        write_layout(facekit_dir, root, "bp4d", small_plan(), workers=1, on_progress=stop)
    assert (root / "F001").is_dir() and not (root / "F002").exists()
    (root / "F002" / "T1").mkdir(parents=True)
    (root / "F002" / "T1" / ".1127-0123abcd.jpg").write_bytes(b"half")
    stamp = (root / "AUCoding/AU_OCC/F001_T1.csv").stat().st_mtime_ns
    seen = []
    write_layout(facekit_dir, root, "bp4d", small_plan(), workers=1, on_progress=lambda done, _: seen.append(done))
    assert seen == [8, 16] and (root / "AUCoding/AU_OCC/F001_T1.csv").stat().st_mtime_ns == stamp
    assert checksums(root) == checksums(rendered)


def test_people_of_two_layouts_differ(rendered, facekit_dir, tmp_path):
    write_layout(facekit_dir, tmp_path / "plus", "bp4d+", small_plan(subjects=1, clips=1), workers=1)
    first = [read_image(next(folder.rglob("F001/T1/*.jpg"))) for folder in (rendered, tmp_path / "plus")]
    assert np.abs(first[0].astype(float) - first[1]).mean() > 5


def test_what_a_layout_cannot_hold_is_refused_before_anything_is_written(facekit_dir, tmp_path):
    for name, changed, message in (
        ("ck+", {}, "unknown layout 'ck\\+'; known are bp4d, bp4d\\+, disfa"),
        ("bp4d", {"flow": True}, "--flow has no place"),
        ("bp4d+", {"clips": 5}, "has no room for --clips 5; the most is 4"),
    ):
        with pytest.raises(UserError, match=message):
            write_layout(facekit_dir, tmp_path / "out", name, small_plan(**changed), workers=1)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_plan_or_of_other_files_is_refused(rendered, facekit_dir, tmp_path):
    before = checksums(rendered)
    with pytest.raises(UserError, match=r"holds another data set .*name=renders-bp4d"):
        write_layout(facekit_dir, rendered, "bp4d+", small_plan(), workers=1)
    with pytest.raises(UserError, match=r"holds another data set .*seed=7"):
        write_layout(facekit_dir, rendered, "bp4d", small_plan(seed=8), workers=1)
    assert checksums(rendered) == before
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match=r"is not a data set of renders \(no actionunits-render.json\)"):
        write_layout(facekit_dir, tmp_path, "bp4d", small_plan(), workers=1)


def test_command_writes_a_layout_in_its_own_look(facekit_dir, tmp_path, monkeypatch, capsys):
    words = "--layout bp4d+ --subjects 1 --clips 1 --frames 2 --size 32 --seed 3 --workers 1".split()
    argv = ["actionunits", "synth", "--facekit", str(facekit_dir), "--out", str(tmp_path / "out"), *words]

    def run(*more):
        monkeypatch.setattr("sys.argv", [*argv, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    code, out, _ = run()
    assert code == 0 and out == f"1 clips of 2 frames in {tmp_path / 'out'}\n"
    assert json.loads((tmp_path / "out/actionunits-render.json").read_text())["look"] == "studio"
    assert len(list((tmp_path / "out/2D+3D/F001/T1").iterdir())) == 2
    code, _, err = run("--flow")
    assert code == 2 and "--flow has no place in the layout" in err
    code, _, err = run("--look", "wild")
    assert code == 2 and "holds another data set (look=studio)" in err


@pytest.mark.slow
def test_two_processes_write_the_same_files_as_one(rendered, facekit_dir, tmp_path):
    write_layout(facekit_dir, tmp_path / "two", "bp4d", small_plan(), workers=2)
    assert checksums(tmp_path / "two") == checksums(rendered)
