"""Renders as VoxCeleb stores its data: mp4/id00012/21Uxsk56VDQ/00001.mp4, folders per person and video, no labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionunits.synth.layouts.clip import LabelledClip

_FIRST = 12  # VoxCeleb2 begins with id00012
_PEOPLE = 6112
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def subject_name(subject: int) -> str:
    """Name of person k, from 0."""
    return f"id{_FIRST + subject:05d}"


SUBJECTS: tuple[str, ...] = tuple(subject_name(k) for k in range(_PEOPLE))


def video_name(subject: int, task: int) -> str:
    """Name of a person's video, 11 letters like those of the site where VoxCeleb's videos come from."""
    letters = np.random.default_rng((subject, task)).integers(0, len(_LETTERS), 11)
    return "".join(_LETTERS[k] for k in letters)


def write_clip(root: Path, clip: LabelledClip) -> None:
    """Write a clip as the only track of a video; one that is there is left as it is."""
    from actionunits.media import VideoWriter

    path = Path(root) / "mp4" / subject_name(clip.subject) / video_name(clip.subject, clip.task) / "00001.mp4"
    if path.is_file():
        return
    with VideoWriter(path, fps=clip.fps) as writer:
        for image in clip.images():
            writer.write(image)
