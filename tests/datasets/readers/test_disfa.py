"""Reading DISFA: official trees label for label, published counts, and faults that must be told."""

import re
import shutil

import numpy as np
import pytest
from official_trees import drawn_clip
from scipy.io import savemat

from actionunits.aus import DATASET_AUS
from actionunits.datasets.readers import disfa
from actionunits.datasets.readers.disfa_landmarks import KNOWN_BAD, POINTS_66, known_bad, read_landmarks
from actionunits.datasets.sampling.folds import PUBLISHED_FOLDS
from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.synth.layouts import disfa as writer

AUS = DATASET_AUS["disfa_intensity"]
FRAMES = 30


def clip_of(subject: int, frames: int = FRAMES):
    return drawn_clip(subject, 0, frames, AUS[::-1], size=64, seed=5)


def expected(subject: int, frames: int = FRAMES) -> np.ndarray:
    """FACS levels that were written, (T, 12) in the order of AUS."""
    clip = clip_of(subject, frames)
    return np.stack([clip.levels(au) for au in AUS], axis=1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("disfa") / "DISFA"
    for subject in (0, 1, 9):
        writer.write_clip(root, clip_of(subject))
    return root


@pytest.fixture
def tree(written, tmp_path):
    return shutil.copytree(written, tmp_path / "DISFA")


def check_all_but(inventory, subject: str, unknown: np.ndarray) -> None:
    """Every label that is not unknown is the written one, and no other one is unknown."""
    for recording in inventory.recordings:
        index = writer.SUBJECTS.index(recording.subject)
        levels = expected(index)[recording.frame - 1]
        valid = ~unknown[recording.frame - 1] if recording.subject == subject else np.ones_like(levels, bool)
        np.testing.assert_array_equal(recording.au_intensity_valid, valid)
        np.testing.assert_array_equal(recording.au_present_valid, valid)
        np.testing.assert_array_equal(recording.au_intensity[valid], levels[valid])
        np.testing.assert_array_equal(recording.au_present[valid], (levels >= 2)[valid])
        np.testing.assert_array_equal(recording.pixels.index, recording.frame - 1)


NOTHING = np.zeros((FRAMES, len(AUS)), bool)


def problems_with(inventory, text: str) -> list[str]:
    return [line for line in inventory.problems if text in line]


def test_official_tree_is_read_label_for_label(written):
    inventory = disfa.read(written)
    assert [r.name for r in inventory.recordings] == ["SN001_left", "SN002_left", "SN010_left"]
    assert (inventory.dataset, inventory.occurrence_level, inventory.unverified) == ("disfa", 2.0, False)
    check_all_but(inventory, "", NOTHING)
    for recording, subject in zip(inventory.recordings, (0, 1, 9), strict=True):
        assert recording.aus == AUS and recording.lost is None
        np.testing.assert_array_equal(recording.frame, np.arange(1, FRAMES + 1))
        np.testing.assert_allclose(recording.time_s, np.arange(FRAMES) / 25, atol=1e-9)
        landmarks = clip_of(subject).landmarks_px
        np.testing.assert_allclose(recording.landmarks_px[:, POINTS_66], landmarks[:, POINTS_66], atol=1e-4)
        assert np.isnan(recording.landmarks_px[:, [60, 64]]).all()


def test_pictures_belong_to_their_labels(written):
    recording = disfa.read(written).recordings[0]
    with open_media(recording.pixels.path) as reader:
        shown = [frame.image_rgb for frame in reader]
    assert len(shown) == FRAMES
    for k, image in zip(recording.pixels.index, clip_of(0).images(), strict=True):
        assert np.abs(shown[k].astype(int) - image).mean() < 6
    middle = np.abs(shown[FRAMES // 2].astype(int) - shown[0]).mean()
    assert middle > 6  # neighbours in time would not pass for each other's picture by chance


def test_written_tree_stays_as_it_is(tree):
    before = {p: p.stat().st_mtime_ns for p in tree.rglob("*") if p.is_file()}
    writer.write_clip(tree, clip_of(0))
    assert before == {p: p.stat().st_mtime_ns for p in tree.rglob("*") if p.is_file()}


def test_names_of_people_and_known_bad_frames_are_the_published_ones():
    assert set(disfa.SUBJECTS) == {s for fold in PUBLISHED_FOLDS["disfa"] for s in fold}
    assert disfa.SUBJECTS == writer.SUBJECTS and len(disfa.SUBJECTS) == 27
    assert writer.subject_name(26) == "SN032" and writer.subject_name(28) == "SN034"
    assert set(KNOWN_BAD) <= set(disfa.SUBJECTS)
    assert sum(last - first + 1 for spans in KNOWN_BAD.values() for first, last in spans) == 4_670
    assert sum(disfa.FRAMES.values()) == 130_814
    good = sum(int((~known_bad(s, np.arange(1, n + 1))).sum()) for s, n in disfa.FRAMES.items())
    assert good == 126_144


def test_counts_stand_beside_the_published_ones(written):
    inventory = disfa.read(written, landmarks=False)
    assert [(c.found, c.published) for c in inventory.counts] == [
        (3, 27), (3, 27), (3 * FRAMES, 130_814), (3 * FRAMES, 126_144)
    ]  # fmt: skip
    assert problems_with(inventory, "24 of the 27 people have no labels here (SN003")
    assert problems_with(inventory, f"SN001 {FRAMES} of 4,845, SN002 {FRAMES} of 4,845, SN010 {FRAMES} of 4,844")


def test_known_bad_landmarks_are_lost_unless_kept(tmp_path):
    writer.write_clip(tmp_path, clip_of(0, 430))
    lost = disfa.read(tmp_path, landmarks=False).recordings[0].lost
    assert lost == dict.fromkeys(range(397, 420), "known bad landmarks")  # frames 398-420
    assert disfa.read(tmp_path, landmarks=False, keep_bad_landmarks=True).recordings[0].lost is None


@pytest.mark.parametrize("level", [1.0, 2.0, 3.0])
def test_occurrence_level_is_the_lowest_present_intensity(written, level):
    inventory = disfa.read(written, occurrence_level=level, landmarks=False)
    assert inventory.occurrence_level == level
    np.testing.assert_array_equal(inventory.recordings[1].au_present, expected(1) >= level)


def test_both_cameras_share_the_labels_and_the_right_one_has_no_landmarks(tree):
    right = tree / "Videos_RightCamera"
    right.mkdir()
    for path in (tree / "Videos_LeftCamera").iterdir():
        shutil.copy(path, right / path.name.replace("Left", "Right").replace("_comp", "_Comp"))
    both = disfa.read(tree, camera="both")
    assert [r.task for r in both.recordings] == ["left", "right"] * 3
    check_all_but(both, "", NOTHING)
    assert [r.landmarks_px is None for r in both.recordings] == [False, True] * 3
    alone = disfa.read(tree, camera="right", landmarks=False)
    assert [r.name for r in alone.recordings] == ["SN001_right", "SN002_right", "SN010_right"]
    assert alone.recordings[0].pixels.path.name == "RightVideoSN001_Comp.avi"


def test_other_case_of_names_is_read(tree):
    (tree / "Videos_LeftCamera").rename(tree / "Video_leftcamera")
    for path in (tree / "Video_leftcamera").iterdir():
        path.rename(path.with_name(path.name.upper()))
    (tree / "ActionUnit_Labels").rename(tree / "ActionUnit_labels")
    inventory = disfa.read(tree)
    check_all_but(inventory, "", NOTHING)
    assert len(inventory.recordings) == 3


def label_file(tree, au: int, subject: str = "SN002"):
    return tree / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt"


def test_missing_label_file_is_told_and_its_au_unknown(tree):
    label_file(tree, 6).unlink()
    inventory = disfa.read(tree, landmarks=False)
    unknown = NOTHING.copy()
    unknown[:, AUS.index(6)] = True
    check_all_but(inventory, "SN002", unknown)
    assert problems_with(inventory, "SN002_au6.txt is missing; AU06 is unknown")


def test_intensity_outside_0_to_5_is_told_and_unknown(tree):
    path = label_file(tree, 25)
    lines = path.read_text().splitlines()
    lines[4], lines[9] = "5,9", "10,-1"
    path.write_text("\r\n".join(lines))
    inventory = disfa.read(tree, landmarks=False)
    unknown = NOTHING.copy()
    unknown[[4, 9], AUS.index(25)] = True
    check_all_but(inventory, "SN002", unknown)
    assert problems_with(inventory, "SN002_au25.txt: 2 intensities outside 0-5 are unknown (line 5: 9, line 10: -1)")


def test_shuffled_lines_keep_their_own_frames(tree):
    path = label_file(tree, 12)
    lines = path.read_text().splitlines()
    np.random.default_rng(0).shuffle(lines)
    path.write_text("\n".join(lines))
    inventory = disfa.read(tree, landmarks=False)
    check_all_but(inventory, "SN002", NOTHING)
    assert problems_with(inventory, "SN002_au12.txt: the lines are not in the order of frames")


def test_gap_in_one_file_is_unknown_and_a_gap_in_all_shifts_nothing(tree):
    for au in AUS:
        lines = label_file(tree, au).read_text().splitlines()
        kept = [x for x in lines if not x.startswith("8,") and not (au == 4 and x.startswith("20,"))]
        label_file(tree, au).write_text("\n".join(kept))
    inventory = disfa.read(tree)
    unknown = NOTHING.copy()
    unknown[19, AUS.index(4)] = True
    check_all_but(inventory, "SN002", unknown)
    recording = inventory.recordings[1]
    assert 8 not in recording.frame and len(recording) == FRAMES - 1
    np.testing.assert_allclose(
        recording.landmarks_px[:, 30], clip_of(1).landmarks_px[recording.frame - 1, 30], atol=1e-4
    )
    assert problems_with(inventory, "SN002: no label for 1 frames (8)")
    assert problems_with(inventory, "SN002_au4.txt has no line for 1 frames (20); AU04 is unknown there")


def test_truncated_video_loses_its_last_rows_and_shifts_nothing(tree):
    path = tree / "Videos_LeftCamera" / "LeftVideoSN002_comp.avi"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    inventory = disfa.read(tree)
    check_all_but(inventory, "SN002", NOTHING)
    recording = inventory.recordings[1]
    first = min(recording.lost)
    assert 8 < first < FRAMES and set(recording.lost) == set(range(first, FRAMES))
    assert set(recording.lost.values()) == {"no picture: the video ends before it"}
    assert problems_with(inventory, f"LeftVideoSN002_comp.avi is damaged after {first} frames")
    assert problems_with(inventory, f"{FRAMES - first} labelled frames have no picture")
    np.testing.assert_allclose(recording.landmarks_px[:, 30], clip_of(1).landmarks_px[:, 30], atol=1e-4)


def test_video_longer_than_its_labels_is_told(tree):
    for au in AUS:
        lines = label_file(tree, au).read_text().splitlines()
        label_file(tree, au).write_text("\n".join(lines[:-2]))
    inventory = disfa.read(tree)
    check_all_but(inventory, "SN002", NOTHING)
    assert len(inventory.recordings[1]) == FRAMES - 2
    assert problems_with(inventory, f"has {FRAMES} frames, the labels end at {FRAMES - 2}")
    np.testing.assert_allclose(
        inventory.recordings[1].landmarks_px[:, 30], clip_of(1).landmarks_px[:-2, 30], atol=1e-4
    )


def test_missing_or_unreadable_video_leaves_the_sequence_out(tree):
    (tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi").unlink()
    (tree / "Videos_LeftCamera" / "LeftVideoSN002_comp.avi").write_bytes(b"RIFF")
    inventory = disfa.read(tree, landmarks=False)
    assert [r.subject for r in inventory.recordings] == ["SN010"]
    assert problems_with(inventory, "SN001: there is no video of the left camera")
    assert problems_with(inventory, "SN002: cannot read")


def test_extra_files_are_told_and_change_nothing(tree):
    (tree / "ActionUnit_Labels" / "SN001" / "notes.txt").write_text("1,5\n")
    (tree / "ActionUnit_Labels" / "SN001" / "SN001_au10.txt").write_text("1,5\n")
    (tree / "Videos_LeftCamera" / "Thumbs.db").write_bytes(b"x")
    shutil.copy(
        tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi",
        tree / "Videos_LeftCamera" / "LeftVideoSN003_comp.avi",
    )
    inventory = disfa.read(tree, landmarks=False)
    check_all_but(inventory, "", NOTHING)
    assert problems_with(inventory, "SN001_au10.txt, notes.txt") and problems_with(inventory, "Thumbs.db")
    assert problems_with(inventory, "LeftVideoSN003_comp.avi has no labels")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3;0", "line 3: expected 'frame,intensity', found '3;0'"),
        ("3,0,0", "line 3: expected 'frame,intensity'"),
        ("3,1.5", "line 3: expected 'frame,intensity'"),
        ("2,0", "line 3: frame 2, but an earlier line names the same frame"),
        ("0,0", "line 3: frame 0, but frames count from 1"),
        ("900000000,1", "line 3: frame 900000000, but frames count from 1, and up to 10,000,000"),
        ("99999999999999999999,0", "line 3: frame 99999999999999999999, but frames count from 1"),
    ],
)
def test_malformed_line_is_told_with_file_and_number(tree, line, message):
    lines = label_file(tree, 9).read_text().splitlines()
    lines[2] = line
    label_file(tree, 9).write_text("\n".join(lines))
    with pytest.raises(UserError, match=f"SN002_au9.txt, {re.escape(message)}"):
        disfa.read(tree, landmarks=False)


def test_the_same_labels_twice_are_refused(tree):
    (tree / "ActionUnit_Labels" / "copy").mkdir()
    shutil.copy(label_file(tree, 9), tree / "ActionUnit_Labels" / "copy")
    with pytest.raises(UserError, match="hold the same labels; keep one of them"):
        disfa.read(tree)


def write_points(folder, names: list[str]) -> None:
    """Landmark files in this order; the points of file k are all at (k, k + 1)."""
    folder.mkdir()
    for k, name in enumerate(names):
        savemat(folder / name, {"pts": np.tile([float(k), k + 1.0], (66, 1))})


@pytest.mark.parametrize(
    ("names", "first_file"),
    [
        ([f"SN031_{k:04d}_lm.mat" for k in range(10)], 0),
        ([f"SN031_{k:04d}_lm.mat" for k in range(11)], 1),  # one more than frames: the first belongs to none
        ([f"l0{k:04d}_lm.mat" for k in range(10)], 0),
        ([f"l0{k:04d}_lm.mat" for k in range(11)], 1),
    ],
)
def test_landmark_files_of_both_namings_and_countings(tmp_path, names, first_file):
    write_points(tmp_path / "SN031", names)
    landmarks, problems = read_landmarks(tmp_path / "SN031", "SN031", np.arange(1, 11), 10)
    np.testing.assert_array_equal(landmarks[:, 0, 0], np.arange(10) + first_file)
    assert problems == []


def test_missing_and_damaged_landmark_files_shift_nothing(tmp_path):
    folder = tmp_path / "SN031"
    write_points(folder, [f"l0{k:04d}_lm.mat" for k in range(11)])
    (folder / "l00004_lm.mat").unlink()
    (folder / "l00006_lm.mat").write_bytes(b"broken")
    savemat(folder / "l00007_lm.mat", {"pts": np.zeros((49, 2))})
    landmarks, problems = read_landmarks(folder, "SN031", np.arange(1, 11), 10)
    expected_x = np.arange(1.0, 11.0)
    expected_x[[3, 5, 6]] = np.nan
    np.testing.assert_array_equal(landmarks[:, 20, 0], expected_x)
    assert problems == [
        "SN031: no landmark file for 1 frames (4)",
        "SN031: 2 landmark files do not hold 66 points as 'pts' (l00006_lm.mat, l00007_lm.mat)",
    ]


def test_wrong_folder_is_told_with_what_was_expected_and_found(tmp_path):
    (tmp_path / "AUCoding").mkdir()
    with pytest.raises(UserError, match=r"is not DISFA: expected the folders ActionUnit_Labels .*, found AUCoding/$"):
        disfa.read(tmp_path)
    (tmp_path / "ActionUnit_Labels").mkdir()
    with pytest.raises(UserError, match=r"holds no label file: expected SN001/SN001_au1.txt ..., found nothing$"):
        disfa.read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        disfa.read(tmp_path / "none")


def test_wrong_camera_folder_is_told(written):
    with pytest.raises(
        UserError, match=r"expected Videos_RightCamera/RightVideoSN001_comp\.avi \.\.\., found Action"
    ):
        disfa.read(written, camera="right")
    with pytest.raises(UserError, match="no camera 'middle'"):
        disfa.read(written, camera="middle")
    with pytest.raises(UserError, match="occurrence level must be above 0"):
        disfa.read(written, occurrence_level=0)


def test_writer_refuses_what_the_layout_cannot_hold(tmp_path):
    with pytest.raises(UserError, match="one sequence per person"):
        writer.write_clip(tmp_path, drawn_clip(0, 1, 3, AUS))
    with pytest.raises(UserError, match="lacks the AUs 26"):
        writer.write_clip(tmp_path, drawn_clip(0, 0, 3, AUS[:-1]))
