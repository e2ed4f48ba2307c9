import os
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from official_trees import drawn_clip

from actionunits.aus import DATASET_AUS, SYNTH_AUS
from actionunits.datasets.crops.prepare import prepare
from actionunits.datasets.crops.prepared import load_crops, read_frames
from actionunits.datasets.readers.bp4d import BP4D, read
from actionunits.datasets.readers.bp4d_tables import read_intensity, read_occurrence
from actionunits.datasets.sampling.folds import PUBLISHED_FOLDS
from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49
from actionunits.media import read_image
from actionunits.synth.layouts import bp4d as writer

CODED = tuple(au for au in SYNTH_AUS if au in writer.CODED_AUS)
FRAMES = 12
OCC = "AUCoding/AU_OCC/F001_T1.csv"
INT = "AUCoding/AU_INT/AU12/F001_T1_AU12.csv"
FIRST = 990  # frame number with which F001/T1 begins


@pytest.fixture(scope="module")
def clips():
    """What is written: two people, two tasks each."""
    return {
        f"{writer.subject_name(s)}_{writer.TASKS[t]}": drawn_clip(s, t, FRAMES, SYNTH_AUS, seed=4)
        for s in (0, 1)
        for t in (0, 1)
    }


@pytest.fixture(scope="module")
def pristine(clips, tmp_path_factory):
    root = tmp_path_factory.mktemp("official") / "BP4D"
    for clip in clips.values():
        writer.write_clip(root, clip)
    return root


@pytest.fixture
def tree(pristine, tmp_path):
    """A copy to plant faults in."""
    return shutil.copytree(pristine, tmp_path / "BP4D")


def edit(path, change):
    """Replace the lines of a text file by `change(lines)`."""
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def with_cell(line, column, value):
    cells = line.split(",")
    cells[column] = value
    return ",".join(cells)


def assert_labels_as_written(inventory, clips, *, left_out=(), unknown=(), unknown_levels=()):
    """Every label of every sequence is what was written, but for those that are said to be unknown.

    unknown: (sequence, AU, row or slice) of occurrences; unknown_levels: the same of intensities.
    """
    assert [r.name for r in inventory.recordings] == [name for name in sorted(clips) if name not in left_out]
    for recording in inventory.recordings:
        clip = clips[recording.name]
        levels = np.stack([clip.levels(au) for au in recording.aus], axis=1)
        valid = np.ones(levels.shape, bool)
        level_valid = np.zeros(levels.shape, bool)
        level_valid[:, [recording.aus.index(au) for au in DATASET_AUS["bp4d_intensity"]]] = True
        for target, cases in ((valid, unknown), (level_valid, unknown_levels)):
            for name, au, rows in cases:
                if name == recording.name:
                    target[rows, recording.aus.index(au)] = False
        np.testing.assert_array_equal(recording.au_present_valid, valid)
        np.testing.assert_array_equal(recording.au_present[valid], (levels > 0)[valid])
        np.testing.assert_array_equal(recording.au_intensity_valid, level_valid)
        np.testing.assert_array_equal(recording.au_intensity[level_valid], levels[level_valid])


def problems_of(inventory):
    """All problems but that the tree is smaller than the real data set."""
    return [line for line in inventory.problems if not line.startswith("other than published")]


def test_everything_written_is_read(pristine, clips):
    inventory = read(pristine)
    assert (inventory.dataset, inventory.occurrence_level, inventory.unverified) == ("bp4d", 1.0, False)
    assert_labels_as_written(inventory, clips)
    assert problems_of(inventory) == []
    for recording in inventory.recordings:
        clip = clips[recording.name]
        assert recording.aus == CODED and recording.anchor == 0 and recording.lost is None and recording.split == ""
        first = writer.first_number(clip.subject, clip.task)
        np.testing.assert_array_equal(recording.frame, first + np.arange(FRAMES))
        np.testing.assert_allclose(recording.time_s, np.arange(FRAMES) / 25)
        landmarks = recording.landmarks_px
        np.testing.assert_array_equal(
            landmarks[:, list(POINTS_49)], clip.landmarks_px[:, POINTS_49].astype(np.float32)
        )
        assert np.isnan(np.delete(landmarks, POINTS_49, axis=1)).all()
        for path, drawn in zip(recording.pixels.paths, clip.images(), strict=True):
            assert np.abs(read_image(path).astype(float) - drawn).mean() < 4


def test_both_published_counts_are_offered_and_named(tree):
    assert (BP4D.frames, BP4D.frames_with_landmarks, BP4D.subjects) == (146_847, 146_576, 41)
    path = tree / "2DFeatures" / "F001_T2.mat"
    with h5py.File(path, "r+") as file:
        references = file["fit/pred"][()]
        first = writer.first_number(0, 1)
        references[[first - 1, first + 1]] = references[0]
        file["fit/pred"][...] = references
    every, tracked = read(tree), read(tree, landmarks_required=True)
    assert [(c.what, c.found, c.published) for c in every.counts] == [
        ("subjects", 2, 41),
        ("sequences", 4, 328),
        ("coded frames (landmarks not required)", 48, 146_847),
    ]
    last = tracked.counts[-1]
    assert (last.what, last.found, last.published) == (
        "coded frames with landmarks (landmarks required)",
        46,
        146_576,
    )
    recording = every.recordings[1]
    assert recording.lost is None and recording.anchor == 0
    assert list(np.flatnonzero(np.isnan(recording.landmarks_px).all((1, 2)))) == [0, 2]
    assert tracked.recordings[1].lost == {0: "no landmarks", 2: "no landmarks"}
    assert "48 coded frames (landmarks not required) of 146,847" in every.problems[-1]


def test_people_are_those_of_the_published_folds():
    assert sorted(writer.SUBJECTS) == sorted(sum(PUBLISHED_FOLDS["bp4d"], ()))
    assert all(map(BP4D.has, writer.SUBJECTS)) and not BP4D.has("F024") and not BP4D.has("M019")


# Each fault: what is done to the tree, what the labels then lack, and the problem that is told.


def code_9(root):
    edit(root / OCC, lambda lines: [*lines[:3], with_cell(lines[3], 12, "9"), *lines[4:]])
    edit(root / INT, lambda lines: [*lines[:5], f"{FIRST + 5},9", *lines[6:]])
    return {"unknown": [("F001_T1", 12, 2)], "unknown_levels": [("F001_T1", 12, 5)]}, []


def no_label_file(root):
    (root / OCC).unlink()
    return {"left_out": ["F001_T1"]}, ["F001_T1: pictures without a table of occurrence; the sequence is left out"]


def no_pictures(root):
    shutil.rmtree(root / "F001" / "T1")
    return {}, ["F001_T1: there is no folder of pictures; all frames are lost"]


def pictures_still_zipped(root):
    shutil.rmtree(root / "F001")
    (root / "F001.zip").touch()
    return {}, [f"F001_{task}: the pictures are still in F001.zip; all frames are lost" for task in ("T1", "T2")]


def two_pictures_missing(root):
    for number in (FIRST, FIRST + 3):
        (root / "F001" / "T1" / f"{number:04d}.jpg").unlink()
    return {}, ["F001_T1: 2 coded frames have no picture (990, 993); they are lost"]


def shuffled_rows(root):
    edit(root / OCC, lambda lines: [lines[0], *reversed(lines[1:])])
    edit(root / INT, lambda lines: lines[6:] + lines[:6])
    return {}, []


def shuffled_columns(root):
    order = [0, *np.random.default_rng(1).permutation(np.arange(1, 100))]
    edit(root / OCC, lambda lines: [",".join(line.split(",")[k] for k in order) for line in lines])
    return {}, []


def extra_columns(root):
    edit(
        root / OCC,
        lambda lines: [f"{a.split(',')[0]},{'xoccl'[k > 0]},{a.split(',', 1)[1]}" for k, a in enumerate(lines)],
    )
    return {}, []


def padded_header_and_blanks(root):
    edit(
        root / OCC,
        lambda lines: ["frame, " + ", ".join(f"AU{int(c):02d}" for c in lines[0].split(",")[1:]), "", *lines[1:], ""],
    )
    return {}, []


def other_padding(root):
    for path in (root / "F001" / "T1").iterdir():
        path.rename(path.with_name(f"{int(path.stem):06d}.JPG"))
    return {}, []


def no_padding_over_a_thousand(root):
    # 990.jpg ... 1001.jpg: sorted by name, the thousands would come first.
    for path in (root / "F001" / "T1").iterdir():
        path.rename(path.with_name(f"{int(path.stem)}.jpg"))
    return {}, []


def foreign_files(root):
    (root / "F001" / "T1" / "Thumbs.db").touch()
    (root / "F001" / "T1" / ".0991-0123abcd.jpg").touch()
    (root / "F001" / "T1" / "0990.mtl").touch()
    (root / "AUCoding" / "AU_OCC" / "readme.csv").write_text("hello")
    (root / "actionunits-render.json").write_text("{}")
    return {}, []


def au_column_missing(root):
    edit(root / OCC, lambda lines: [",".join(c for k, c in enumerate(line.split(",")) if k != 12) for line in lines])
    problem = "F001_T1.csv has no column for AU12; unknown in this sequence"
    return {"unknown": [("F001_T1", 12, slice(None))]}, [problem]


def intensity_file_missing(root):
    (root / INT).unlink()
    problem = "F001_T1: no table of intensity for AU12; unknown in this sequence"
    return {"unknown_levels": [("F001_T1", 12, slice(None))]}, [problem]


def intensity_of_two_frames_missing(root):
    edit(root / INT, lambda lines: [*lines[:4], *lines[6:]])
    problem = "F001_T1_AU12.csv lacks 2 coded frames (994, 995); intensity unknown there"
    return {"unknown_levels": [("F001_T1", 12, slice(4, 6))]}, [problem]


def no_intensities(root):
    shutil.rmtree(root / "AUCoding" / "AU_INT")
    unknown = [(f"F00{s}_T{t}", au, slice(None)) for s in (1, 2) for t in (1, 2) for au in (6, 10, 12, 14, 17)]
    return {"unknown_levels": unknown}, ["there is no folder AUCoding/AU_INT; every intensity is unknown"]


def no_landmark_file(root):
    (root / "2DFeatures" / "F001_T1.mat").unlink()
    return {}, ["F001_T1: no 2DFeatures/F001_T1.mat; the sequence has no landmarks"]


def damaged_landmark_file(root):
    path = root / "2DFeatures" / "F001_T1.mat"
    path.write_bytes(path.read_bytes()[:1000])
    return {}, ["F001_T1.mat: damaged, or no MATLAB 7.3 file with fit.pred"]


def task_that_is_not_coded(root):
    shutil.copy(root / OCC, root / "AUCoding" / "AU_OCC" / "F001_T9.csv")
    return {}, ["tables of tasks that BP4D does not code are ignored (F001_T9.csv)"]


def empty_table(root):
    edit(root / OCC, lambda lines: lines[:1])
    return {"left_out": ["F001_T1"]}, ["F001_T1.csv names no frame; the sequence is left out"]


FAULTS = [
    *(code_9, no_label_file, no_pictures, pictures_still_zipped, two_pictures_missing, shuffled_rows),
    *(shuffled_columns, extra_columns, padded_header_and_blanks, other_padding, no_padding_over_a_thousand),
    *(foreign_files, au_column_missing, intensity_file_missing, intensity_of_two_frames_missing, no_intensities),
    *(no_landmark_file, damaged_landmark_file, task_that_is_not_coded, empty_table),
]


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_is_told_and_changes_no_label(plant, tree, clips):
    lacking, told = plant(tree)
    inventory = read(tree)
    assert_labels_as_written(inventory, clips, **lacking)
    problems = problems_of(inventory)
    assert len(problems) == len(told)
    for expected in told:
        assert any(expected in line for line in problems), problems
    # Pictures go on belonging to the frames that they show, and lost frames are exactly those without a picture.
    for recording in inventory.recordings:
        drawn = list(clips[recording.name].images())
        for row, path in enumerate(recording.pixels.paths):
            assert (recording.lost or {}).get(row) == (None if path.is_file() else "no picture")
            if path.is_file():
                assert np.abs(read_image(path).astype(float) - drawn[row]).mean() < 4


def test_the_first_frame_on_disk_is_the_anchor_and_no_coded_frame(tree, tmp_path):
    # Of the pictures, the coded ones begin at FIRST; two lie before them.
    folder = tree / "F001" / "T1"
    picture = next(path for path in folder.iterdir() if int(path.stem) == FIRST)
    for number in (FIRST - 7, FIRST - 3):
        shutil.copy(picture, folder / f"{number}.jpg")
    before, after = read(tree).counts, read(tree)
    recording = after.recordings[0]
    assert recording.frame[0] == FIRST - 7 and len(recording) == FRAMES + 1 and recording.coded_rows == FRAMES
    assert not recording.coded[0] and recording.coded[1:].all() and recording.anchor == 0
    assert not recording.au_present_valid[0].any() and not recording.au_intensity_valid[0].any()
    assert after.counts == before and not any("lacks" in line for line in after.problems)
    recording.landmarks_px[0] = recording.landmarks_px[1]  # the writer has none for frames that are not coded
    out = prepare(after, tmp_path / "out", image_size=32, workers=1, landmarks="read")
    rows = read_frames(out.folder)
    own = rows[(rows["subject"] == "F001") & (rows["task"] == "T1")]
    assert set(own["anchor"]) == {FIRST - 7} and set(own["anchor_choice"]) == {"first frame"}
    data = load_crops(out.folder, 32)
    assert len(data) == len(rows) - 1 and FIRST - 7 not in data.frame.tolist()
    first = np.load(out.folder / own["crops"].iloc[0])[0]
    assert data.anchor.shape == data.images.shape and sum(out.anchors.values()) == 4
    np.testing.assert_array_equal(load_crops(out.folder, len(first)).anchor[0], first)


def test_only_the_frames_without_picture_are_lost(tree):
    two_pictures_missing(tree)
    recording = read(tree).recordings[0]
    assert recording.lost == {0: "no picture", 3: "no picture"}


# Errors name the file and the line.


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (OCC, lambda x: [*x[:4], with_cell(x[4], 1, "2"), *x[5:]], "line 5 (frame 993): AU 1 has the code '2'"),
        (OCC, lambda x: [*x[:4], with_cell(x[4], 24, "-1"), *x[5:]], "line 5 (frame 993): AU 24 has the code '-1'"),
        (OCC, lambda x: [*x[:4], with_cell(x[4], 4, ""), *x[5:]], "line 5 (frame 993): AU 4 has the code ''"),
        (OCC, lambda x: [*x[:-1], x[-1][:40]], "line 13: 19 cells where the header names 100"),
        (OCC, lambda x: [*x, x[7]], "line 14: frame 996 is already on line 8"),
        (OCC, lambda x: [x[0], *x[2:], with_cell(x[1], 0, "x")], "line 13: expected a frame number, found 'x'"),
        (OCC, lambda x: x[1:], "line 1: the header is missing or names an AU twice"),
        (OCC, lambda x: [with_cell(x[0], 50, "12"), *x[1:]], "line 1: the header is missing or names an AU twice"),
        (OCC, lambda x: [], "line 1: expected a header of AU numbers"),
        (INT, lambda x: [*x[:2], "992,6", *x[3:]], "line 3 (frame 992): the intensity is '6'"),
        (INT, lambda x: [*x[:2], "992", *x[3:]], "line 3: expected 'frame,intensity', found '992'"),
        (INT, lambda x: ["frame,intensity", *x], "line 1: expected a frame number, found 'frame'"),
        (INT, lambda x: [*x, x[0]], "line 13: frame 990 is already on line 1"),
    ],
)
def test_a_table_that_cannot_be_trusted_is_an_error_naming_file_and_line(tree, name, change, message):
    edit(tree / name, change)
    with pytest.raises(UserError) as error:
        read(tree)
    assert message in str(error.value) and str(tree / name) in str(error.value) and "\n" not in str(error.value)


def test_text_that_is_none_is_told_in_one_line(tree):
    (tree / OCC).write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match=r"cannot read .*F001_T1\.csv: it is not text"):
        read(tree)


def test_two_pictures_of_one_number_are_refused(tree):
    shutil.copy(tree / "F001/T1/0991.jpg", tree / "F001/T1/991.jpg")
    with pytest.raises(UserError, match=r"T1 holds 0991\.jpg and 991\.jpg, which are the same number"):
        read(tree)


def test_points_of_another_markup_are_told(tree):
    with h5py.File(tree / "2DFeatures" / "F001_T1.mat", "r+") as file:
        del file[f"#refs#/f{FIRST + 2}"]
        references = file["fit/pred"][()]
        references[FIRST + 1, 0] = file.create_dataset("#refs#/other", data=np.zeros((2, 66))).ref
        file["fit/pred"][...] = references
    inventory = read(tree)
    assert any("frame 992 has points of shape (2, 66); expected 49 points" in line for line in inventory.problems)
    assert inventory.recordings[0].landmarks_px is None


def test_nan_and_zero_points_and_frames_beyond_the_end_are_frames_without_landmarks(tree, clips):
    path = tree / "2DFeatures" / "F001_T1.mat"
    with h5py.File(path, "r+") as file:
        file[f"#refs#/f{FIRST}"][...] = 0
        file[f"#refs#/f{FIRST + 1}"][0, 7] = np.nan
        references = file["fit/pred"][()][:-2]
        del file["fit/pred"]
        file["fit"].create_dataset("pred", data=references.T, dtype=h5py.ref_dtype)
    bare = np.isnan(read(tree).recordings[0].landmarks_px).all((1, 2))
    assert list(np.flatnonzero(bare)) == [0, 1, FRAMES - 2, FRAMES - 1]


def test_people_of_another_data_set_are_told(tree):
    os.rename(tree / OCC, tree / "AUCoding/AU_OCC/F080_T1.csv")
    assert any("BP4D has no people named F080; is this another data set?" in x for x in read(tree).problems)


# Places: releases and copies differ.


def older_release(root):
    for path in (root / "AUCoding" / "AU_OCC").iterdir():
        path.rename(root / "AUCoding" / path.name)
    (root / "AUCoding" / "AU_OCC").rmdir()
    (root / "AUCoding" / "AU_INT").rename(root / "AU Intensity Codes3.0")
    return root


def older_release_with_hyphens(root):
    older_release(root)
    (root / "AU Intensity Codes3.0").rename(root / "AU-Intensity-Codes3.0")
    return root


def pictures_under_2d_3d(root):
    (root / "2D+3D").mkdir()
    for subject in ("F001", "F002"):
        (root / subject).rename(root / "2D+3D" / subject)
    return root


def pictures_under_their_own_name(root):
    (root / "BP4D").mkdir()
    for subject in ("F001", "F002"):
        (root / subject).rename(root / "BP4D" / subject)
    return root


def one_level_up(root):
    return root.parent


def unpacked_twice(root):
    (root / "F001").rename(root / "inner")
    (root / "F001").mkdir()
    (root / "inner").rename(root / "F001" / "F001")
    return root


@pytest.mark.parametrize(
    "move",
    [
        *(older_release, older_release_with_hyphens, pictures_under_2d_3d, pictures_under_their_own_name),
        *(one_level_up, unpacked_twice),
    ],
    ids=lambda move: move.__name__,
)
def test_trees_of_other_releases_and_copies_are_read(move, tree, clips):
    inventory = read(move(tree))
    assert_labels_as_written(inventory, clips)
    assert problems_of(inventory) == []
    assert all(path.is_file() for r in inventory.recordings for path in r.pixels.paths)
    assert all(r.landmarks_px is not None for r in inventory.recordings)


def test_a_tree_without_landmarks_is_read_unless_they_are_required(tree, clips):
    shutil.rmtree(tree / "2DFeatures")
    inventory = read(tree)
    assert_labels_as_written(inventory, clips)
    assert problems_of(inventory) == ["there is no folder 2DFeatures; landmarks have to be found in the pictures"]
    assert all(recording.landmarks_px is None for recording in inventory.recordings)
    with pytest.raises(UserError, match="landmarks are required and there is no folder 2DFeatures"):
        read(tree, landmarks_required=True)


def test_a_wrong_folder_is_told_with_what_was_expected_and_found(tree, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "photos" / "summer").mkdir(parents=True)
    for folder, found in ((tmp_path / "photos", "found summer/"), (tree / "F001", "found T1/, T2/")):
        with pytest.raises(UserError) as error:
            read(folder)
        message = str(error.value)
        assert "is not BP4D: expected AUCoding/AU_OCC/F001_T1.csv" in message and "F001/T1/2440.jpg" in message
        assert found in message and "\n" not in message
    for subject in ("F001", "F002"):
        shutil.rmtree(tree / subject)
    with pytest.raises(
        UserError, match=r"has no pictures of BP4D: expected F001/T1/2440\.jpg, found 2DFeatures/, AUC"
    ):
        read(tree)


def test_an_unknown_au_everywhere_is_no_column(tmp_path, clips):
    clip = clips["F001_T1"]
    writer.write_clip(tmp_path, replace(clip, aus=tuple(99 if au == 24 else au for au in clip.aus)))
    assert read(tmp_path).recordings[0].aus == tuple(au for au in CODED if au != 24)


def test_tables_alone_read_as_written(pristine, clips):
    table = read_occurrence(pristine / OCC)
    assert list(table.frame) == list(range(FIRST, FIRST + FRAMES)) and table.codes[25].tolist() == [9] * FRAMES
    assert read_intensity(pristine / INT)[FIRST + 4] == clips["F001_T1"].levels(12)[4]
