"""Where the parts of BP4D and BP4D+ lie in a folder: their releases and the copies that people keep differ."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionunits.aus import DATASET_AUS, au_label
from actionunits.datasets.readers.folder_contents import contents
from actionunits.errors import UserError

INTENSITY_AUS = DATASET_AUS["bp4d_intensity"]
SequenceKey = tuple[str, str]  # subject and task, ("F001", "T1")

_LABEL_FOLDERS = ("AUCoding/AU_OCC", "AUCoding", "AUCoding/AUCoding", "AU_OCC")
_INTENSITY_FOLDERS = ("AUCoding/AU_INT", "AU Intensity Codes3.0", "AU-Intensity-Codes3.0", "AU_INT")
_LANDMARK_FOLDERS = ("2DFeatures",)
_PICTURE_FOLDERS = ("", "2D+3D", "BP4D-training")
_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_LABEL_FILE = re.compile(r"([FM]\d{3})_(T\d+)\.csv", re.IGNORECASE)
_SUBJECT = re.compile(r"[FM]\d{3}", re.IGNORECASE)
_TASK = re.compile(r"T\d+", re.IGNORECASE)
_ZIP = re.compile(r"[FM]\d{3}\.zip", re.IGNORECASE)


@dataclass(frozen=True)
class Places:
    """Folders of the parts of a data set."""

    labels: Path
    pictures: Path  # holds a folder per subject
    intensity: Path | None  # holds a folder per AU
    landmarks: Path | None


def find_places(root: Path, title: str, example: str, tops: Sequence[str]) -> Places:
    """The folders of a data set. example: a picture's path, for messages; tops: folders that may lie between the
    root and everything else.

    Raises UserError with what was expected and what is there if labels or pictures are not found.
    """
    found = contents(root)

    def first(names: Sequence[str], accepts: Callable[[Path], bool]) -> Path | None:
        folders = (root / top / name for name in names for top in tops)
        return next((folder for folder in folders if folder.is_dir() and accepts(folder)), None)

    labels = first(_LABEL_FOLDERS, lambda folder: any(map(_LABEL_FILE.fullmatch, os.listdir(folder))))
    if labels is None:
        raise UserError(
            f"{root} is not {title}: expected AUCoding/AU_OCC/F001_T1.csv (or AUCoding/F001_T1.csv) and {example}, "
            f"found {found}"
        )
    pictures = first(_PICTURE_FOLDERS, lambda folder: bool(picture_folders(folder)))
    if pictures is None:
        zipped = first(_PICTURE_FOLDERS, lambda folder: any(map(_ZIP.fullmatch, os.listdir(folder))))
        if zipped is not None:
            raise UserError(f"{zipped} holds the pictures in zip files; unpack each there, so that {example} exists")
        raise UserError(f"{root} has no pictures of {title}: expected {example}, found {found}")
    intensity = first(_INTENSITY_FOLDERS, lambda f: any((f / au_label(au)).is_dir() for au in INTENSITY_AUS))
    return Places(labels, pictures, intensity, first(_LANDMARK_FOLDERS, lambda folder: True))


def label_files(folder: Path) -> dict[SequenceKey, Path]:
    """Tables of occurrence by sequence, in order."""
    files: dict[SequenceKey, Path] = {}
    for name in sorted(os.listdir(folder)):
        match = _LABEL_FILE.fullmatch(name)
        if match is None:
            continue
        key = match[1].upper(), match[2].upper()
        if key in files:
            raise UserError(f"{folder / name} and {files[key].name} hold the same sequence; keep one of them")
        files[key] = folder / name
    return dict(sorted(files.items()))


def picture_folders(folder: Path) -> dict[SequenceKey, Path]:
    """Folders of pictures by sequence: F001/T1, or F001/F001/T1 where a zip file was unpacked into its own folder."""
    found: dict[SequenceKey, Path] = {}
    for subject in _folders(folder, _SUBJECT):
        for place in (subject, *_folders(subject, re.compile(subject.name, re.IGNORECASE))):
            for task in _folders(place, _TASK):
                found.setdefault((subject.name.upper(), task.name.upper()), task)
    return found


def _folders(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    return sorted(Path(e.path) for e in os.scandir(folder) if pattern.fullmatch(e.name) and e.is_dir())


def pictures_by_number(folder: Path) -> dict[int, Path]:
    """Pictures of a sequence by the number that is their name; other files are left out.

    Raises UserError if two names stand for one number, such as 732.jpg and 0732.jpg: only one can be the frame.
    """
    found: dict[int, Path] = {}
    for entry in os.scandir(folder):
        stem, suffix = os.path.splitext(entry.name)
        if not (stem.isascii() and stem.isdigit() and suffix.lower() in _PICTURE_SUFFIXES):
            continue
        number = int(stem)
        if number in found:
            names = " and ".join(sorted((entry.name, found[number].name)))
            raise UserError(f"{folder} holds {names}, which are the same number; keep one of them")
        found[number] = Path(entry.path)
    return found
