import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionunits.datasets.folds import PUBLISHED_FOLDS, fold_split, hold_out, subject_folds
from actionunits.errors import UserError

people = st.sets(st.text("FMS0123456789", min_size=2, max_size=5), min_size=4, max_size=60).map(sorted)


@given(people, st.integers(2, 10), st.integers(0, 2**31), st.floats(0.05, 0.5))
def test_folds_and_splits_share_no_subject_and_lose_none(subjects, count, seed, fraction):
    count = min(count, len(subjects) - 1)
    folds = subject_folds(subjects, count, seed)
    assert sorted(s for fold in folds for s in fold) == sorted(subjects)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    for test_fold in range(count):
        if len(subjects) - len(folds[test_fold]) < 2:
            continue
        split = fold_split(folds, test_fold, seed, fraction)
        parts = (split.train, split.validation, split.test)
        assert all(parts)
        assert sorted(s for part in parts for s in part) == sorted(subjects)
        assert split.test == folds[test_fold]


@given(people, st.integers(0, 1000), st.randoms())
def test_folds_depend_on_the_set_of_subjects_and_the_seed_alone(subjects, seed, random):
    shuffled = list(subjects) * 2
    random.shuffle(shuffled)
    assert subject_folds(shuffled, 3, seed) == subject_folds(subjects, 3, seed)


def test_seeds_give_different_folds():
    subjects = [f"S{i:02d}" for i in range(27)]
    assert len({subject_folds(subjects, 3, seed) for seed in range(20)}) == 20


def test_published_folds_are_all_people_of_the_data_sets():
    bp4d = [f"F{i:03d}" for i in range(1, 24)] + [f"M{i:03d}" for i in range(1, 19)]
    disfa = [f"SN{i:03d}" for i in range(1, 33) if i not in (14, 15, 19, 20, 22)]
    assert sorted(s for fold in PUBLISHED_FOLDS["bp4d"] for s in fold) == sorted(bp4d)
    assert sorted(s for fold in PUBLISHED_FOLDS["disfa"] for s in fold) == sorted(disfa)
    assert [len(f) for f in PUBLISHED_FOLDS["bp4d"]] == [14, 14, 13]
    assert [len(f) for f in PUBLISHED_FOLDS["disfa"]] == [9, 9, 9]


def test_validation_is_a_fifth_of_the_training_subjects():
    split = fold_split(PUBLISHED_FOLDS["disfa"], 0, seed=4)
    assert (len(split.train), len(split.validation), len(split.test)) == (14, 4, 9)


def test_what_cannot_be_split_is_told():
    with pytest.raises(UserError, match="2 to 3"):
        subject_folds(["a", "b", "c"], 4, 0)
    with pytest.raises(UserError, match="one subject"):
        hold_out(["a", "a"], 0.2, 0)
    with pytest.raises(UserError, match="folds 0 to 2"):
        fold_split(PUBLISHED_FOLDS["bp4d"], 3, 0)


def test_held_out_people_vary_with_the_seed():
    subjects = [f"S{i:02d}" for i in range(20)]
    held = {hold_out(subjects, 0.2, seed)[1] for seed in np.arange(10)}
    assert len(held) > 5
