"""What a reader of a data set returns: its sequences with labels, and how they compare with what was published.

A reader is a function `read(root, ...) -> Inventory`. It opens label and landmark files, never pictures, except to
ask a video for its number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PictureFiles:
    """One picture file per row of the recording."""

    paths: tuple[Path, ...]  # (T,)


@dataclass(frozen=True)
class VideoFile:
    """Rows that are frames of one video."""

    path: Path
    index: np.ndarray  # (T,) int64, position in the decoded stream from 0, ascending


@dataclass(frozen=True)
class Recording:
    """One sequence of one person, one row per frame that the data set names, in time order.

    Where a `valid` mask is False the label is unknown and its value arbitrary.
    """

    subject: str  # the data set's own name, for instance "F001" or "SN002"
    task: str  # "T1"; "left" or "right" for the cameras of DISFA; video and track for other videos
    pixels: PictureFiles | VideoFile
    frame: np.ndarray  # (T,) int64, the data set's own frame number, ascending
    time_s: np.ndarray  # (T,) float64 from the first frame of the sequence
    aus: tuple[int, ...]
    au_present: np.ndarray  # (T, A) uint8, 0 or 1
    au_present_valid: np.ndarray  # (T, A) bool
    au_intensity: np.ndarray  # (T, A) float32, 0-5
    au_intensity_valid: np.ndarray  # (T, A) bool
    landmarks_px: np.ndarray | None = None  # (T, 68, 2) float32 Multi-PIE; NaN where the data set has none
    lost: dict[int, str] | None = None  # row -> why it must not be used, for instance "known bad landmarks"
    anchor: int = 0  # row of the sequence's first frame on disk, the reference where it may be neutral
    coded: np.ndarray | None = None  # (T,) bool: what labels are for; other rows are there as anchors. None: all
    split: str = ""  # the data set's own split: "train", "valid", "test" or ""

    @property
    def name(self) -> str:
        """Unique within the data set, usable as a file name."""
        return f"{self.subject}_{self.task}"

    def __len__(self) -> int:
        return len(self.frame)

    def part(self, rows: np.ndarray, task: str) -> Recording:
        """Some rows, in time order, as a recording of their own."""
        if isinstance(self.pixels, PictureFiles):
            pixels: PictureFiles | VideoFile = PictureFiles(tuple(self.pixels.paths[row] for row in rows))
        else:
            pixels = VideoFile(self.pixels.path, self.pixels.index[rows])
        arrays = ("frame", "time_s", "au_present", "au_present_valid", "au_intensity", "au_intensity_valid")
        optional: dict[str, Any] = {name: getattr(self, name) for name in ("landmarks_px", "coded")}
        chosen: dict[str, Any] = {name: getattr(self, name)[rows] for name in arrays}
        chosen |= {name: None if value is None else value[rows] for name, value in optional.items()}
        return replace(self, task=task, pixels=pixels, lost=None, anchor=0, **chosen)

    @property
    def coded_rows(self) -> int:
        """How many rows labels are for."""
        return len(self) if self.coded is None else int(self.coded.sum())


@dataclass(frozen=True)
class Count:
    """One number of an inventory beside the published one."""

    what: str  # "subjects", "sequences", "coded frames"
    found: int
    published: int | None  # None where nothing is published


@dataclass(frozen=True)
class Inventory:
    """Everything a reader found in a folder."""

    dataset: str  # "bp4d", "bp4d+", "disfa", "gft", "voxceleb", "videos"
    recordings: tuple[Recording, ...]
    counts: tuple[Count, ...]
    problems: tuple[str, ...]  # one line each: what is missing or odd, and what was done about it
    occurrence_level: float  # intensity from which an AU counts as present; 1 is level A
    unverified: bool = False  # the layout is nowhere documented and was guessed
