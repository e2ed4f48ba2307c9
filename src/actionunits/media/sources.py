"""From what a user names (a file, folder, pattern or webcam) to the reader for it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from actionunits.errors import UserError
from actionunits.media.images import IMAGE_SUFFIXES, AnimationReader, ImageReader, is_animated, is_picture
from actionunits.media.reader import MediaReader

Source = str | Path | Sequence[str | Path]


def open_media(source: Source, *, fps: Fraction | float | None = None) -> MediaReader:
    """Open a photograph, folder of photographs, pattern, list of photographs, video, or `webcam:0`.

    A folder stands for the pictures right in it, in natural order (2 before 10), other files left aside; a
    pattern for the files that match it. With `fps`, several pictures are the frames of a sequence at that rate;
    without, each stands for itself at time 0. Whether a file is a picture or a video is told by its content.

    Raises UserError, with the name and the reason, if there is nothing to read, and where `fps` is told of a video.
    """
    if not isinstance(source, str | Path):
        paths = [Path(item) for item in source]
        if not paths:
            raise UserError("no input given")
        return _open_file(paths[0], fps) if len(paths) == 1 else _open_pictures(paths, fps)
    text = os.fspath(source)
    if isinstance(source, str) and text.startswith("webcam:"):
        _refuse_rate(text, fps)
        return _open_webcam(text)
    path = Path(text)
    if path.is_dir():
        return _open_pictures(_pictures_in(path), fps)
    if not path.exists() and glob.has_magic(text):
        return _open_pattern(text, fps)
    return _open_file(path, fps)


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sort key by which numbers inside names count as numbers.

    >>> sorted(["f10.png", "f2.png", "F1.png"], key=natural_key)
    ['F1.png', 'f2.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _open_webcam(text: str) -> MediaReader:
    from actionunits.media.webcam import WebcamReader

    number = text.removeprefix("webcam:")
    if not number.isdecimal():
        raise UserError(f"'{text}' is no webcam; write its number, such as webcam:0")
    return WebcamReader(int(number))


def _pictures_in(folder: Path) -> list[Path]:
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except PermissionError as error:
        raise UserError(f"cannot read {folder}: no permission to list the folder") from error
    names = [name for name in names if _is_named_like_picture(name)]
    if not names:
        raise UserError(f"no pictures in the folder {folder}; name a folder with pictures, or the video itself")
    return [folder / name for name in sorted(names, key=natural_key)]


def _is_named_like_picture(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _open_pattern(pattern: str, fps: Fraction | float | None) -> MediaReader:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True), key=natural_key)]
    files = [match for match in matches if match.is_file()]
    if not files:
        raise UserError(f"no file matches {pattern}")
    pictures = [file for file in files if _is_named_like_picture(file.name)]
    if pictures and len(files) > 1:
        return _open_pictures(pictures, fps)
    return open_media(files, fps=fps)


def _open_pictures(paths: list[Path], fps: Fraction | float | None) -> MediaReader:
    """Several pictures, or one from a folder; a missing or foreign file among named ones is an error at once."""
    for path in paths:
        if not path.exists():
            raise UserError(f"cannot read {path}: no such file")
        if path.is_dir() or (not _is_named_like_picture(path.name) and not is_picture(path)):
            raise UserError(f"{path} is not a picture; several inputs at once must all be pictures")
    return ImageReader(paths, fps)


def _open_file(path: Path, fps: Fraction | float | None) -> MediaReader:
    if path.is_dir():
        return _open_pictures(_pictures_in(path), fps)
    if not path.exists():
        raise UserError(f"cannot read {path}: no such file")
    if _is_named_like_picture(path.name) or is_picture(path):
        if not is_animated(path):
            return ImageReader([path])
        _refuse_rate(path, fps)
        return AnimationReader(path)
    from actionunits.media.video import VideoReader

    _refuse_rate(path, fps)
    return VideoReader(path)


def _refuse_rate(source: Path | str, fps: Fraction | float | None) -> None:
    if fps is not None:
        raise UserError(f"{source} has times of its own; a frame rate is told of pictures in a folder alone")
