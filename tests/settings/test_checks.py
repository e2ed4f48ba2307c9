"""Settings from files and options: every wrong value is one line, and right ones are taken as YAML writes them."""

import dataclasses

import pytest

from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.models import MODELS, find_model
from actionunits.models.resnet18 import ResNet18Config
from actionunits.settings.checks import check_values, make_config, shown
from actionunits.training.loop import LoopSettings
from actionunits.training.settings import DataSettings, make_settings

KINDS = [*(find_model(key).config for key in MODELS), LoopSettings, DataSettings, AugmentConfig]


def test_configs_take_what_yaml_gives():
    config = make_config(ResNet18Config, {"lr": "1e-3", "epochs": 3, "au_rates": ["5e-1", 1], "dropout": 0}, "here")
    assert config == dataclasses.replace(ResNet18Config(), lr=1e-3, epochs=3, au_rates=(0.5, 1.0), dropout=0.0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_defaults_are_within_their_ranges(kind):
    default = kind()
    assert make_config(kind, dataclasses.asdict(default), "here") == default


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"colour": 1}, "here: the model has no setting 'colour'; it has image_size, width"),
        ({1: 1}, "here: the model has no setting 1"),
        ({"epochs": "many"}, "here: epochs is 'many'; it must be a whole number"),
        ({"epochs": True}, "here: epochs is True; it must be a whole number"),
        ({"epochs": 3.0}, "here: epochs is 3.0; it must be a whole number"),
        ({"epochs": 0}, "here: epochs is 0; it must be at least 1"),
        ({"epochs": None}, "here: epochs is empty; it must be a whole number"),
        ({"batch_size": 10**20}, "it must be at most 1,000,000"),
        ({"image_size": 10_000_000}, "here: image_size is 10000000; it must be at most 4,096"),
        ({"lr": float("nan")}, "here: lr is nan; it must be a finite number"),
        ({"lr": "inf"}, "here: lr is inf; it must be a finite number"),
        ({"lr": 10**400}, r"here: lr is 1000.*\.\.\..*; it must be a number"),
        ({"lr": -1e-9}, "here: lr is -1e-09; it must be at least 0"),
        ({"lr": False}, "here: lr is False; it must be a number"),
        ({"schedule": "slow"}, "schedule is 'slow'; it must be one of 'constant', 'cosine' or 'plateau'"),
        ({"au_rates": [0.5, "x"]}, "here: au_rates 1 is 'x'; it must be a number"),
        ({"au_rates": 0.5}, "here: au_rates is 0.5; it must be a list"),
        ({"landmark_branch": 1}, "here: landmark_branch is 1; it must be true or false"),
        ([], r"here: expected names with values, found \[\]"),
        (None, "here: expected names with values, found empty"),
    ],
)
def test_values_that_cannot_be_are_one_line(values, line):
    with pytest.raises(UserError, match=line) as raised:
        make_config(ResNet18Config, values, "here")
    assert "\n" not in str(raised.value)


def test_what_does_not_go_together_says_where_it_was_read():
    with pytest.raises(UserError, match="here: image_size is 48; it must be a power of two"):
        make_config(find_model("tcae").config, {"image_size": 48}, "here")


@pytest.mark.parametrize(
    "values",
    [
        {"every": 0},
        {"every": -1},
        {"mesh_every": 0},
        {"seed": 99999999999999999999},
        {"seed": -1},
        {"max_minutes": float("inf")},
        {"max_minutes": 0},
        {"balance": "more"},
        {"balance_times": [4]},
        {"low_resolution_factors": [0]},
        {"erase_side": [0.1, 2]},
        {"validate_every_epochs": 1e308},
        {"optimizer": "lion"},
    ],
)
def test_settings_of_every_part_are_checked(values):
    with pytest.raises(UserError, match=f"settings: {next(iter(values))}"):
        make_settings("resnet18", values)


def test_huge_and_endless_values_are_shown_short():
    endless: list = []
    endless.append(endless)
    assert shown(endless) == "[[[...]]]" and shown(16**6000) == "a number of thousands of digits"
    wide: list = ["x" * 1000]
    for _ in range(30):
        wide = [wide] * 9
    assert len(shown(wide)) < 400 and len(shown("x" * 10**6)) < 100


def test_other_names_are_left_to_the_caller():
    assert check_values(LoopSettings, {"seed": 1, "other": object()}, "here") == {"seed": 1}
