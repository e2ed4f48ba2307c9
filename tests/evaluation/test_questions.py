"""From folders to folds: every protocol on prepared folders and renders, and words that contradict each other."""

import dataclasses

import pytest
from drawn_faces import write_drawn_dataset
from drawn_recordings import drawn_recording, inventory

from actionunits.datasets.crops.prepare import prepare
from actionunits.errors import UserError
from actionunits.evaluation.questions import Question, check_question, load_protocol, own_splits
from actionunits.training.settings import make_settings

SETTINGS = make_settings("resnet18", {"image_size": 32, "every": 2})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A prepared folder of six people with a split of their own, and renders of four others."""
    root = tmp_path_factory.mktemp("questions")
    recordings = [
        drawn_recording(root / "pictures", f"F00{k}", frames=5, split="train" if k < 5 else "test")
        for k in range(1, 7)
    ]
    prepare(inventory(*recordings), root / "crops", image_size=32, workers=1)
    write_drawn_dataset(root / "drawn", subjects=4, frames=6)
    return root / "crops", root / "drawn"


def subjects_of(fold):
    return [set(part.subjects) for part in (fold.training, fold.validation, fold.test)]


def test_every_protocol_finds_its_people(folders):
    crops, drawn = folders
    asked = {
        "folds": Question("folds", (crops,), folds="3"),
        "own-split": Question("own-split", (crops,)),
        "leave-one-data-set-out": Question("leave-one-data-set-out", (crops, drawn), aus=(1, 12)),
        "cross": Question("cross", (drawn,), (crops,)),
        "finetune": Question("finetune", (crops,), (drawn,), folds="2"),
    }
    people = {"folds": 6, "own-split": 2, "leave-one-data-set-out": 10, "cross": 4, "finetune": 6}
    for name, question in asked.items():
        protocol = load_protocol(question, SETTINGS)
        assert protocol.name == name
        assert sum(len(fold.test.subjects) for fold in protocol.folds) == people[name]
        for fold in protocol.folds:
            training, validation, test = subjects_of(fold)
            assert not (training & validation or training & test or validation & test)
            assert fold.training.aus == fold.test.aus and set(fold.training.aus) <= {1, 12, 25}


def test_only_training_frames_are_thinned(folders):
    crops, _ = folders
    (fold,) = load_protocol(Question("own-split", (crops,)), SETTINGS).folds
    assert len(fold.training) == 3 * len(fold.training.subjects) and len(fold.test) == 5 * len(fold.test.subjects)


def test_the_first_stage_of_fine_tuning_learns_all_that_its_data_codes(folders):
    crops, drawn = folders
    protocol = load_protocol(Question("finetune", (crops,), (drawn,), folds="2"), SETTINGS)
    assert protocol.source.test is None and len(protocol.source.training.aus) == 18
    assert protocol.folds[0].training.aus == (1, 12, 25)


def test_own_splits_are_read_and_renders_have_none(folders):
    crops, drawn = folders
    assert sorted(own_splits([crops, drawn]).values()) == ["test"] * 2 + ["train"] * 4
    with pytest.raises(UserError, match="brings no split of its own"):
        load_protocol(Question("own-split", (drawn,)), SETTINGS)


def test_words_that_contradict_each_other_are_told(folders):
    crops, drawn = folders
    folds = Question("folds", (crops,))
    for line, changes in (
        ("unknown protocol 'fold'; known are folds, own-split", {"protocol": "fold"}),
        ("trains on other data than it tests on", {"protocol": "cross"}),
        ("trains on parts of the test data", {"train_data": (drawn,)}),
        ("has no folds to choose", {"protocol": "own-split", "folds": "3"}),
        ("must be published or a number from 2 on", {"folds": "1"}),
        ("published folds have no seed", {"folds": "published", "fold_seeds": (1,)}),
        ("each fold seed is needed once", {"fold_seeds": (1, 1)}),
        ("no data folder is named", {"data": ()}),
    ):
        with pytest.raises(UserError, match=line):
            check_question(dataclasses.replace(folds, **changes))
    with pytest.raises(UserError, match="needs two data sets"):
        load_protocol(Question("leave-one-data-set-out", (crops,)), SETTINGS)
    with pytest.raises(UserError, match="codes no action unit; name data with labels"):
        load_protocol(dataclasses.replace(folds, aus=()), SETTINGS)
    with pytest.raises(UserError, match="is in the training and in the test data"):
        load_protocol(Question("cross", (crops,), (crops,)), SETTINGS)
