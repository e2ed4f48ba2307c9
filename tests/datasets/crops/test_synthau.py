import json
import os

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_faces import write_drawn_dataset

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops.crop_data import STORED_MARGIN, Rows
from actionunits.datasets.crops.label_table import LANDMARK_COLUMNS
from actionunits.datasets.crops.synthau import coded_aus, load_crops, load_labels, read_frames, subject_names
from actionunits.errors import UserError
from actionunits.faces.align import register, similarity_transform, transform_points
from actionunits.faces.mean_face import template_landmarks
from actionunits.media import VideoWriter, open_media


@pytest.fixture
def drawn(tmp_path):
    folder = tmp_path / "drawn"
    table = write_drawn_dataset(folder)
    return folder, table


def rewrite(folder, table):
    table.to_parquet(folder / "frames.parquet")


def test_labels_and_people_are_those_of_the_table(drawn):
    folder, table = drawn
    data = load_crops(folder)
    assert data.aus == SYNTH_AUS and len(data) == len(table) == 36
    np.testing.assert_allclose(data.au_intensity, table[[f"AU{a:02d}_r" for a in SYNTH_AUS]], rtol=1e-6)
    np.testing.assert_array_equal(data.au_present, table[[f"AU{a:02d}" for a in SYNTH_AUS]])
    assert data.au_present_valid.all() and data.au_intensity_valid.all()
    assert [data.subjects[i] for i in data.subject] == [f"drawn-5/{s}" for s in table["subject"]]
    assert subject_names(folder) == list(data.subjects)
    np.testing.assert_array_equal(data.frame, table["frame"])


def test_every_row_shows_its_own_frame_registered(drawn):
    folder, table = drawn
    data = load_crops(folder)
    for clip in (0, 2):
        with open_media(folder / table["clip"].unique()[clip]) as reader:
            frames = [frame.image_rgb for frame in reader]
        for k in (0, 5, 11):
            row = clip * 12 + k
            points = table.loc[row, [f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy(float).reshape(68, 2)
            expected = register(frames[k], points, 128, STORED_MARGIN)
            np.testing.assert_array_equal(data.images[row], expected)


def test_eyes_lie_where_the_registered_crop_puts_them(drawn):
    folder, _ = drawn
    data = load_crops(folder)
    template = (template_landmarks() - 0.5) / (1 + 2 * STORED_MARGIN) + 0.5
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = (template[eye].mean(0) * 128 - 0.5).round().astype(int)
        assert data.images[:][:, y - 1 : y + 2, x - 1 : x + 2].mean((1, 2, 3)).max() < 60


def test_unknown_labels_are_not_valid(drawn):
    folder, table = drawn
    table.loc[3, "AU12"] = -1
    table.loc[4, "AU06_r"] = np.nan
    rewrite(folder, table)
    data = load_crops(folder)
    a12, a06 = SYNTH_AUS.index(12), SYNTH_AUS.index(6)
    assert not data.au_present_valid[3, a12] and data.au_present_valid.sum() == data.au_present.size - 1
    assert not data.au_intensity_valid[4, a06] and data.au_intensity_valid.sum() == data.au_present.size - 1
    assert np.isfinite(data.au_intensity).all() and set(np.unique(data.au_present)) == {0, 1}


def test_shuffled_rows_of_the_table_change_nothing(drawn):
    folder, table = drawn
    before = load_crops(folder)
    order = np.random.default_rng(0).permutation(len(table))
    rewrite(folder, table.iloc[order])
    after = load_crops(folder)
    key = {(after.clips[c], f): row for row, (c, f) in enumerate(zip(after.clip, after.frame, strict=True))}
    rows = [key[before.clips[c], f] for c, f in zip(before.clip, before.frame, strict=True)]
    np.testing.assert_array_equal(after.images[rows], before.images[:])
    np.testing.assert_array_equal(after.au_intensity[rows], before.au_intensity)


def test_every_nth_frame(drawn):
    folder, _ = drawn
    whole, thin = load_crops(folder), load_crops(folder, every=5)
    rows = np.flatnonzero(whole.frame % 5 == 0)
    np.testing.assert_array_equal(thin.frame, whole.frame[rows])
    np.testing.assert_array_equal(thin.images[:], whole.images[rows])


def labelled_points(table, row):
    return table.loc[row, [f"{a}_{i}" for i in range(68) for a in "xy"]].to_numpy(float).reshape(68, 2)


def test_landmarks_lie_in_the_stored_crop_where_the_table_has_them_in_the_frame(drawn):
    folder, table = drawn
    data = load_crops(folder)
    assert data.landmarks.shape == (36, 68, 2) and data.landmarks.dtype == np.float32
    for row in (0, 7, 23, 35):
        points = labelled_points(table, row)
        moved = transform_points(points, similarity_transform(points, 128, STORED_MARGIN))
        np.testing.assert_allclose(data.landmarks[row] * 128 - 0.5, moved, atol=1e-4)
    mouth = (data.landmarks[:, 48:60].mean(1) * 128 - 0.5).round().astype(int)  # drawn in red
    pixels = data.images[:][np.arange(36), mouth[:, 1], mouth[:, 0]].astype(int)
    assert (pixels[:, 0] > pixels[:, 1] + 30).all()


@pytest.mark.parametrize("every", [1, 5])
def test_each_row_has_the_crop_of_its_own_clips_anchor(drawn, every):
    folder, table = drawn
    rewrite(folder, table.assign(anchor=np.repeat([3, 7, 11], 12)))
    data = load_crops(folder, every=every)
    kept = np.array([3, 7, 11]) // every * every  # the nearest kept frame at or before the anchor
    rows = [np.flatnonzero((data.clip == c) & (data.frame == kept[c]))[0] for c in data.clip]
    np.testing.assert_array_equal(data.anchor[:], data.images[rows])
    assert data.anchor.parts[0] is data.images  # no second copy, and nothing read
    part = data.subset(data.subject == 2)
    np.testing.assert_array_equal(part.anchor[:], data.images[rows][data.subject == 2])


def test_without_an_anchor_column_the_first_frame_is_the_anchor(drawn):
    folder, table = drawn
    rewrite(folder, table.drop(columns="anchor"))
    data = load_crops(folder)
    np.testing.assert_array_equal(data.anchor[:], data.images[data.clip * 12])


def test_second_load_maps_the_cache_and_a_change_of_the_data_renews_it(drawn):
    folder, table = drawn
    first = load_crops(folder)
    (cached,) = (folder / ".crops").iterdir()
    stamp = cached.stat().st_mtime_ns
    second = load_crops(folder)
    assert cached.stat().st_mtime_ns == stamp
    assert isinstance(second.images, np.memmap)
    np.testing.assert_array_equal(first.images, second.images)
    rewrite(folder, table.assign(x_36=table["x_36"] + 4))
    assert not np.array_equal(load_crops(folder).images, first.images)
    assert len(list((folder / ".crops").iterdir())) == 2


def test_subjects_can_be_chosen_and_sets_joined(drawn, tmp_path):
    folder, _ = drawn
    other = tmp_path / "other"
    write_drawn_dataset(other, subjects=2, seed=6)
    data = load_crops([folder, other], subjects=["drawn-5/S0002", "other-6/S0001"])
    assert len(data) == 24
    assert {data.subjects[i] for i in data.subject} == {"drawn-5/S0002", "other-6/S0001"}
    np.testing.assert_array_equal(data.images[12:], load_crops(other).images[:12])
    with pytest.raises(UserError, match="S0009"):
        load_crops(folder, subjects=["drawn-5/S0009"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "dataset.json").unlink(), "missing dataset.json"),
        (lambda f: (f / "frames.parquet").write_bytes(b"nonsense"), "frames.parquet is damaged"),
        (lambda f: (f / "dataset.json").write_text("{"), "not JSON"),
        (lambda f: (f / "dataset.json").write_text("[" * 100_000), "not JSON"),
        (
            lambda f: (f / "dataset.json").write_text(json.dumps({"name": [], "seed": 0})),
            r"name is \(\); it must be text",
        ),
        (lambda f: (f / "clips" / "S0002_T1.mp4").rename(f.parent / "x") and link_out(f), "lies outside its folder"),
        (lambda f: (f / "dataset.json").write_text(json.dumps({"name": "x"})), "lacks seed"),
        (lambda f: (f / "clips" / "S0002_T1.mp4").unlink(), "lacks clips/S0002_T1.mp4"),
        (lambda f: os.truncate(f / "clips" / "S0002_T1.mp4", 900), "S0002_T1.mp4"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(drawn, damage, message):
    folder, _ = drawn
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        load_crops(folder)
    assert "\n" not in str(error.value)


def link_out(folder):
    (folder / "clips" / "S0002_T1.mp4").symlink_to(folder.parent / "x")


def test_flipped_bits_in_the_notes_of_pandas_do_not_matter(drawn):
    folder, table = drawn
    content = (folder / "frames.parquet").read_bytes()
    assert b'"numpy_type"' in content
    for note in (b'"numpy_type"', b'"pandas_type"', b'"column_indexes"'):
        changed = content.replace(note, bytes([note[0], note[1] ^ 0x80, *note[2:]]))
        (folder / "frames.parquet").write_bytes(changed)
        try:
            assert len(load_labels(folder)) == len(table)
        except UserError as error:
            assert "is damaged" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="AU12_r"), "lacks the columns AU12_r"),
        (lambda t: t.drop(columns="y_3"), "lacks the columns y_3"),
        (lambda t: t.assign(AU12=9), "AU12 holds 9"),
        (lambda t: t.assign(AU12_r=6.0), "AU12_r holds 6"),
        (lambda t: t.assign(x_5=np.nan), "no landmarks"),
        (lambda t: t.assign(**dict.fromkeys(LANDMARK_COLUMNS, 0.0)), "landmarks of 36 frames are those of no face"),
        (lambda t: t.assign(x_5=1e30), "landmarks of 36 frames are those of no face"),
        (lambda t: t.assign(AU12="much"), "AU12 holds .*string where numbers must be"),
        (lambda t: t.assign(subject=None), "subject holds null where text must be"),
        (lambda t: t.assign(subject=t["subject"].where(t["frame"] > 3)), "subject is empty in 12 rows"),
        (lambda t: t.assign(clip=t["clip"].where(t["frame"] > 3)), "clip is empty in 12 rows"),
        (lambda t: t.assign(frame="1"), "frame holds .*string where whole numbers must be"),
        (lambda t: t.assign(clip="../../x.mp4"), r"names '../../x.mp4', which lies outside its folder"),
        (lambda t: t.assign(clip="/etc/passwd"), "names '/etc/passwd', which lies outside its folder"),
        (lambda t: t.drop(index=4), "not numbered"),
        (lambda t: t.assign(anchor=12), "frame 12 is the anchor of clips/S0001_T1.mp4, which has no such frame"),
        (lambda t: t.assign(anchor=-1), "frame -1 is the anchor"),
        (
            lambda t: t.assign(subject=np.where(t["frame"] < 6, "A", "B")),
            "S0001_T1.mp4 holds frames of A, B; a sequence",
        ),
        (lambda t: t.iloc[:0], "no frame"),
        (lambda t: t[t["frame"] < 11], "has 12 frames, frames.parquet has labels for 11"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(drawn, change, message):
    folder, table = drawn
    rewrite(folder, change(table))
    with pytest.raises(UserError, match=message) as error:
        load_crops(folder)
    assert "\n" not in str(error.value)
    assert not [path for path in folder.rglob("*") if ".crops" in path.parts and path.is_file()]


def test_a_folder_of_something_else_is_told_what_was_expected(tmp_path):
    (tmp_path / "BP4D.txt").write_text("")
    with pytest.raises(UserError, match=r"expected dataset.json, frames.parquet and clips/, found BP4D.txt"):
        read_frames(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read_frames(tmp_path / "none")


def test_coded_aus_follow_the_columns(drawn):
    folder, table = drawn
    rewrite(folder, table.drop(columns=["AU05", "AU07_r"]))
    assert coded_aus(folder) == tuple(a for a in SYNTH_AUS if a not in (5, 7))


@pytest.fixture
def portraits(tmp_path, astronaut):
    """A data set whose clips show a real face, so that MediaPipe finds it; every fourth frame shows none."""
    from actionunits.faces import FaceFinder
    from actionunits.types import Frame

    with FaceFinder(video=False) as finder:
        (face,) = finder(Frame(astronaut, 0, 0.0, "astronaut"))
    x, y = face.landmarks_px.mean(0).astype(int)
    left, top = x - 120, y - 110
    portrait = astronaut[top : top + 240, left : left + 240]
    folder = tmp_path / "portraits"
    table = write_drawn_dataset(folder, subjects=2, frames=8, size=240)
    points = face.landmarks_px - (left, top)
    for name in table["clip"].unique():
        with VideoWriter(folder / name, fps=25) as writer:
            for k in range(8):
                writer.write(np.zeros_like(portrait) if k % 4 == 3 else np.ascontiguousarray(portrait))
    for i in range(68):
        table[f"x_{i}"], table[f"y_{i}"] = points[i]
    rewrite(folder, table)
    return folder, face, np.array([left, top])


def test_meshes_lie_on_the_face_in_the_crop(portraits):
    folder, _, _ = portraits
    data = load_crops(folder, meshes=True, workers=1)
    assert isinstance(data.mesh, Rows)
    np.testing.assert_array_equal(data.mesh_valid, data.frame % 4 != 3)
    mesh = np.asarray(data.mesh[np.flatnonzero(data.mesh_valid)], np.float64)
    # Outer eye corners: 33 and 263 in the mesh, 36 and 45 of 68.
    template = (template_landmarks()[[36, 45]] - 0.5) / (1 + 2 * STORED_MARGIN) + 0.5
    np.testing.assert_allclose(mesh[:, [33, 263], :2], np.broadcast_to(template, (len(mesh), 2, 2)), atol=0.03)
    # The mouth of the mesh is red in the picture.
    lip = (mesh[0, 17, :2] * 128 - 0.5).round().astype(int)
    assert data.images[0][lip[1], lip[0], 0] > data.images[0][lip[1], lip[0], 1] + 30


def test_meshes_of_every_nth_row_only(portraits):
    folder, _, _ = portraits
    whole = load_crops(folder, meshes=True, workers=1)
    thin = load_crops(folder, meshes=True, mesh_every=3, workers=1)
    np.testing.assert_array_equal(thin.mesh_valid, (thin.frame % 3 == 0) & whole.mesh_valid)
    rows = np.flatnonzero(thin.mesh_valid)
    np.testing.assert_array_equal(thin.mesh[rows], whole.mesh[rows])


@pytest.mark.slow
def test_meshes_are_the_same_from_several_processes(portraits):
    folder, _, _ = portraits
    one = load_crops(folder, meshes=True, workers=1, cache=folder / "one")
    two = load_crops(folder, meshes=True, workers=2, cache=folder / "two")
    np.testing.assert_array_equal(one.mesh, two.mesh)


def test_registration_margin_keeps_the_centre_and_the_scale(astronaut):
    points = np.array(template_landmarks() * 200 + 100, np.float64)
    plain = register(astronaut, points, 112)
    wide = register(astronaut, points, 128, STORED_MARGIN)
    difference = np.abs(wide[8:120, 8:120].astype(int) - plain)
    assert difference.max() <= 2  # OpenCV rounds sampling positions to 1/32 pixel
    assert cv2.PSNR(wide[8:120, 8:120], plain) > 45


def test_parquet_without_au_columns_reads_for_names(drawn):
    folder, _ = drawn
    frames = read_frames(folder, [])
    assert list(frames.columns) == ["subject", "task", "clip", "frame"]
    assert isinstance(frames, pd.DataFrame) and len(frames) == 36
