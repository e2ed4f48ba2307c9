"""What the settings of a model are: what every config has, and the abilities that some have besides.

A config that has an ability names its Protocol among its bases, and whoever needs the ability asks with `isinstance`.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any, ClassVar, Protocol, runtime_checkable


class Config(Protocol):
    """Settings of a model and of its training: a frozen dataclass with a default for every field."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    image_size: int  # width and height of the crop that the model reads, pixels


@runtime_checkable
class WeighsByRates(Config, Protocol):
    """A config whose losses weigh AUs by their base rates; training fills these in from its labels."""

    au_rates: tuple[float, ...]  # empty: not known yet


@runtime_checkable
class RelatesByLabels(Config, Protocol):
    """A config of how AUs go together; training fills it in from its labels."""

    relations: tuple[float, ...]  # of every pair, row by row; empty: not known yet

    @property
    def relation_labels(self) -> str | None:
        """Field of Batch with the labels that the relations are of; None where they are not from labels."""
        ...


@runtime_checkable
class HasSettingsPerAu(Config, Protocol):
    """A config with settings of single AUs: a run asks for its stages before it knows the AUs."""

    def without_aus(self) -> Any:
        """The config without these settings; the stages are the same."""
        ...


@runtime_checkable
class LearnsFromTeacher(Config, Protocol):
    """A config whose losses also read `teacher_logit` and `teacher_intensity` of the batch: `--teacher`."""

    teacher_weight: float  # 0: they do not


@runtime_checkable
class ReadsTwoFrameFlow(Config, Protocol):
    """A config of a model that reads the flow of two frames, which data then brings as `Batch.flow`."""

    @property
    def two_frame_flow(self) -> str | None:
        """Method, of those that datasets/stored_flow.py computes; None: no such flow is read."""
        ...


@runtime_checkable
class MagnifiesFaces(Config, Protocol):
    """A config that enlarges the middle of the crop; a start from weights of faces of another size prints a note."""

    magnification: float


CONFIG_ABILITIES: tuple[type, ...] = (
    WeighsByRates,
    RelatesByLabels,
    HasSettingsPerAu,
    LearnsFromTeacher,
    ReadsTwoFrameFlow,
    MagnifiesFaces,
)


def flow_method(config: Any) -> str | None:
    """Method of the two-frame flow that data brings for a model with this config; None for no flow."""
    return config.two_frame_flow if isinstance(config, ReadsTwoFrameFlow) else None


def face_size(config: Any) -> dict[str, float]:
    """Settings that decide in how many pixels a network sees a face."""
    magnification = config.magnification if isinstance(config, MagnifiesFaces) else 1.0
    return {"image_size": config.image_size, "magnification": magnification}
