"""From what a user names (a file, folder, pattern, address or webcam) to the reader for it."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from actionunits.errors import UserError
from actionunits.files import is_result
from actionunits.media.container import VIDEO_SUFFIXES, is_address
from actionunits.media.images import IMAGE_SUFFIXES, Content, contents, fault_of
from actionunits.media.memory import ACCEPTED, MemoryReader, Picture
from actionunits.media.picture_readers import AnimationReader, ImageReader
from actionunits.media.reader import MediaReader
from actionunits.media.standard_input import NAMES as STANDARD_INPUT
from actionunits.media.standard_input import StandardInput, open_standard_input

Source = str | Path | Picture | Iterable[str | Path | Picture]
_WEBCAM_DIGITS = 2
_SLOWEST_FPS, _FASTEST_FPS = 1e-6, 1e6
_NAMES_TOLD = 5
_JPEG_RUN_SUFFIXES = (".mjpeg", ".mjpg")
# Formats of which one file may hold several pictures.
_PLURAL_SUFFIXES = frozenset(".gif .webp .png .apng .avif .avifs .tif .tiff".split())


def open_media(source: Source, *, fps: Fraction | float | None = None, allow_network: bool = False) -> MediaReader:
    """Open a photograph, folder of photographs, pattern, video, address, `webcam:0`, `-`, or pictures in memory.

    A folder stands for the photographs right in it, in natural order (2 before 10); a pattern for those among the
    files that match it. Videos, animations and files of several pages are inputs of their own, which `expand`
    lists; they are told in the reader's notes. With `fps`, several pictures are the frames of a sequence at that
    rate; without, each stands for itself at time 0. Whether a file is a picture or a video is told by its content.
    `-` is standard input, which can be read once. Addresses are opened with `allow_network` alone. Pictures in memory
    are an array (H, W, 3) of uint8 in RGB, a Pillow image, or a list or generator of these and of paths to pictures.

    Raises UserError, with the name and the reason, if there is nothing to read, and where `fps` is given for a video.
    """
    if fps is not None and not _SLOWEST_FPS <= fps <= _FASTEST_FPS:
        raise UserError(f"{fps} pictures per second are no rate; give a number above 0, such as 25")
    if not isinstance(source, str | Path):
        return _open_pictures(source, fps)
    text = os.fspath(source)
    if isinstance(source, str) and text.startswith("webcam:"):
        _refuse_rate(text, fps)
        return _open_webcam(text)
    if isinstance(source, str) and is_address(text):
        return _open_address(text, fps, allow_network)
    if text in STANDARD_INPUT:
        return _once(_open_content(open_standard_input(), fps))
    if not text:
        raise UserError("an input has no name; name a file, a folder, a pattern or a webcam")
    found = _found(text)
    if found is None:
        return _open_file(Path(text), fps)
    photographs, others = found
    if not photographs:
        if len(others) == 1:
            return _open_file(others[0], fps)
        raise UserError(f"{text} holds {len(others)} inputs and no photograph: {_some(others)}; name them one by one")
    notes = [f"{text}: inputs of their own, not read with the photographs: {_some(others)}"] if others else []
    return ImageReader(photographs, fps, notes=notes)


def input_name(source: Source) -> str:
    """What to call an input: its path, address or webcam; "picture" or "pictures" for those in memory."""
    if isinstance(source, str | Path):
        return os.fspath(source)
    return "picture" if isinstance(source, np.ndarray | Image.Image) else "pictures"


def expand(source: str, recursive: bool = False) -> list[str]:
    """The single inputs that a user's word stands for; each can be opened by `open_media`.

    The photographs of a folder or pattern together are one of them, under its name; each video, animation and file
    of several pages in it is one of its own. recursive: those of the folders inside, at any depth, follow. Anything
    else stands for itself, whether it can be opened or not.
    """
    if not source or source.startswith("webcam:") or is_address(source) or source in STANDARD_INPUT:
        return [source]
    inside = _folders_in(source) if recursive and os.path.isdir(source) else []
    return [single for place in (source, *inside) for single in _singles(place)] or [source]


def read_for(source: str) -> list[Path]:
    """The files that `open_media` reads for one of the inputs that `expand` gives; none of what is no file.

    Raises UserError for a file that is missing or none.
    """
    if source.startswith("webcam:") or is_address(source) or source in STANDARD_INPUT:
        return []
    found = _found(source)
    if found is None:
        _check_plain_file(Path(source))
        return [Path(source)]
    return found[0] or found[1]


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sort key by which numbers inside names count as numbers.

    >>> sorted(["f10.png", "f2.png", "F1.png"], key=natural_key)
    ['F1.png', 'f2.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


class _NothingThereError(UserError):
    """A folder or pattern holds no input."""


def _singles(source: str) -> list[str]:
    """See `expand`; a folder that cannot be listed stands for itself, one that holds nothing for nothing."""
    try:
        found = _found(source)
    except _NothingThereError:
        return []
    except UserError:
        return [source]
    if found is None:
        return [source]
    photographs, others = found
    return [source] * bool(photographs) + [str(path) for path in others]


def _folders_in(folder: str) -> list[str]:
    """Folders at any depth, in natural order, without hidden ones, links, and pictures that an earlier run drew."""
    found = []
    for place, names, _ in os.walk(folder):
        names[:] = [n for n in names if not n.startswith(".") and not is_result(Path(place, n))]
        names.sort(key=natural_key)
        found.append(place)
    return found[1:]


def _found(text: str) -> tuple[list[Path], list[Path]] | None:
    """Photographs in a folder or pattern, and what in it is an input of its own; None if `text` names neither.

    Raises UserError if there is nothing.
    """
    path = Path(text)
    if os.path.isdir(path):
        photographs, others = _by_name(_listed(path))
        if not photographs and not others:
            raise _NothingThereError(f"no pictures in the folder {path}; name a folder with pictures or videos")
        return photographs, others
    if os.path.lexists(path) or not glob.has_magic(text):
        return None
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True), key=natural_key)]
    files = [match for match in matches if not os.path.isdir(match) and not is_result(match)]
    if not files:
        raise _NothingThereError(f"no file matches {text}")
    photographs, others = _by_name(files)
    if not photographs and not others:
        photographs = [file for file in files if contents(file) is Content.PICTURE]
        others = [file for file in files if file not in photographs]
    return photographs, others


def _listed(folder: Path) -> list[Path]:
    """What lies right in a folder and is neither a folder, hidden, nor drawn by an earlier run.

    Links that lead nowhere are told later.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if not os.path.isdir(entry.path)]
    except OSError as error:
        raise UserError(f"cannot list the folder {folder}: {fault_of(error)}") from error
    files = [folder / name for name in sorted(names, key=natural_key) if not name.startswith(".")]
    return [file for file in files if not is_result(file)]


def _by_name(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Photographs and other inputs among files, by what they are called; files of other names are left out."""
    photographs: list[Path] = []
    others: list[Path] = []
    for file in files:
        if file.suffix.lower() in VIDEO_SUFFIXES:
            others.append(file)
        elif _is_named_like_picture(file):
            # What cannot be read is told by the reader.
            (photographs if _held_by_picture(file) in (None, Content.PICTURE) else others).append(file)
    return photographs, others


def _is_named_like_picture(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _held_by_picture(path: Path) -> Content | None:
    """`contents`, without a look at files that hold one picture by their name."""
    return contents(path) if path.suffix.lower() in _PLURAL_SUFFIXES else Content.PICTURE


def _some(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_NAMES_TOLD])
    return names if len(paths) <= _NAMES_TOLD else f"{names} and {len(paths) - _NAMES_TOLD} more"


def _open_webcam(text: str) -> MediaReader:
    from actionunits.media.webcam import WebcamReader

    number = text.removeprefix("webcam:")
    if not (number.isascii() and number.isdecimal()):
        raise UserError(f"'{text}' is no webcam; write its number, such as webcam:0")
    if len(number) > _WEBCAM_DIGITS:
        raise UserError(f"{text} cannot be opened: webcams have numbers below {10**_WEBCAM_DIGITS}")
    return WebcamReader(int(number))


def _open_address(text: str, fps: Fraction | float | None, allow_network: bool) -> MediaReader:
    from actionunits.media.video import VideoReader

    _refuse_rate(text, fps)
    if not allow_network:
        raise UserError(
            f"cannot read {text}: addresses are not read; download the file, or pass --allow-network "
            "(in Python allow_network=True)"
        )
    return _once(VideoReader(text))


def _once(reader: MediaReader) -> MediaReader:
    reader.can_repeat = False
    return reader


def _open_pictures(source: Picture | Iterable[str | Path | Picture], fps: Fraction | float | None) -> MediaReader:
    if isinstance(source, np.ndarray | Image.Image):
        return MemoryReader([source], fps)
    if not isinstance(source, Iterable) or isinstance(source, bytes):
        raise UserError(f"an input is {ACCEPTED}, and not {type(source).__name__}")
    if isinstance(source, Sequence) and all(isinstance(item, str | Path) for item in source):
        return _open_list([Path(item) for item in source], fps)
    return MemoryReader(source, fps)


def _open_list(paths: list[Path], fps: Fraction | float | None) -> MediaReader:
    """One input, or several pictures; a missing or foreign file among named ones is an error at once."""
    if not paths:
        raise UserError("no input given")
    if len(paths) == 1:
        return open_media(paths[0], fps=fps) if os.path.isdir(paths[0]) else _open_file(paths[0], fps)
    for path in paths:
        _check_plain_file(path)
        held = _held_by_picture(path) or Content.PICTURE if _is_named_like_picture(path) else contents(path)
        if held not in (Content.PICTURE, Content.PAGES):
            raise UserError(f"{path} is not a picture; several inputs at once must all be pictures")
    return ImageReader(paths, fps)


def _open_file(path: Path, fps: Fraction | float | None) -> MediaReader:
    _check_plain_file(path)
    return _open_content(path, fps)


def _check_plain_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        # Of a null byte, each Python speaks in other words.
        fault = "the name holds a null byte" if "\0" in str(path) else fault_of(error)
        raise UserError(f"cannot read {path}: {fault}") from error
    if stat.S_ISFIFO(mode):
        raise UserError(f"cannot read {path}: it is a pipe, which can be read once; send it to the input named -")
    if not stat.S_ISREG(mode):
        raise UserError(f"cannot read {path}: it is not a plain file; name a file, or a camera as webcam:0")


def _open_content(source: Path | StandardInput, fps: Fraction | float | None) -> MediaReader:
    """The reader for what a file holds; one that is called a picture is read as one."""
    from actionunits.media.video import VideoReader

    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    held = contents(source) or (Content.PICTURE if suffix in IMAGE_SUFFIXES else None)
    if held is Content.JPEG_RUN or (held is Content.PICTURE and suffix in _JPEG_RUN_SUFFIXES):
        _refuse_rate(source, fps)
        return VideoReader(source, "mjpeg")
    if held is None:
        _refuse_rate(source, fps)
        return VideoReader(source)
    if held is Content.ANIMATION:
        _refuse_rate(source, fps)
        return AnimationReader(source)
    if held is Content.PAGES:
        return ImageReader([source], fps, has_pages=True)
    return ImageReader([source])


def _refuse_rate(source: Path | StandardInput | str, fps: Fraction | float | None) -> None:
    if fps is not None:
        raise UserError(f"{source} has times of its own; --fps is for the pictures of a folder")
