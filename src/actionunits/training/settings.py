"""Settings of a training run: defaults, configuration files, and assignments on the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from actionunits.configs import find_config
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.datasets.sampling.balance import REPEAT_TIMES, Balance
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.settings.checks import make_config, shown
from actionunits.settings.ranges import Count, FrameRate, Positive
from actionunits.training.loop import LoopSettings

_LARGEST_FILE = 1_000_000  # bytes


@dataclass(frozen=True)
class DataSettings:
    """Which frames are trained and validated on."""

    every: Count = 1  # of the training frames, every so many is used
    fps: FrameRate = 1.0  # of videos that are not prepared yet: frames per second that are kept; TCAE Sec. 4.1
    mesh_every: Count = 4  # mesh points are looked for in every so many used frames
    balance: Balance = "none"  # "repeat" shows frames with scarce AUs 4-7 times an epoch, "duplicate" twice
    balance_aus: tuple[int, ...] = ()  # the scarce AUs; empty: by their rates
    balance_times: tuple[Positive, Positive] = REPEAT_TIMES  # of "repeat"
    validation_frames: Count = 4000  # for the scores while training; the last ones use all


@dataclass(frozen=True)
class Settings:
    """All settings of a run, from defaults, configuration file and options, in this order."""

    model: Any  # the model's config
    loop: LoopSettings
    data: DataSettings
    augment: AugmentConfig


class _PlainLoader(yaml.SafeLoader):
    """YAML of plain values: tags and aliases, which settings have no need of, are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "aliases and tags are not read here", event.start_mark)
        return super().compose_node(parent, index)


def read_config_file(name_or_path: str | Path) -> dict[str, Any]:
    """Settings of a YAML file, one flat mapping; by path, or by the name of one in configs/ such as renet_small.

    Raises UserError where it is none.
    """
    path = find_config(name_or_path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise UserError(f"{path} is too long for a file of settings")
    values = _read_yaml(content, str(path))
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold lines of the form 'setting: value'")
    return values


def parse_assignments(words: Sequence[str]) -> dict[str, Any]:
    """Settings from words such as `lr=0.001`; values are read as in YAML.

    >>> parse_assignments(["lr=0.5", "landmark_branch=true"])
    {'lr': 0.5, 'landmark_branch': True}
    """
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UserError(f"{shown(word)} is not of the form setting=value")
        values[name.strip()] = _read_yaml(text, f"the value in {shown(word)}")
    return values


def _read_yaml(content: bytes | str, what: str) -> Any:
    try:
        return yaml.load(content, _PlainLoader)
    except RecursionError:
        raise UserError(f"{what} is not YAML of settings: it is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a date or number that cannot be
        raise UserError(f"{what} is not YAML: {' '.join(str(error).split())[:200]}") from None


def make_settings(model: str, values: Mapping[str, Any]) -> Settings:
    """Settings of a run from flat values: each name belongs to the model, the loop, the data or augmentation.

    Raises UserError for an unknown model or setting, and for a value of the wrong type or outside its range.
    """
    kinds = {"model": find_model(model).config, "loop": LoopSettings, "data": DataSettings, "augment": AugmentConfig}
    parts: dict[str, dict[str, Any]] = {part: {} for part in kinds}
    fields = {part: [f.name for f in dataclasses.fields(kind)] for part, kind in kinds.items()}
    for name, value in values.items():
        owner = [part for part in kinds if name in fields[part]]
        if not owner:
            known = ", ".join(sorted(n for names in fields.values() for n in names))
            raise UserError(f"unknown setting {shown(name)} of model {model}; known are {known}")
        parts[owner[0]][name] = value
    return Settings(**{part: make_config(kind, parts[part], "settings") for part, kind in kinds.items()})
