"""Renders in the folder layouts of licensed data sets, one file per data set."""

from __future__ import annotations

from dataclasses import dataclass

from actionunits.errors import UserError
from actionunits.synth.motion import Look

DEFAULT_CLIPS = 2


@dataclass(frozen=True)
class Layout:
    """One data set's layout: who writes it and what its recordings are like.

    The writer is a module of this folder with `write_clip(root, clip)` and `SUBJECTS`.
    """

    module: str
    number: int  # people of different layouts differ though look and seed are the same
    look: Look  # the default one
    most_clips: int | None = None  # sequences of each person, where the data set says how many

    @property
    def clips(self) -> int:
        """Clips of each person unless the user says otherwise."""
        return min(DEFAULT_CLIPS, self.most_clips or DEFAULT_CLIPS)


LAYOUTS: dict[str, Layout] = {
    "bp4d": Layout("bp4d", 1, "studio", most_clips=8),
    "bp4d+": Layout("bp4d_plus", 2, "studio", most_clips=4),
    "disfa": Layout("disfa", 3, "wild", most_clips=1),
    "gft": Layout("gft", 4, "wild", most_clips=1),
    "voxceleb": Layout("voxceleb", 5, "wild"),
}


def find_layout(name: str) -> Layout:
    """The layout of that name. Raises UserError with the known names."""
    layout = LAYOUTS.get(name.lower())
    if layout is None:
        raise UserError(f"unknown layout '{name}'; known are {', '.join(LAYOUTS)}")
    return layout
