"""What it takes to repeat a published table: which systems, each with which settings, and which row each stands for.

The settings of a model on a data set are those of `configs/<model>_<data set>.yaml`; a row that differs from its
neighbours in a setting alone says so in `published.yaml`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actionunits import configs
from actionunits.errors import UserError
from actionunits.evaluation.divisions import folder_word
from actionunits.evaluation.protocols import METRICS
from actionunits.evaluation.published import PublishedRow, PublishedTable
from actionunits.models import find_model, model_keys
from actionunits.training.settings import Settings, make_settings, read_config_file

CONFIGS = configs.FOLDER
# Our protocol for the paper's.
PROTOCOL_OF = {
    "folds-3": "folds",
    "folds-10": "folds",
    "own-split": "own-split",
    "cross": "cross",
    "transfer": "finetune",
}
# Protocols that the papers' word for fine-tuning stands for too.
PAPERS_WORD = {"regression": "finetune", "svm": "finetune", "probe": "finetune"}
OVER_TIME = "over_time"  # names a reading of outputs that are read over time, which no paper has
TESTED = "tested"  # names how the faces tested on were cut out, in tables where that sets rows apart
BASELINES = ("resnet18", "hog")  # that papers ran themselves beside their own system


@dataclass(frozen=True)
class Run:
    """One system of a table that is trained and tested."""

    model: str  # a key of MODELS, with the variant after a colon
    settings: Mapping[str, Any] = field(default_factory=dict)  # that set its row apart, besides those of its file
    setting: str = ""  # the same in the paper's words
    seed: int | None = None  # of training; None: that of the settings

    @property
    def key(self) -> str:
        """Key of MODELS."""
        return self.model.partition(":")[0]

    @property
    def variant(self) -> str:
        """Variant of the model, empty for its default one."""
        return self.model.partition(":")[2]

    @property
    def words(self) -> tuple[str, ...]:
        """The settings as assignments.

        >>> Run("renet", {"unseen_aus": [23]}).words
        ('unseen_aus=[23]',)
        """
        return words_of(self.settings) + words_of(self.seed_setting)

    @property
    def seed_setting(self) -> dict[str, int]:
        """Its seed as a setting; empty where none is named."""
        return {} if self.seed is None else {"seed": self.seed}

    @property
    def folder(self) -> str:
        """Name of its folder.

        >>> Run("renet", {"balance": "duplicate"}, "with DA").folder
        'renet-with-DA'
        """
        name = self.model.replace(":", "-")
        setting = f"-{folder_word(self.setting)}" if self.setting else ""
        return name + setting + ("" if self.seed is None else f"-seed{self.seed}")


def tested_word(aligned: bool) -> str:
    """How faces tested on were cut out, in a word."""
    return "registered" if aligned else "as-they-are"


def words_of(settings: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Settings as assignments without blanks."""
    return tuple(f"{name}={str(value).replace(' ', '')}" for name, value in (settings or {}).items())


def scored_rows(published: PublishedTable) -> list[PublishedRow]:
    """Rows of a table that hold scores of a protocol with folds."""
    return [row for row in published.rows if row.metric in METRICS and row.protocol in PROTOCOL_OF]


def systems_of(published: PublishedTable) -> tuple[str, ...]:
    """Systems of this toolkit that a table scores: its paper's own and the baselines that papers ran themselves, or
    else whatever there is."""
    names = dict.fromkeys(str(row.model) for row in scored_rows(published) if row.model)
    own = tuple(name for name in names if name.partition(":")[0] in (published.paper, *BASELINES))
    found = own or tuple(names)
    if not found:
        raise UserError(f"{published.key} scores no system of this toolkit; name one, such as --model resnet18")
    return found


def runs_of(
    published: PublishedTable, models: Sequence[str] = (), asked: Mapping[str, Any] | None = None
) -> list[Run]:
    """Every system that repeats the table, a row that differs in settings by itself.

    models: systems in place of the table's own. asked: settings that the user names; rows that differ in these are
    then one. Raises UserError for a model that cannot be trained.
    """
    for name in models:
        refuse_unknown_model(name, published)
    found: list[Run] = []
    for name in models or systems_of(published):
        rows = [row for row in scored_rows(published) if row.model == name]
        for row in rows:
            settings = row.settings or {}
            if set(settings) & set(asked or {}):
                settings = {}
            run = Run(name, settings, (row.setting or "") if settings else "")
            if run not in found:
                found.append(run)
        if not rows:
            found.append(Run(name))
    return found


def with_seeds(runs: Sequence[Run], seeds: Sequence[int]) -> list[Run]:
    """Each run once per seed of training, all of one seed before the next; as they are without seeds."""
    if not seeds:
        return list(runs)
    if len(set(seeds)) < len(seeds):
        raise UserError("each seed is needed once")
    return [dataclasses.replace(run, seed=seed) for seed in seeds for run in runs]


def refuse_unknown_model(name: str, published: PublishedTable) -> None:
    """Raises UserError for a model, or a variant, that this version does not have."""
    key, _, variant = name.partition(":")
    if key in model_keys():
        if variant and "variant" not in {f.name for f in dataclasses.fields(find_model(key).config)}:
            raise UserError(f"model {key} has no variants; name it without ':{variant}'")
        return
    here = [row for row in scored_rows(published) if row.model and row.model.partition(":")[0] in model_keys()]
    rows = ", ".join(dict.fromkeys(f"--model {row.model} ({row.method})" for row in here))
    known = f"of this table, {rows} can be run" if rows else f"these can: --model {', '.join(model_keys())}"
    raise UserError(f"the model '{name}' cannot be trained by this version; {known}")


def config_file(key: str, published: PublishedTable, scale: str) -> Path:
    """The file of a model's settings for a table. Raises UserError where there is none."""
    path = CONFIGS / f"{key}_{'small' if scale == 'small' else published.data}.yaml"
    if not path.is_file():
        what = "use --scale paper" if scale == "small" else f"no paper gives {key} settings for {published.data}"
        raise UserError(f"there is no {path}; {what}")
    return path


def settings_of(run: Run, published: PublishedTable, scale: str, asked: Mapping[str, Any] | None = None) -> Settings:
    """All settings of a run: the model's defaults, its file, its row of the table, and what is asked besides."""
    values = read_config_file(config_file(run.key, published, scale)) | dict(run.settings)
    if run.variant:
        values["variant"] = run.variant
    return make_settings(run.key, values | dict(asked or {}) | run.seed_setting)


def published_row(
    published: PublishedTable, metric: str, model: str, word: str, train_data: str, scale: str
) -> PublishedRow | None:
    """The printed row that a reproduction stands for: of the same system, score and protocol; None where none is.

    word: of PROTOCOLS of `published`. train_data: names of other data that it was trained on first, empty for none.
    scale: words of a results table that say how it was set.
    """
    if f"{OVER_TIME}=" in scale:
        return None
    same = [row for row in scored_rows(published) if (row.metric, row.model, row.protocol) == (metric, model, word)]
    if train_data:
        same = [row for row in same if row.train_data == train_data] or same
    if any(row.aligned is not None for row in same):
        same = [row for row in same if f"{TESTED}={tested_word(bool(row.aligned))}" in scale]
    if len(same) > 1:
        told = scale.replace(" ", "").split(",")
        whole = ",".join(told)
        apart = [row for row in same if row.settings and all(w in whole for w in words_of(row.settings))]
        names = {name for row in same for name in row.settings or {}}
        plain = [row for row in same if not row.settings and not any(f"{name}=" in whole for name in names)]
        same = apart or plain
    return same[0] if len(same) == 1 else None
