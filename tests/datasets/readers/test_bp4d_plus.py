import shutil
from dataclasses import replace

import numpy as np
import pytest
from official_trees import drawn_clip

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.readers.bp4d import read as read_bp4d
from actionunits.datasets.readers.bp4d_plus import BP4D_PLUS, read
from actionunits.datasets.readers.recording import PictureFiles
from actionunits.errors import UserError
from actionunits.faces.landmarks import POINTS_49
from actionunits.media import read_image
from actionunits.synth.layouts import bp4d as bp4d_writer
from actionunits.synth.layouts import bp4d_plus as writer

FRAMES = 8


@pytest.fixture(scope="module")
def clips():
    return {
        f"{writer.subject_name(s)}_{writer.TASKS[t]}": drawn_clip(s, t, FRAMES, SYNTH_AUS, seed=9)
        for s in (0, 1)
        for t in range(4)
    }


@pytest.fixture(scope="module")
def pristine(clips, tmp_path_factory):
    root = tmp_path_factory.mktemp("official") / "MMSE"
    for clip in clips.values():
        writer.write_clip(root, clip)
    return root


@pytest.fixture
def tree(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "MMSE")


def assert_labels_as_written(inventory, clips):
    for recording in inventory.recordings:
        levels = np.stack([clips[recording.name].levels(au) for au in recording.aus], axis=1)
        assert recording.au_present_valid.all()
        np.testing.assert_array_equal(recording.au_present, levels > 0)
        known = [recording.aus.index(au) for au in (6, 10, 12, 14, 17)]
        assert recording.au_intensity_valid[:, known].all() and recording.au_intensity_valid.sum() == 5 * FRAMES
        np.testing.assert_array_equal(recording.au_intensity[:, known], levels[:, known])


def picture_errors(recording, clip):
    """Mean difference of every picture from the drawn frame of its row."""
    drawn = list(clip.images())
    return [
        np.abs(read_image(path).astype(float) - drawn[row]).mean()
        for row, path in enumerate(recording.pixels.paths)
        if row not in (recording.lost or {})
    ]


def test_everything_written_is_read_with_the_picture_one_below_the_frame(pristine, clips):
    inventory = read(pristine)
    assert inventory.dataset == "bp4d+" and inventory.occurrence_level == 1.0
    assert [r.name for r in inventory.recordings] == sorted(clips)
    assert_labels_as_written(inventory, clips)
    assert list(inventory.problems) == ["other than published: 2 subjects of 140, 8 sequences of 560"]
    for recording in inventory.recordings:
        clip = clips[recording.name]
        assert recording.lost is None and recording.frame[0] == writer.first_frame(clip.subject, clip.task)
        assert [int(path.stem) for path in recording.pixels.paths] == list(recording.frame - 1)
        assert max(picture_errors(recording, clip)) < 4
        np.testing.assert_allclose(
            recording.landmarks_px[:, list(POINTS_49)], clip.landmarks_px[:, POINTS_49], atol=1e-4
        )


def test_frame_offset_is_an_option(pristine, clips):
    inventory = read(pristine, frame_offset=0)
    recording = inventory.recordings[0]
    # The first picture now lies before the first coded frame, and is the anchor.
    assert [int(path.stem) for path in recording.pixels.paths] == list(recording.frame)
    assert list(np.diff(recording.frame)) == [1] * FRAMES
    assert recording.lost == {FRAMES: "no picture"} and not recording.coded[0]
    coded = replace(recording, pixels=PictureFiles(recording.pixels.paths[1:FRAMES]))
    errors = picture_errors(coded, clips[recording.name])
    assert np.mean(errors) > 3 * np.mean(picture_errors(read(pristine).recordings[0], clips[recording.name]))


def test_published_numbers(pristine):
    assert (BP4D_PLUS.subjects, len(BP4D_PLUS.tasks)) == (140, 4)
    counts = {count.what: (count.found, count.published) for count in read(pristine, landmarks_required=True).counts}
    assert counts == {
        "subjects": (2, 140),
        "sequences": (8, 560),
        "coded frames with landmarks (landmarks required)": (8 * FRAMES, None),
    }


def test_columns_are_found_by_name_though_their_position_is_not_the_number(tree, clips):
    # Read by position, AU 24 would be the column of another AU.
    path = tree / "AUCoding/AU_OCC/F001_T6.csv"
    header = path.read_text().splitlines()[0].split(",")
    assert header.index("24") != 24 and len(header) == 35
    assert_labels_as_written(read(tree), clips)


def test_tasks_that_nobody_coded_are_no_missing_tables(tree, clips):
    for task in ("T2", "T10"):
        shutil.copytree(tree / "2D+3D/F001/T1", tree / "2D+3D/F001" / task)
    inventory = read(tree)
    assert [r.name for r in inventory.recordings] == sorted(clips) and len(inventory.problems) == 1


def test_only_zip_files_are_a_clear_message(tree):
    shutil.rmtree(tree / "2D+3D")
    (tree / "2D+3D").mkdir()
    (tree / "2D+3D" / "F001.zip").touch()
    with pytest.raises(UserError) as error:
        read(tree)
    message = str(error.value)
    assert "2D+3D holds the pictures in zip files; unpack each there" in message and "\n" not in message
    assert "2D+3D/F001/T1/0000.jpg" in message


def test_one_person_still_zipped_loses_that_persons_frames(tree, clips):
    shutil.rmtree(tree / "2D+3D" / "F002")
    (tree / "2D+3D" / "F002.zip").touch()
    inventory = read(tree)
    assert_labels_as_written(inventory, clips)
    assert sum("the pictures are still in F002.zip; all frames are lost" in line for line in inventory.problems) == 4
    assert [len(r.lost or {}) for r in inventory.recordings] == [0] * 4 + [FRAMES] * 4


def test_read_as_bp4d_the_people_and_tasks_give_it_away(tmp_path):
    writer.write_clip(tmp_path, drawn_clip(40, 0, 3, SYNTH_AUS))
    with pytest.raises(UserError, match=r"is not BP4D: .* of BP4D\+, .* numbered otherwise; prepare bp4d\+ instead$"):
        read_bp4d(tmp_path)
    with pytest.raises(UserError, match=r"is not BP4D\+: expected .*2D\+3D/F001/T1/0000\.jpg, found F041/"):
        read(tmp_path / "2D+3D")


def test_the_columns_tell_bp4d_and_bp4d_plus_apart(pristine, tmp_path):
    bp4d_writer.write_clip(tmp_path, drawn_clip(0, 0, 3, SYNTH_AUS))
    assert read_bp4d(tmp_path).recordings[0].lost is None
    # Read with the offset of BP4D+ every label would go to the picture before its own.
    with pytest.raises(UserError, match=r"is not BP4D\+: the tables have .* of BP4D, .*prepare bp4d instead"):
        read(tmp_path)
    assert any("the columns of BP4D; is this another" in line for line in read(tmp_path, frame_offset=0).problems)
    with pytest.raises(UserError, match=r"is not BP4D: the tables have .* of BP4D\+, .*prepare bp4d\+ instead"):
        read_bp4d(pristine)
    assert not any("columns" in line for line in (*read(pristine).problems, *read_bp4d(tmp_path).problems))
