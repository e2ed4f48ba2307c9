"""The data set layouts that `actionunits prepare` reads, by the name that a user types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from actionunits.datasets.readers.recording import Inventory
from actionunits.errors import UserError

RENDER_CARD = "actionunits-render.json"  # in the root of a tree that `actionunits synth --layout` wrote
RENDERED = "this tree was rendered by actionunits: no person in it exists"


@dataclass(frozen=True)
class Layout:
    """One data set's folder layout and who reads it.

    The reader's module is imported when it is asked to read, so that listing the layouts costs nothing.
    """

    module: str  # below actionunits.datasets.readers
    function: str = "read"
    folds: str | None = None  # key of folds.PUBLISHED_FOLDS

    def read(self, root: Path | str, landmarks: str = "auto", **options: Any) -> Inventory:
        """Everything under the folder; renders are told.

        landmarks: "read" those of the data set and count only frames that have some, "find" (they are not read), or
        "auto": read where there are any. options: see OPTION_FLAGS. Raises UserError for a folder of another layout,
        and for an option that this layout does not have.
        """
        inventory = self._read(Path(root), landmarks, options)
        if (Path(root) / RENDER_CARD).is_file():
            inventory = replace(inventory, problems=(RENDERED, *inventory.problems))
        return inventory

    def _read(self, root: Path, landmarks: str, options: Mapping[str, Any]) -> Inventory:
        read = getattr(import_module(f"actionunits.datasets.readers.{self.module}"), self.function)
        known = {p.name for p in inspect.signature(read).parameters.values() if p.kind is p.KEYWORD_ONLY}
        foreign = sorted(set(options) - known)
        if foreign:
            has = ", ".join(flag for name, flag in OPTION_FLAGS.items() if name in known) or "none of its own"
            raise UserError(f"this layout has no {OPTION_FLAGS.get(foreign[0], foreign[0])}; its options are: {has}")
        chosen = dict(options)
        if "landmarks" in known:
            chosen["landmarks"] = landmarks != "find"
        if "landmarks_required" in known and landmarks != "find":
            try:
                return cast(Inventory, read(root, **chosen, landmarks_required=True))
            except UserError:
                if landmarks == "read":
                    raise
        return cast(Inventory, read(root, **chosen))


# How a user writes the options of readers.
OPTION_FLAGS = {
    "fps": "--fps",
    "occurrence_level": "--level",
    "camera": "--camera",
    "keep_bad_landmarks": "--keep-bad-frames",
    "frame_offset": "--frame-offset",
    "picture_fps": "--picture-fps",
    "subject_level": "--subject-level",
}

LAYOUTS: dict[str, Layout] = {
    "bp4d": Layout("bp4d", folds="bp4d"),
    "bp4d+": Layout("bp4d_plus"),
    "disfa": Layout("disfa", folds="disfa"),
    "gft": Layout("gft"),
    "voxceleb": Layout("videos", "read_voxceleb"),
    "videos": Layout("videos"),
}


def find_layout(name: str) -> Layout:
    """The layout of that name. Raises UserError with the known names."""
    layout = LAYOUTS.get(name.lower())
    if layout is None:
        raise UserError(f"unknown layout '{name}'; known are {', '.join(LAYOUTS)}")
    return layout
