from dataclasses import replace

import numpy as np
import pytest

from actionunits.datasets.crops.crop_data import CropData, Rows, concatenate, stored_size
from actionunits.errors import UserError


def random_data(rows=20, seed=0, name="a", size=16, aus=(1, 12, 25), mesh=True, points=True):
    rng = np.random.default_rng(seed)
    anchors = rng.integers(0, 256, (4, size, size, 3)).astype(np.uint8)
    landmarks = rng.random((rows, 68, 2)).astype(np.float32)
    landmarks[:, :17] = np.nan  # as a 49-point markup
    return CropData(
        aus=aus,
        images=rng.integers(0, 256, (rows, size, size, 3)).astype(np.uint8),
        au_present=rng.integers(0, 2, (rows, len(aus))).astype(np.uint8),
        au_present_valid=rng.random((rows, len(aus))) < 0.8,
        au_intensity=rng.uniform(0, 5, (rows, len(aus))).astype(np.float32),
        au_intensity_valid=rng.random((rows, len(aus))) < 0.8,
        subject=rng.integers(0, 3, rows).astype(np.int32),
        clip=rng.integers(0, 4, rows).astype(np.int32),
        frame=np.arange(rows, dtype=np.int32),
        subjects=tuple(f"{name}/S{i}" for i in range(3)),
        clips=tuple(f"{name}/c{i}" for i in range(4)),
        names=(name,),
        mesh=rng.random((rows, 478, 3)).astype(np.float16) if mesh else None,
        mesh_valid=rng.random(rows) < 0.5 if mesh else None,
        anchor=Rows((anchors,), np.zeros(rows, np.int16), rng.integers(0, 4, rows)) if points else None,
        landmarks=landmarks if points else None,
    )


def test_batch_is_rgb_between_0_and_1_with_the_rows_labels():
    data = random_data()
    rows = np.array([7, 0, 7, 19])
    batch = data.batch(rows)
    assert batch.image.shape == (4, 3, 16, 16) and batch.image.dtype.is_floating_point
    np.testing.assert_allclose(batch.image.permute(0, 2, 3, 1), data.images[rows] / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(batch.au_present, data.au_present[rows])
    np.testing.assert_array_equal(batch.au_present_valid, data.au_present_valid[rows])
    np.testing.assert_array_equal(batch.au_intensity, data.au_intensity[rows])
    np.testing.assert_array_equal(batch.mesh, data.mesh[rows].astype(np.float32))
    np.testing.assert_array_equal(batch.mesh_valid, data.mesh_valid[rows])


class Unreadable:
    """Stands in for stored pictures that nobody asked for."""

    shape, dtype = (20, 16, 16, 3), np.dtype(np.uint8)

    def __getitem__(self, key):
        raise AssertionError("a picture was read")

    def __array__(self, *args, **kwargs):
        raise AssertionError("a picture was read")


def test_a_batch_reads_what_is_asked_for():
    data = random_data()
    rows = np.array([7, 0, 19])
    whole = data.batch(rows, inputs=("image", "anchor", "landmarks", "mesh"))
    np.testing.assert_allclose(whole.anchor.permute(0, 2, 3, 1), data.anchor[rows] / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(whole.landmarks, data.landmarks[rows])
    np.testing.assert_array_equal(whole.image, data.batch(rows).image)
    unread = replace(data, anchor=Rows((Unreadable(),), np.zeros(20, np.int16), np.arange(20)))
    batch = unread.batch(rows, inputs=("image",))
    assert batch.anchor is None and batch.landmarks is None and batch.mesh is None and batch.mesh_valid is None
    assert unread.batch(rows).anchor is None and unread.batch(rows).landmarks is not None
    with pytest.raises(AssertionError, match="read"):
        unread.batch(rows, inputs=("anchor",))
    blind = replace(data, images=Unreadable(), anchor=unread.anchor)
    batch = blind.batch(rows, inputs=("landmarks",))
    assert batch.image.shape == (3, 3, 0, 0) and batch.landmarks.shape == (3, 68, 2)
    moved = whole.to("cpu")
    assert moved.anchor is not None and moved.landmarks is not None


def test_choosing_rows_reads_no_picture():
    unread = Rows((Unreadable(),), np.zeros(20, np.int16), np.arange(20))
    data = replace(random_data(), images=unread, anchor=unread)
    part = concatenate([data.of_subjects(["a/S1"]), data.subset([3, 4])]).of_aus((12, 4))
    assert len(part) == len(part.anchor) == len(part.landmarks) == (data.subject == 1).sum() + 2


def test_subset_by_mask_and_by_indices_agree_and_read_no_image():
    data = random_data()
    mask = data.subject == 1
    by_mask, by_index = data.subset(mask), data.subset(np.flatnonzero(mask))
    for part in (by_mask, by_index):
        np.testing.assert_array_equal(part.images[:], data.images[mask])
        np.testing.assert_array_equal(part.anchor[:], data.anchor[:][mask])
        np.testing.assert_array_equal(part.landmarks, data.landmarks[mask])
        np.testing.assert_array_equal(part.au_intensity, data.au_intensity[mask])
        assert isinstance(part.images, Rows) and np.shares_memory(part.images.parts[0], data.images)
    twice = by_mask.subset([1, 0])
    np.testing.assert_array_equal(twice.images[0], data.images[np.flatnonzero(mask)[1]])


def test_concatenation_keeps_rows_people_and_clips():
    a, b = random_data(seed=1), random_data(seed=2, name="b").subset([3, 4, 5])
    joined = concatenate([a, b, a])
    assert len(joined) == 43 and joined.names == ("a", "b")
    np.testing.assert_array_equal(joined.images[20:23], b.images[:])
    np.testing.assert_array_equal(joined.images[[41, 21]], np.stack([a.images[18], b.images[1]]))
    assert [joined.subjects[i] for i in joined.subject[20:23]] == [b.subjects[i] for i in b.subject]
    assert [joined.clips[i] for i in joined.clip[20:23]] == [b.clips[i] for i in b.clip]
    assert len(joined.subjects) == 6  # the people of `a` are the same both times
    np.testing.assert_array_equal(joined.mesh[20:23], b.mesh[:])
    np.testing.assert_array_equal(joined.anchor[20:23], b.anchor[:])
    np.testing.assert_array_equal(joined.landmarks[20:23], b.landmarks)


def test_joined_to_a_set_without_them_landmarks_are_unknown_and_anchors_gone():
    a, b = random_data(), random_data(seed=2, name="b", points=False)
    joined = concatenate([b, a])
    assert np.isnan(joined.landmarks[:20]).all() and joined.anchor is None
    np.testing.assert_array_equal(joined.landmarks[20:], a.landmarks)
    assert concatenate([b, b]).landmarks is None


def test_rows_of_a_set_without_meshes_have_none():
    a, b = random_data(), random_data(seed=2, name="b", mesh=False)
    joined = concatenate([b, a])
    assert not joined.mesh_valid[:20].any()
    np.testing.assert_array_equal(joined.mesh_valid[20:], a.mesh_valid)
    np.testing.assert_array_equal(joined.batch([2, 22]).mesh[1], a.mesh[2].astype(np.float32))


@pytest.mark.parametrize("change", [{"aus": (1, 12, 26)}, {"margin": 0.1}, {"occurrence_level": 2.0}])
def test_sets_that_differ_in_meaning_cannot_be_joined(change):
    with pytest.raises(UserError, match=f"different {next(iter(change))}"):
        concatenate([random_data(), replace(random_data(name="b"), **change)])


def test_choosing_aus_reorders_them_and_makes_others_unknown():
    data = random_data()
    chosen = data.of_aus((25, 4, 1))
    np.testing.assert_array_equal(chosen.au_intensity[:, [0, 2]], data.au_intensity[:, [2, 0]])
    np.testing.assert_array_equal(chosen.au_present_valid[:, [0, 2]], data.au_present_valid[:, [2, 0]])
    assert not chosen.au_present_valid[:, 1].any() and not chosen.au_intensity_valid[:, 1].any()


def test_memory_map_is_not_copied_by_joining_and_choosing(tmp_path):
    data = random_data()
    np.save(tmp_path / "images.npy", data.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    part = concatenate([replace(data, images=mapped), data]).subset(np.arange(5, 30))
    assert part.images.parts[0] is mapped
    np.testing.assert_array_equal(part.images[3], data.images[8])


def test_stored_crops_keep_the_networks_pixels():
    for size in (112, 224):
        assert (stored_size(size) - size) % 2 == 0
