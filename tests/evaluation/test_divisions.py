"""Folds of every protocol: nobody is in two parts, and too little data is told in one line."""

import dataclasses

import numpy as np
import pytest
from random_crops import random_crops

from actionunits.datasets.sampling.folds import PUBLISHED_FOLDS
from actionunits.errors import UserError
from actionunits.evaluation import divisions


def people(names, rows_each=4, data="bp4d", seed=0):
    rows = rows_each * len(names)
    crops = random_crops(rows, "x", seed, size=8, meshes=False)
    number = (np.arange(rows) % len(names)).astype(np.int32)
    return dataclasses.replace(
        crops,
        subject=number,
        clip=number,
        frame=(np.arange(rows) // len(names)).astype(np.int32),
        subjects=tuple(f"{data}/{name}" for name in names),
        clips=tuple(names),
        names=(data,),
    )


def parts_of(fold):
    parts = [fold.training, fold.validation] + ([fold.test] if fold.test is not None else [])
    return [set(part.subjects) for part in parts]


def test_published_folds_test_exactly_their_people():
    everybody = [name for part in PUBLISHED_FOLDS["bp4d"] for name in part]
    protocol = divisions.published_folds(people(everybody))
    assert protocol.division == "published 3 folds"
    for fold, part in zip(protocol.folds, PUBLISHED_FOLDS["bp4d"], strict=True):
        assert {divisions.own_name(name) for name in fold.test.subjects} == set(part)
        training, validation, test = parts_of(fold)
        assert not (training & validation or training & test or validation & test)
        assert len(training | validation | test) == 41


def test_published_folds_of_a_part_of_the_people():
    protocol = divisions.published_folds(people(["F001", "F002", "F003", "F004", "F099"]))
    assert [len(fold.test.subjects) for fold in protocol.folds] == [2, 1, 1]
    assert not any("bp4d/F099" in part for fold in protocol.folds for part in parts_of(fold))
    with pytest.raises(
        UserError, match=r"no subject of part 2 of the published folds of bp4d is in the data; name a number"
    ):
        divisions.published_folds(people(["F001", "F004"]))
    with pytest.raises(UserError, match="no folds are published for gft"):
        divisions.published_folds(people(["1", "2", "3"], data="gft"))


def test_seeded_folds_differ_by_seed_and_share_nobody():
    data = people([f"P{k}" for k in range(10)])
    protocol = divisions.seeded_folds(data, 5, (0, 1))
    assert len(protocol.folds) == 10
    for seed in (0, 1):
        tested = [name for fold in protocol.folds if fold.seed == seed for name in fold.test.subjects]
        assert sorted(tested) == sorted(data.subjects)
    first, second = (protocol.folds[k].test.subjects for k in (0, 5))
    assert set(first) != set(second)


def test_too_few_people_are_told():
    with pytest.raises(UserError, match="2 subjects cannot make 3 folds"):
        divisions.seeded_folds(people(["A", "B"]), 3)
    with pytest.raises(UserError, match="leave one to train on and none to tune on"):
        divisions.seeded_folds(people(["A", "B", "C"]), 2)


def test_own_split_holds_people_out_where_there_is_no_validation_part():
    data = people([f"P{k}" for k in range(8)])
    split = {name: "train" if k < 5 else "test" for k, name in enumerate(data.subjects)}
    (fold,) = divisions.own_split(data, split).folds
    assert (len(fold.training.subjects), len(fold.validation.subjects), len(fold.test.subjects)) == (4, 1, 3)
    split[data.subjects[0]] = "valid"
    (fold,) = divisions.own_split(data, split).folds
    assert fold.validation.subjects == (data.subjects[0],) and len(fold.training.subjects) == 4
    with pytest.raises(UserError, match="has no test part"):
        divisions.own_split(data, dict.fromkeys(data.subjects, "train"))
    with pytest.raises(UserError, match="bp4d brings no split of its own"):
        divisions.own_split(data, dict.fromkeys(data.subjects, ""))


def test_leaving_one_data_set_out_and_crossing():
    first, second = people(["A", "B", "C"], data="one"), people(["D", "E", "F"], data="two", seed=1)
    protocol = divisions.leave_one_data_set_out([first, second])
    assert [fold.test.names for fold in protocol.folds] == [("one",), ("two",)]
    assert all(not parts_of(fold)[0] & parts_of(fold)[2] for fold in protocol.folds)
    (fold,) = divisions.cross_data_set(first, second).folds
    assert parts_of(fold)[0] | parts_of(fold)[1] == set(first.subjects) and fold.test is second
    with pytest.raises(UserError, match="needs two data sets"):
        divisions.leave_one_data_set_out([first])
    with pytest.raises(UserError, match=r"subject one/A \(3 in all\) is in the training and in the test data"):
        divisions.cross_data_set(first, first)


def test_thinning_keeps_each_nth_frame_of_every_clip_of_the_training_people_alone():
    protocol = divisions.seeded_folds(people([f"P{k}" for k in range(6)], rows_each=7), 3, every=3)
    for fold in protocol.folds:
        for clip in np.unique(fold.training.clip):
            assert list(fold.training.frame[fold.training.clip == clip]) == [0, 3, 6]
        assert len(fold.test) == 7 * len(fold.test.subjects)
