import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionunits.datasets.sampling.folds import (
    PUBLISHED_FOLDS,
    fold_split,
    hold_out,
    own_split,
    published_folds,
    subject_folds,
    training_people,
)
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


@given(st.sampled_from(["bp4d", "disfa"]), st.randoms(), st.integers(0, 1000))
def test_published_folds_take_names_with_the_data_set_before(dataset, random, seed):
    listed = [f"{dataset}/{name}" for part in PUBLISHED_FOLDS[dataset] for name in part]
    # A few people of each part, as in a small copy of the data set.
    some = [name for part in PUBLISHED_FOLDS[dataset] for name in random.sample([f"{dataset}/{n}" for n in part], 3)]
    for subjects in (listed, some + some):
        folds = published_folds(dataset, random.sample(subjects, len(subjects)))
        assert sorted(name for fold in folds for name in fold) == sorted(set(subjects))
        for fold, part in zip(folds, PUBLISHED_FOLDS[dataset], strict=True):
            assert {name.split("/")[1] for name in fold} <= set(part)
        split = fold_split(folds, 1, seed)
        assert sorted((*split.train, *split.validation, *split.test)) == sorted(set(subjects))
    assert published_folds(dataset, [name.split("/")[1] for name in listed])[0] == PUBLISHED_FOLDS[dataset][0]


def test_people_whom_the_lists_do_not_name_are_refused():
    names = ["bp4d/F001", "bp4d/F003", "bp4d/F004", *(f"bp4d/M{k:03d}" for k in range(100, 106))]
    with pytest.raises(UserError, match=r"do not name bp4d/M100, bp4d/M101, bp4d/M102 and 3 more; leave these"):
        published_folds("bp4d", names)
    with pytest.raises(UserError, match=r"do not name bp4d/M100; leave"):
        published_folds("bp4d", names[:4])
    with pytest.raises(UserError, match="no folds are published for gft, only for bp4d, disfa"):
        published_folds("gft", names)
    with pytest.raises(UserError, match="no subject of part 3"):
        published_folds("bp4d", names[:2])


@given(
    st.dictionaries(
        st.text("abSN0123/", min_size=1, max_size=8),
        st.sampled_from(["train", "valid", "test"]),
        min_size=3,
        max_size=40,
    )
)
def test_a_data_sets_own_split_is_kept(split_of):
    words = list(split_of.values())
    if words.count("train") < 2 or "test" not in words:
        return
    split = own_split(split_of, seed=3)
    assert sorted((*split.train, *split.validation, *split.test)) == sorted(split_of)
    assert {split_of[name] for name in split.test} == {"test"}
    assert {split_of[name] for name in split.train} == {"train"}
    assert {split_of[name] for name in split.validation} == {"valid" if "valid" in words else "train"}


def test_an_unusable_own_split_is_told():
    with pytest.raises(UserError, match="no test part"):
        own_split({"a": "train", "b": "valid"}, 0)
    with pytest.raises(UserError, match=r"subject b \(1 in all\) is in the part 'dev'"):
        own_split({"a": "train", "b": "dev"}, 0)


def test_ten_folds_of_bp4d_with_a_fifth_for_validation():
    subjects = [f"bp4d/{name}" for part in PUBLISHED_FOLDS["bp4d"] for name in part]
    folds = subject_folds(subjects, 10, seed=1)
    assert sorted(map(len, folds)) == [4] * 9 + [5]
    split = fold_split(folds, 0, seed=1)
    assert len(split.validation) == round(0.2 * (41 - len(folds[0])))


def test_identities_of_data_without_labels_keep_to_their_own_split():
    people = [f"p{k}" for k in range(10)]
    split_of = {name: "train" if k < 7 else "valid" if k < 9 else "test" for k, name in enumerate(people)}
    train, valid = training_people(people, split_of, 0.2, 0)
    assert train == tuple(people[:7]) and valid == ("p7", "p8")
    assert training_people(people, {}, 0.2, 0) == hold_out(people, 0.2, 0)
    assert training_people(people[:7], split_of, 0.2, 0) == hold_out(people[:7], 0.2, 0)
