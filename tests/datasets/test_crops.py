from dataclasses import replace

import numpy as np
import pytest

from actionunits.datasets.crops import CropData, Rows, concatenate, stored_size
from actionunits.errors import UserError


def random_data(rows=20, seed=0, name="a", size=16, aus=(1, 12, 25), mesh=True):
    rng = np.random.default_rng(seed)
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


def test_subset_by_mask_and_by_indices_agree_and_read_no_image():
    data = random_data()
    mask = data.subject == 1
    by_mask, by_index = data.subset(mask), data.subset(np.flatnonzero(mask))
    for part in (by_mask, by_index):
        np.testing.assert_array_equal(part.images[:], data.images[mask])
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
