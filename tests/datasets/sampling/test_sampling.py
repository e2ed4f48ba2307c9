import numpy as np
import pytest

from actionunits.datasets.sampling.rows import Sampler, even_rows, rank_slice, rows_of_clips
from actionunits.errors import UserError


def test_an_epoch_shows_every_row_once():
    sampler = Sampler(100, 10, seed=1)
    seen = np.concatenate([sampler.batch_indices(step) for step in range(10)])
    assert sampler.steps_per_epoch == 10
    np.testing.assert_array_equal(np.sort(seen), np.arange(100))


def test_epochs_and_seeds_differ_and_steps_repeat():
    first, again, other = Sampler(50, 5, 1), Sampler(50, 5, 1), Sampler(50, 5, 2)
    expected = [first.batch_indices(step).tolist() for step in range(25)]
    # In another order, as after a resume.
    assert [again.batch_indices(step).tolist() for step in reversed(range(25))] == expected[::-1]
    assert expected[:10] != expected[10:20]
    assert expected[0] != other.batch_indices(0).tolist()


def test_weights_are_how_often_a_row_appears():
    weight = np.array([1.0, 2.3, 5.0, 0.25] * 25)
    sampler = Sampler(100, 1, 0, weight)
    counts = np.stack([np.bincount(sampler.order(epoch), minlength=100) for epoch in range(200)])
    assert (counts.sum(1) == int(weight.sum())).all()
    assert (np.abs(counts - weight) <= 1).all()  # never bunched
    np.testing.assert_allclose(counts.mean(0), weight, atol=0.12)


def test_a_set_smaller_than_a_batch_is_told():
    with pytest.raises(UserError, match="do not fill one batch"):
        Sampler(9, 10, 0)


def test_ranks_share_a_batch():
    batch = np.arange(12)
    parts = [rank_slice(batch, rank, 3) for rank in range(3)]
    assert sorted(np.concatenate(parts)) == list(batch) and {len(p) for p in parts} == {4}


def test_even_rows_span_the_set():
    np.testing.assert_array_equal(even_rows(101, 5), [0, 25, 50, 75, 100])
    np.testing.assert_array_equal(even_rows(3, 9), [0, 1, 2])


def test_rows_of_clips_are_in_frame_order():
    clip, frame = np.array([1, 0, 1, 0]), np.array([5, 1, 2, 0])
    first, second = rows_of_clips(clip, frame, [0, 1])
    assert first.tolist() == [3, 1] and second.tolist() == [2, 0]
