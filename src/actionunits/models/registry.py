"""Models by name: those of this package, those that other packages bring, and those that a program registers.

Another package brings a model by an entry point of the group `actionunits.models`: its name is the model's key, what
it loads a ModelEntry. Nothing is imported before a model is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from actionunits.errors import UserError
from actionunits.models.contract import ModelEntry
from actionunits.settings.checks import shown

GROUP = "actionunits.models"

# Models of this package: where the entry of each is.
MODELS: dict[str, str] = {
    "deformae": "actionunits.models.deformae:ENTRY",
    "drml": "actionunits.models.drml:ENTRY",
    "eacnet": "actionunits.models.eacnet:ENTRY",
    "frozen": "actionunits.models.frozen:ENTRY",
    "hog": "actionunits.models.hog:ENTRY",
    "hybrid": "actionunits.models.hybrid:ENTRY",
    "ofnet": "actionunits.models.ofnet:ENTRY",
    "renet": "actionunits.models.renet:ENTRY",
    "resnet18": "actionunits.models.resnet18:ENTRY",
    "splitbrain": "actionunits.models.splitbrain:ENTRY",
    "tcae": "actionunits.models.tcae:ENTRY",
}

_registered: dict[str, ModelEntry] = {}


def register_model(key: str, entry: ModelEntry) -> None:
    """Make a model known in this process. Raises ValueError for a key that another model has."""
    if key in model_keys() and _registered.get(key) != entry:
        raise ValueError(f"there is a model '{key}' already")
    _registered[key] = entry


def unregister_model(key: str) -> None:
    """Forget a model of `register_model`. Raises KeyError where there is none."""
    del _registered[key]


def model_keys() -> list[str]:
    """Keys of all models: of this package, registered ones, then those of other packages."""
    return list(dict.fromkeys([*MODELS, *_registered, *sorted(point.name for point in _outside())]))


def find_model(key: str) -> ModelEntry:
    """The model of a key. Raises UserError for an unknown one, and for one whose package cannot be used."""
    if key in MODELS:
        return EntryPoint(key, MODELS[key], GROUP).load()
    if key in _registered:
        return _registered[key]
    points = [point for point in _outside() if point.name == key]
    if not points:
        raise UserError(f"unknown model {shown(key)}; known are {', '.join(model_keys())}")
    packages = sorted({_package(point) for point in points})
    if len(packages) > 1:
        raise UserError(f"{' and '.join(packages)} both bring a model '{key}'; uninstall one of them")
    try:
        entry = points[0].load()
    except Exception as error:  # code of another package can fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{packages[0]} cannot give its model '{key}' ({reason}); mend or uninstall it") from error
    if not isinstance(entry, ModelEntry):
        raise UserError(f"{packages[0]} gives no ModelEntry for '{key}' ({points[0].value}); mend or uninstall it")
    return entry


def key_of(one: Any) -> str:
    """Key of the model that a network or a config belongs to. Raises ValueError where there is none."""
    for key, entry in _usable():
        if type(one) in (entry.model, entry.config):
            return key
    raise ValueError(f"{type(one).__name__} belongs to no known model; see `register_model`")


def keys_with(ability: type) -> list[str]:
    """Keys of the models that have an ability of `contract`."""
    return [key for key, entry in _usable() if issubclass(entry.model, ability)]


def _usable() -> Iterator[tuple[str, ModelEntry]]:
    """All models, without those whose packages are broken."""
    for key in model_keys():
        with suppress(UserError):
            yield key, find_model(key)


def _outside() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else f"the module {point.module}"
