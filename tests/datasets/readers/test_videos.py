"""Reading folders of videos and VoxCeleb's tree: names, times, splits, and files that cannot be read."""

import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from official_trees import drawn_clip
from PIL import Image

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.readers.recording import PictureFiles
from actionunits.datasets.readers.videos import read, read_voxceleb, rows_at_rate, split_identities
from actionunits.errors import UserError
from actionunits.media import VideoWriter, open_media
from actionunits.synth.layouts import voxceleb as writer

PICTURE = np.full((32, 32, 3), 90, np.uint8)


def write_video(path: Path, frames: int, fps: float = 25.0, times: list[float] | None = None) -> Path:
    with VideoWriter(path, fps=None if times else fps) as video:
        for k in range(frames):
            video.write(np.roll(PICTURE + np.uint8(k), k, axis=1), time_s=times[k] if times else None)
    return path


def write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(PICTURE).save(folder / name)


def problems_with(inventory, text: str) -> list[str]:
    return [line for line in inventory.problems if text in line]


@pytest.fixture(scope="module")
def voxceleb(tmp_path_factory):
    root = tmp_path_factory.mktemp("voxceleb") / "dev"
    for subject in range(4):
        for task in range(2):
            writer.write_clip(root, drawn_clip(subject, task, 60, SYNTH_AUS, size=64))
    return root


def test_voxceleb_tree_gives_a_sequence_per_track(voxceleb):
    inventory = read_voxceleb(voxceleb)
    assert (inventory.dataset, inventory.unverified) == ("voxceleb", False)
    assert [(c.what, c.found, c.published) for c in inventory.counts] == [
        ("subjects", 4, 6_112),
        ("sequences", 8, None),
        ("frames", 8 * 3, None),
    ]
    assert Counter(r.subject for r in inventory.recordings) == {f"id{n:05d}": 2 for n in range(12, 16)}
    for recording in inventory.recordings:
        identity, video, track = recording.pixels.path.with_suffix("").parts[-3:]
        assert (recording.subject, recording.task) == (identity, f"{video}-{track}")
        assert len(video) == 11 and track == "00001"
        assert recording.frame.tolist() == [0, 25, 50] == recording.pixels.index.tolist()
        assert recording.time_s.tolist() == [0, 1, 2]
        assert recording.aus == () and recording.au_present.shape == (3, 0) == recording.au_intensity_valid.shape
    assert inventory.problems == ()
    every = read_voxceleb(voxceleb, fps=None).recordings[0]
    assert len(every) == 60


def test_writer_leaves_what_is_there(voxceleb, tmp_path):
    root = shutil.copytree(voxceleb, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*.mp4")}
    writer.write_clip(root, drawn_clip(0, 0, 60, SYNTH_AUS, size=64))
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*.mp4")} == before
    assert len(set(writer.SUBJECTS)) == 6_112 and writer.video_name(3, 0) != writer.video_name(3, 1)


def test_voxceleb_as_pictures_gives_the_same_people(tmp_path):
    root = tmp_path / "data"
    write_pictures(root / "id09238/VqEJCd7pbgQ/0_folder", [f"img_0_{k:03d}.jpg" for k in (1, 2, 10, 3)])
    write_pictures(root / "id10021/VqEJCd7pbgQ/0_folder", [f"img_0_{k}.jpg" for k in range(8, 12)])
    inventory = read_voxceleb(root)
    first, second = inventory.recordings
    assert first.name == "id09238_VqEJCd7pbgQ-0_folder"
    assert isinstance(first.pixels, PictureFiles)
    assert [path.name for path in first.pixels.paths] == [f"img_0_{k:03d}.jpg" for k in (1, 2, 3, 10)]
    assert first.frame.tolist() == [1, 2, 3, 10] and first.time_s.tolist() == [0, 1, 2, 9]
    assert second.frame.tolist() == [8, 9, 10, 11]  # by number, not by letters
    assert inventory.counts[0].published == 6_112 + 1_251
    thinned = read_voxceleb(root, picture_fps=2.0).recordings[1]
    assert thinned.frame.tolist() == [8, 10] and thinned.time_s.tolist() == [0, 1]


def test_identities_are_split_75_15_10_by_seed():
    people = [f"id{k:05d}" for k in range(200)]
    splits = split_identities(people[::-1] + people, seed=4)
    assert Counter(splits.values()) == {"train": 150, "valid": 30, "test": 20}
    assert splits == split_identities(people, seed=4) != split_identities(people, seed=5)
    assert set(split_identities(people[:3], 0).values()) == {"train", "valid", "test"}
    assert set(split_identities(people[:1], 0).values()) == {"train"}


def test_all_tracks_of_a_person_are_in_one_split(voxceleb):
    splits = {(r.subject, r.split) for r in read_voxceleb(voxceleb, seed=3).recordings}
    assert len(splits) == 4 and {split for _, split in splits} == {"train", "valid", "test"}
    assert splits == {(r.subject, r.split) for r in read_voxceleb(voxceleb, seed=3).recordings}


def test_the_face_pictures_of_voxceleb1_are_read_by_name(tmp_path):
    for person, video in (("A.J._Buckley", "1zcIwhmdeo4"), ("A.J._Buckley", "9mQ11vBs1wc"), ("Zoë_K", "x")):
        for number in (375, 400, 425, 475):
            path = tmp_path / "unzippedFaces" / person / "1.6" / video / f"{number:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(path)
    inventory = read_voxceleb(tmp_path)
    assert [(r.subject, r.task) for r in inventory.recordings] == [
        ("A.J._Buckley", "1zcIwhmdeo4"),
        ("A.J._Buckley", "9mQ11vBs1wc"),
        ("Zoë_K", "x"),
    ]
    first = inventory.recordings[0]
    assert first.time_s.tolist() == [0, 1, 2, 4] and first.frame.tolist() == [375, 400, 425, 475]
    assert inventory.counts[0].published == 1_251
    assert len({r.split for r in inventory.recordings if r.subject == "A.J._Buckley"}) == 1


def test_voxceleb_is_not_any_folder_of_videos(tmp_path):
    write_video(tmp_path / "holiday" / "beach.mp4", 5)
    with pytest.raises(UserError, match=r"expected id00012/21Uxsk56VDQ/00001\.mp4, .*, found holiday/$"):
        read_voxceleb(tmp_path)
    write_video(tmp_path / "id00012" / "21Uxsk56VDQ" / "00001.mp4", 5)
    inventory = read_voxceleb(tmp_path)
    assert [r.subject for r in inventory.recordings] == ["id00012"]
    assert problems_with(inventory, "1 sequences lie outside folders of people and are left out (holiday/beach)")


def test_any_folder_gives_a_person_per_video_unless_folders_name_people(tmp_path):
    for name in ("anna/one.mp4", "anna/two.MP4", "ben/deep/one.mp4", "loose.mp4"):
        write_video(tmp_path / "in.mp4", 4).rename(_ready(tmp_path / "films" / name))
    write_pictures(tmp_path / "films" / "carl" / "walk", ["f9.png", "f10.png", "g1.png", "g2.png", "portrait.jpg"])
    inventory = read(tmp_path / "films")
    assert [r.subject for r in inventory.recordings] == [
        "anna-one", "anna-two", "ben-deep-one", "carl-walk-f", "carl-walk-g", "loose"
    ]  # fmt: skip
    assert {r.task for r in inventory.recordings} == {"video"}
    assert problems_with(inventory, "1 single pictures are no sequence and are left out (portrait.jpg)")
    people = read(tmp_path / "films", subject_level=1)
    assert [r.name for r in people.recordings] == [
        "anna_one", "anna_two", "ben_deep-one", "carl_walk-f", "carl_walk-g"
    ]  # fmt: skip
    assert problems_with(people, "1 sequences lie outside folders of people and are left out (loose)")
    with pytest.raises(UserError, match="counts from 1, not 0"):
        read(tmp_path / "films", subject_level=0)


def _ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_names_stay_different_where_paths_read_alike(tmp_path):
    for name in ("a/b.mp4", "a-b.mp4", "a/b.avi", "a-b-2.mp4", "A-B.mkv"):
        write_video(tmp_path / "in.mp4", 3).rename(_ready(tmp_path / "films" / name))
    names = [r.name for r in read(tmp_path / "films").recordings]
    assert len({name.casefold() for name in names}) == 5
    assert not any("/" in name for name in names)


def test_frames_are_chosen_by_presentation_time(tmp_path):
    times = [0.0, 0.1, 0.9, 1.02, 1.6, 2.9, 3.05, 3.2]  # 2.0 lies between 1.6 and 2.9
    path = write_video(tmp_path / "uneven.mp4", len(times), times=times)
    recording = read(tmp_path).recordings[0]
    assert recording.frame.tolist() == [0, 3, 4, 6]
    assert recording.time_s == pytest.approx([0, 1.02, 1.6, 3.05], abs=1e-4)
    with open_media(path) as reader:
        shown = [frame.time_s for frame in reader]
    np.testing.assert_allclose(recording.time_s, np.array(shown)[recording.pixels.index], atol=1e-9)


def test_a_rate_above_the_videos_keeps_every_frame_once(tmp_path):
    write_video(tmp_path / "slow.mp4", 10, fps=4)
    assert read(tmp_path, fps=25).recordings[0].frame.tolist() == list(range(10))
    assert read(tmp_path, fps=2).recordings[0].frame.tolist() == [0, 2, 4, 6, 8]
    assert len(read(tmp_path, fps=0.1).recordings[0]) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.001, 3.0), min_size=0, max_size=40), st.floats(0.2, 40.0), st.floats(-5, 5))
def test_chosen_rows_are_the_nearest_to_the_wanted_times(steps, fps, start):
    time_s = start + np.concatenate([[0.0], np.cumsum(steps)])
    rows = rows_at_rate(time_s, fps)
    since = time_s - time_s[0]
    wanted = np.arange(np.floor(since[-1] * fps + 1e-6) + 1) / fps
    nearest = [min(np.abs(since - t)) for t in wanted]
    assert rows[0] == 0 and (np.diff(rows) > 0).all()
    assert all(
        min(np.abs(since[rows] - t)) == pytest.approx(n, abs=1e-9) for t, n in zip(wanted, nearest, strict=True)
    )
    assert len(rows) <= len(wanted)


def test_damaged_files_are_told_and_the_rest_is_read(tmp_path):
    write_video(tmp_path / "good.mp4", 50)
    data = write_video(tmp_path / "cut.mp4", 50).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * 0.7)])
    (tmp_path / "text.avi").write_text("Dear diary\n" * 20)
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / ".hidden.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("x")
    write_pictures(tmp_path / "twice", ["1.png", "01.png", "2.png"])
    inventory = read(tmp_path, fps=None)
    assert [r.subject for r in inventory.recordings] == ["cut", "good"]
    assert 5 < len(inventory.recordings[0]) < 50 and len(inventory.recordings[1]) == 50
    assert problems_with(inventory, "text.avi: not a video") and problems_with(
        inventory, "empty.mkv: the file is empty"
    )
    assert problems_with(inventory, "cut.mp4 is damaged after")
    assert problems_with(inventory, "twice: two pictures have the number 1")
    assert len(inventory.problems) == 4


def test_folder_without_a_readable_video_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"expected videos or folders of numbered pictures, found nothing$"):
        read(tmp_path)
    (tmp_path / "text.avi").write_text("Dear diary\n" * 20)
    with pytest.raises(UserError, match=r"no video that can be read: cannot read .*text\.avi"):
        read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "none")
    with pytest.raises(UserError, match="fps must be above 0"):
        read(tmp_path, fps=0)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    write_video(tmp_path / "elsewhere" / "film.mp4", 3)
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "films")  # a circle
    assert [r.subject for r in read(tmp_path / "films").recordings] == ["link-film"]
