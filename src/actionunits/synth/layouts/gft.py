"""Renders in the layout in which this project reads GFT, which is ours: GFT's own is nowhere documented.

labels/001A.csv    frame, split, then occurrence (level B and above, 9 unknown) and intensity of each AU
videos/001A.mp4
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionunits.aus import DATASET_AUS, UNKNOWN_CODE, au_label
from actionunits.errors import UserError
from actionunits.synth.layouts.clip import LabelledClip, write_text

AUS = DATASET_AUS["gft"]
PRESENT_LEVEL = 2  # B
TEST_EVERY, FIRST_TEST = 5, 2  # each fifth group of three is a test group, from the third one on: 18 of 96 people


def subject_name(subject: int) -> str:
    """Name of person k, from 0: the group's number and the seat in it."""
    return f"{subject // 3 + 1:03d}{'ABC'[subject % 3]}"


SUBJECTS: tuple[str, ...] = tuple(subject_name(k) for k in range(96))


def write_clip(root: Path, clip: LabelledClip) -> None:
    """Write a person's only sequence; one whose label table is there is left as it is.

    Raises UserError for a second clip of a person.
    """
    from actionunits.media import VideoWriter

    if clip.task:
        raise UserError("GFT holds one sequence per person; render one clip each")
    name = subject_name(clip.subject)
    labels = Path(root) / "labels" / f"{name}.csv"
    if labels.is_file():
        return
    with VideoWriter(Path(root) / "videos" / f"{name}.mp4", fps=clip.fps) as writer:
        for image in clip.images():
            writer.write(image)
    split = "test" if (clip.subject // 3) % TEST_EVERY == FIRST_TEST else "train"
    codes = np.full((len(clip), 2 * len(AUS)), UNKNOWN_CODE)
    for k, au in enumerate(AUS):
        if au in clip.aus:
            codes[:, 2 * k + 1] = clip.levels(au)
            codes[:, 2 * k] = codes[:, 2 * k + 1] >= PRESENT_LEVEL
    header = ["frame", "split", *(f"{au_label(au)}{kind}" for au in AUS for kind in ("", "_r"))]
    rows = (",".join(map(str, (frame, split, *row))) for frame, row in enumerate(codes.tolist(), start=1))
    write_text(labels, "\n".join((",".join(header), *rows)) + "\n")
