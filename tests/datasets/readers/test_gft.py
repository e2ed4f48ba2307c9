"""Reading GFT in our own, unverified layout: label for label, other columns by configuration, and faults told."""

import json
import re
import shutil

import numpy as np
import pytest
from official_trees import drawn_clip

from actionunits.aus import DATASET_AUS, SYNTH_AUS
from actionunits.datasets.readers import gft
from actionunits.datasets.readers.gft import GftColumns
from actionunits.errors import UserError
from actionunits.media import open_media
from actionunits.synth.layouts import gft as writer

AUS = DATASET_AUS["gft"]
FRAMES = 24
PEOPLE = (0, 1, 8)  # 001A, 001B, 003C; the last one is a test person


def clip_of(subject: int):
    return drawn_clip(subject, 0, FRAMES, SYNTH_AUS, size=64, seed=3)


def levels_of(subject: int) -> np.ndarray:
    clip = clip_of(subject)
    return np.stack([clip.levels(au) for au in AUS], axis=1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("gft") / "GFT"
    for subject in PEOPLE:
        writer.write_clip(root, clip_of(subject))
    return root


@pytest.fixture
def tree(written, tmp_path):
    return shutil.copytree(written, tmp_path / "GFT")


def check_labels(inventory) -> None:
    """Every known label is the written one."""
    for recording in inventory.recordings:
        levels = levels_of(writer.SUBJECTS.index(recording.subject))[recording.frame - 1]
        known = recording.au_intensity_valid
        np.testing.assert_array_equal(recording.au_intensity[known], levels[known])
        known = recording.au_present_valid
        np.testing.assert_array_equal(recording.au_present[known], levels[known] >= 2)
        np.testing.assert_array_equal(recording.pixels.index, recording.frame - 1)


def problems_with(inventory, text: str) -> list[str]:
    return [line for line in inventory.problems if text in line]


def table(tree, name: str = "001B"):
    return tree / "labels" / f"{name}.csv"


def edit(tree, line: int, column: str, word: str) -> None:
    """Replace a cell; the header is line 1."""
    rows = [row.split(",") for row in table(tree).read_text().splitlines()]
    rows[line - 1][rows[0].index(column)] = word
    table(tree).write_text("\n".join(",".join(row) for row in rows))


def test_tree_is_read_label_for_label_and_marked_unverified(written):
    inventory = gft.read(written)
    assert (inventory.dataset, inventory.unverified, inventory.occurrence_level) == ("gft", True, 2.0)
    assert "nowhere documented" in inventory.problems[0]
    assert [(r.name, r.split, r.aus) for r in inventory.recordings] == [
        ("001A_T1", "train", AUS),
        ("001B_T1", "train", AUS),
        ("003C_T1", "test", AUS),
    ]
    assert [(c.found, c.published) for c in inventory.counts] == [(3, 96), (3 * FRAMES, 172_800)]
    check_labels(inventory)
    for recording in inventory.recordings:
        assert recording.au_present_valid.all() and recording.au_intensity_valid.all() and recording.lost is None
        np.testing.assert_allclose(recording.time_s, np.arange(FRAMES) / 25, atol=1e-6)
    assert len(set(writer.SUBJECTS)) == 96 and writer.SUBJECTS[95] == "032C"


def test_pictures_belong_to_their_labels(written):
    recording = gft.read(written).recordings[0]
    with open_media(recording.pixels.path) as reader:
        for frame, image in zip(reader, clip_of(0).images(), strict=True):
            assert np.abs(frame.image_rgb.astype(int) - image).mean() < 6


def test_code_9_and_empty_cells_are_unknown(tree):
    edit(tree, 4, "AU12", "9")
    edit(tree, 4, "AU12_r", "9")
    edit(tree, 6, "AU06", "")
    inventory = gft.read(tree)
    check_labels(inventory)
    recording = inventory.recordings[1]
    assert np.argwhere(~recording.au_present_valid).tolist() == [[2, AUS.index(12)], [4, AUS.index(6)]]
    assert np.argwhere(~recording.au_intensity_valid).tolist() == [[2, AUS.index(12)]]


def test_other_names_and_codes_are_told_by_columns_or_a_file(tree):
    (tree / "labels").rename(tree / "FACS")
    for path in (tree / "FACS").iterdir():
        head, *rows = path.read_text().splitlines()
        head = re.sub(r"AU0?(\d+)(_r)?", lambda m: f"{'int' if m[2] else 'occ'} {m[1]}", head)
        path.write_text("\n".join([head.replace("frame", "FrameNumber"), *rows]).replace(",9", ",-1"))
    columns = GftColumns(labels="FACS", frame="FrameNumber", occurrence="occ {au}", intensity="int {au}", missing=-1)
    check_labels(gft.read(tree, columns=columns))
    with pytest.raises(UserError, match=r"expected labels/001A.csv .*gft_columns.json.*found FACS/, videos/"):
        gft.read(tree)
    chosen = {k: v for k, v in vars(columns).items() if v != getattr(GftColumns(), k)}
    (tree / "gft_columns.json").write_text(json.dumps(chosen))
    inventory = gft.read(tree)
    check_labels(inventory)
    assert len(inventory.recordings) == 3 and inventory.recordings[0].au_present_valid.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged: it is not JSON"),
        ('{"Frame": "x"}', "expected some of labels, videos, frame.*found Frame"),
        ('{"missing": "9"}', "missing must be a number"),
        ('{"occurrence": "AU{}"}', r"occurrence must hold \{au\}"),
    ],
)
def test_a_wrong_columns_file_is_told(tree, text, message):
    (tree / "gft_columns.json").write_text(text)
    with pytest.raises(UserError, match=f"gft_columns.json.*{message}"):
        gft.read(tree)


def test_the_action_units_are_those_of_the_tables(tree):
    for path in (tree / "labels").iterdir():
        head, *rows = path.read_text().splitlines()
        more = "" if path.stem == "003C" else ",AU07,AU17"
        cells = ["" if path.stem == "003C" else f",{k % 2},9" for k in range(len(rows))]
        path.write_text("\n".join([head + more, *(row + cell for row, cell in zip(rows, cells, strict=True))]))
    inventory = gft.read(tree)
    aus = tuple(sorted((*AUS, 7, 17)))
    assert {r.aus for r in inventory.recordings} == {aus}
    first, last = inventory.recordings[0], inventory.recordings[2]
    assert first.au_present[:, aus.index(7)].tolist() == [k % 2 for k in range(len(first))]
    assert not first.au_present_valid[:, aus.index(17)].any() and not last.au_present_valid[:, aus.index(7)].any()
    assert problems_with(inventory, "003C.csv has no column for AU07, AU17; unknown for this person")


def test_people_table_names_the_split_and_must_agree(tree):
    for path in (tree / "labels").iterdir():
        path.write_text("\n".join(re.sub(r",(train|test|split)", "", line) for line in path.read_text().splitlines()))
    assert [r.split for r in gft.read(tree).recordings] == ["", "", ""]
    assert problems_with(gft.read(tree), "no split is named for 3 people (001A, 001B, 003C)")
    people = tree / "participants.csv"
    people.write_text("participant,split\n001A,Training\n001B,validation\n003C,TEST\n")
    inventory = gft.read(tree)
    assert [r.split for r in inventory.recordings] == ["train", "valid", "test"]
    check_labels(inventory)
    people.write_text("participant,split\n001A,train\n001A,test\n")
    with pytest.raises(UserError, match=r"participants.csv, line 3: 001A is in two splits"):
        gft.read(tree)
    people.write_text("participant,split\n001A,holdout\n")
    with pytest.raises(UserError, match="'holdout' is no split; expected train, valid or test"):
        gft.read(tree)


def test_people_table_that_contradicts_a_label_table_is_refused(tree):
    (tree / "participants.csv").write_text("participant,split\n001A,test\n")
    with pytest.raises(UserError, match=r"the split is 'train' here and 'test' in participants.csv"):
        gft.read(tree)


def test_without_occurrence_columns_intensities_decide(tree):
    for path in (tree / "labels").iterdir():
        rows = [row.split(",") for row in path.read_text().splitlines()]
        keep = [k for k, name in enumerate(rows[0]) if not re.fullmatch(r"AU\d+", name)]
        path.write_text("\n".join(",".join(row[k] for k in keep) for row in rows))
    inventory = gft.read(tree, occurrence_level=1.0)
    assert inventory.occurrence_level == 1.0
    for recording, subject in zip(inventory.recordings, PEOPLE, strict=True):
        np.testing.assert_array_equal(recording.au_present, levels_of(subject) >= 1)
        assert recording.au_present_valid.all()


@pytest.mark.parametrize(
    ("column", "word", "message"),
    [
        ("AU10", "2", "column AU10: '2' is not 0, 1 or 9"),
        ("AU10", "present", "column AU10: 'present' is not a number"),
        ("AU10_r", "6", "column AU10_r: '6' is not 0 to 5 or 9"),
        ("frame", "0", "frame 0 cannot be; from 1 on"),
        ("frame", "900000000", "frame 9e+08 cannot be; from 1 on, up to 10,000,000"),
        ("frame", "nan", "frame nan cannot be"),
        ("frame", "2", "frame 2 cannot be; an earlier line names the same frame"),
        ("split", "test", "the person is in two splits"),
    ],
)
def test_values_that_cannot_be_are_told_with_file_line_and_column(tree, column, word, message):
    edit(tree, 5, column, word)
    with pytest.raises(UserError, match=rf"001B\.csv, line 5.*{re.escape(message)}"):
        gft.read(tree)


def test_shuffled_rows_and_gaps_shift_nothing(tree):
    head, *rows = table(tree).read_text().splitlines()
    rows = [row for row in rows if not row.startswith(("7,", "8,"))]
    np.random.default_rng(1).shuffle(rows)
    table(tree).write_text("\n".join([head, *rows]))
    inventory = gft.read(tree)
    check_labels(inventory)
    assert inventory.recordings[1].frame.tolist() == [k for k in range(1, FRAMES + 1) if k not in (7, 8)]
    assert problems_with(inventory, "001B.csv: the rows are not in the order of frames")
    assert problems_with(inventory, "001B.csv: no row for 2 frames (7, 8)")


def test_short_row_and_missing_columns_are_refused(tree):
    lines = table(tree).read_text().splitlines()
    table(tree).write_text("\n".join([*lines[:3], "3,train,0"]))
    with pytest.raises(UserError, match=r"001B.csv, line 4: 3 cells, the header has 22"):
        gft.read(tree)
    table(tree).write_text("\n".join(lines).replace("AU", "au"))
    with pytest.raises(UserError, match=r"001B.csv lacks columns .* AU01 \(or AU01_r\); it has frame, split, au"):
        gft.read(tree)
    table(tree).write_text("\n".join(lines).replace("frame", "Frame"))
    with pytest.raises(UserError, match=r"001B.csv lacks the columns frame; it has Frame"):
        gft.read(tree)


def test_video_faults_are_told_and_shift_nothing(tree):
    path = tree / "videos" / "001B.mp4"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    (tree / "videos" / "001A.mp4").unlink()
    shutil.copy(tree / "videos" / "003C.mp4", tree / "videos" / "040A.mp4")
    (tree / "videos" / "readme.txt").write_text("notes")
    inventory = gft.read(tree)
    check_labels(inventory)
    assert problems_with(inventory, "001A: there is no video of that name")
    assert problems_with(inventory, "videos without labels are left out (040A.mp4)")
    assert problems_with(inventory, "videos/readme.txt is not named like a video")
    cut = next(r for r in inventory.recordings if r.subject == "001B")
    assert problems_with(inventory, "001B.mp4 is damaged after") and len(cut) == FRAMES
    assert 0 < len(cut.lost) < FRAMES and max(cut.lost) == FRAMES - 1


def test_wrong_folder_is_told_with_what_was_expected_and_found(tmp_path):
    (tmp_path / "AUCoding").mkdir()
    with pytest.raises(UserError, match=r"expected labels/001A\.csv and videos/001A\.mp4 .*, found AUCoding/$"):
        gft.read(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match=r"labels holds no table: expected 001A.csv ..., found nothing"):
        gft.read(tmp_path)


def test_aus_that_a_clip_lacks_are_written_as_unknown(tmp_path):
    writer.write_clip(tmp_path, drawn_clip(0, 0, 4, AUS[1:], size=64))
    recording = gft.read(tmp_path).recordings[0]
    assert not recording.au_present_valid[:, 0].any() and recording.au_present_valid[:, 1:].all()
    assert not recording.au_intensity_valid[:, 0].any()
    with pytest.raises(UserError, match="one sequence per person"):
        writer.write_clip(tmp_path, drawn_clip(0, 1, 4, AUS, size=64))
