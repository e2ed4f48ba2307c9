"""BP4D: 41 people in eight tasks, pictures with the occurrence of AUs and the intensity of five.

Zhang, Yin, Cohn, Canavan, Reale, Horowitz, Liu & Girard, "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic
facial expression database", 2014.

    F001/T1/2440.jpg                        zero padding differs by sequence; found by number
    2DFeatures/F001_T1.mat                  see `tracked_points.py`
    AUCoding/AU_OCC/F001_T1.csv             older releases: AUCoding/F001_T1.csv; see `bp4d_tables.py`
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv   older releases: AU Intensity Codes3.0/AU06/...

BP4D+ is read by the same code, with the differences that `Release` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from actionunits.aus import AUS, UNKNOWN_CODE, au_label
from actionunits.datasets.readers.bp4d_places import (
    INTENSITY_AUS,
    Places,
    SequenceKey,
    find_places,
    label_files,
    picture_folders,
    pictures_by_number,
)
from actionunits.datasets.readers.bp4d_tables import OccurrenceTable, read_intensity, read_occurrence
from actionunits.datasets.readers.folder_contents import some
from actionunits.datasets.readers.recording import Count, Inventory, PictureFiles, Recording
from actionunits.datasets.readers.tracked_points import read_tracked_points
from actionunits.errors import UserError

FPS = 25.0
OCCURRENCE_LEVEL = 1.0  # coders of occurrence counted every trace: level A and above
# What tells the tables of the two releases apart: those of BP4D+ have these columns and lack those of AUs 25 and 26.
_PLUS_COLUMNS, _PLUS_LACKS = {11, 16, 18, 22, 27, 28}, {25, 26}
NO_PICTURE, NO_LANDMARKS = "no picture", "no landmarks"


@dataclass(frozen=True)
class Release:
    """What differs between BP4D and BP4D+, and what was published about each."""

    key: str
    title: str
    tasks: tuple[str, ...]  # those that are coded
    women: int
    men: int
    frames: int | None  # coded ones
    frames_with_landmarks: int | None
    example: str  # path of a picture, for messages
    tops: tuple[str, ...]  # folders that may lie between the root and everything else
    frame_offset: int  # number of a picture less the number of its frame in the tables

    @property
    def subjects(self) -> int:
        return self.women + self.men

    def has(self, subject: str) -> bool:
        """Whether the real data set has a person of this name."""
        return 1 <= int(subject[1:]) <= (self.women if subject[0] == "F" else self.men)


BP4D = Release(
    key="bp4d",
    title="BP4D",
    tasks=tuple(f"T{k}" for k in range(1, 9)),
    women=23,
    men=18,
    frames=146_847,
    frames_with_landmarks=146_576,
    example="F001/T1/2440.jpg",
    tops=("", "BP4D"),
    frame_offset=0,
)


def read(root: Path | str, *, landmarks_required: bool = False) -> Inventory:
    """All sequences that have a table of occurrence.

    landmarks_required: frames without tracked points are lost, which leaves the 146,576 frames that JAA-Net lists;
    else all coded frames count, the 146,847 of ME-GraphAU.

    Raises UserError for a folder of another layout, tables with the columns of BP4D+, whose pictures are numbered
    otherwise, a table that is damaged or holds an unknown code, and pictures of one sequence with the same number.
    """
    return read_release(Path(root), BP4D, landmarks_required=landmarks_required, frame_offset=None)


def read_release(root: Path, release: Release, *, landmarks_required: bool, frame_offset: int | None) -> Inventory:
    """All sequences of a release. frame_offset: number of a picture less the number of its frame in the tables; None
    for the release's own, which is refused where the tables are those of the other release."""
    problems: list[str] = []
    places = find_places(root, release.title, release.example, release.tops)
    _tell_missing_parts(places, landmarks_required)
    files = label_files(places.labels)
    other = [path.name for (_, task), path in files.items() if task not in release.tasks]
    if other:
        problems.append(f"tables of tasks that {release.title} does not code are ignored ({some(other)})")
    strangers = sorted({subject for subject, _ in files if not release.has(subject)})
    if strangers:
        problems.append(f"{release.title} has no people named {some(strangers)}; is this another data set?")
    tables = {key: read_occurrence(path) for key, path in files.items() if key[1] in release.tasks}
    found = release_of_tables(tables.values()) or release.key
    if found != release.key and frame_offset is None:
        told = ", or say how they are numbered with --frame-offset" if release.frame_offset else ""
        raise UserError(
            f"{root} is not {release.title}: the tables have the columns of {found.upper()}, whose pictures are "
            f"numbered otherwise; prepare {found} instead{told}"
        )
    if found != release.key:
        problems.append(f"the tables have the columns of {found.upper()}; is this another data set?")
    frame_offset = release.frame_offset if frame_offset is None else frame_offset
    aus = _coded_aus(tables, files, problems)
    problems += _missing_parts(places)
    folders = picture_folders(places.pictures)
    for subject, task in sorted(set(folders) - set(tables)):
        if task in release.tasks:
            problems.append(f"{subject}_{task}: pictures without a table of occurrence; the sequence is left out")
    recordings = []
    for key, table in tables.items():
        if len(table.frame):
            found_there = pictures_by_number(folders[key]) if key in folders else {}
            table, coded = _with_first_frame(table, min(found_there, default=None), frame_offset)
            pictures = _pictures(key, table.frame + frame_offset, places, folders.get(key), found_there, problems)
            recordings.append(_recording(key, table, coded, aus, pictures, places, landmarks_required, problems))
        else:
            problems.append(f"{files[key].name} names no frame; the sequence is left out")
    counts = _counts(recordings, release, landmarks_required)
    odd = [f"{c.found:,} {c.what} of {c.published:,}" for c in counts if c.published not in (None, c.found)]
    if odd:
        problems.append(f"other than published: {', '.join(odd)}")
    return Inventory(release.key, tuple(recordings), counts, tuple(problems), OCCURRENCE_LEVEL)


def release_of_tables(tables: Iterable[OccurrenceTable]) -> str | None:
    """Key of the release that has tables with such columns, None where they tell nothing."""
    columns = [set(table.codes) for table in tables]
    if columns and all(names >= _PLUS_LACKS for names in columns):
        return "bp4d"
    if columns and all(names >= _PLUS_COLUMNS and not names & _PLUS_LACKS for names in columns):
        return "bp4d+"
    return None


def _tell_missing_parts(places: Places, landmarks_required: bool) -> None:
    if landmarks_required and places.landmarks is None:
        raise UserError("landmarks are required and there is no folder 2DFeatures; add it or do not require them")


def _missing_parts(places: Places) -> list[str]:
    problems = []
    if places.intensity is None:
        problems.append("there is no folder AUCoding/AU_INT; every intensity is unknown")
    if places.landmarks is None:
        problems.append("there is no folder 2DFeatures; landmarks have to be found in the pictures")
    return problems


def _coded_aus(
    tables: dict[SequenceKey, OccurrenceTable], files: dict[SequenceKey, Path], problems: list[str]
) -> tuple[int, ...]:
    """AUs with a known code in any table; tells which tables lack the column of one."""
    coded = {au for table in tables.values() for au, codes in table.codes.items() if (codes != UNKNOWN_CODE).any()}
    for key, table in tables.items():
        lacking = [au_label(au) for au in sorted(coded - set(table.codes))]
        if lacking:
            problems.append(f"{files[key].name} has no column for {', '.join(lacking)}; unknown in this sequence")
    return tuple(au for au in AUS if au in coded)


def _with_first_frame(
    table: OccurrenceTable, number: int | None, frame_offset: int
) -> tuple[OccurrenceTable, np.ndarray]:
    """The table with the sequence's first frame on disk before it, of unknown codes, and which rows are coded.

    Only a part of a sequence is coded, its most expressive one: its first coded frame is seldom neutral. number: of
    the first picture.
    """
    first = None if number is None else number - frame_offset
    if first is None or first >= table.frame[0]:
        return table, np.ones(len(table.frame), bool)
    codes = {au: np.concatenate([np.array([UNKNOWN_CODE], own.dtype), own]) for au, own in table.codes.items()}
    frame = np.concatenate([np.array([first], table.frame.dtype), table.frame])
    return replace(table, frame=frame, codes=codes), np.arange(len(frame)) > 0


def _pictures(
    key: SequenceKey,
    numbers: np.ndarray,
    places: Places,
    folder: Path | None,
    found: dict[int, Path],
    problems: list[str],
) -> tuple[list[Path], list[int]]:
    """Path of every picture, and the rows whose picture is missing. found: pictures of the folder by number."""
    subject, task = key
    missing = [row for row, number in enumerate(numbers.tolist()) if number not in found]
    if folder is None and (places.pictures / f"{subject}.zip").is_file():
        problems.append(f"{subject}_{task}: the pictures are still in {subject}.zip; all frames are lost")
    elif folder is None:
        problems.append(f"{subject}_{task}: there is no folder of pictures; all frames are lost")
    elif missing:
        shown = some([int(numbers[row]) for row in missing])
        problems.append(f"{subject}_{task}: {len(missing)} coded frames have no picture ({shown}); they are lost")
    expected = folder or places.pictures / subject / task
    return [found.get(number, expected / f"{number}.jpg") for number in numbers.tolist()], missing


def _recording(
    key: SequenceKey,
    table: OccurrenceTable,
    coded: np.ndarray,
    aus: Sequence[int],
    pictures: tuple[list[Path], list[int]],
    places: Places,
    landmarks_required: bool,
    problems: list[str],
) -> Recording:
    subject, task = key
    unknown = np.full(len(table.frame), UNKNOWN_CODE, np.int8)
    codes = np.stack([table.codes.get(au, unknown) for au in aus], axis=1) if aus else np.zeros((len(unknown), 0))
    intensity = np.full((len(unknown), len(aus)), UNKNOWN_CODE, np.int8)
    intensity[coded] = _intensities(key, table.frame[coded], aus, places.intensity, problems)
    landmarks = _landmarks(key, table.frame, places.landmarks, problems)
    lost = dict.fromkeys(pictures[1], NO_PICTURE)
    if landmarks_required:
        bare = range(len(unknown)) if landmarks is None else np.flatnonzero(np.isnan(landmarks).all((1, 2))).tolist()
        lost = {**dict.fromkeys(bare, NO_LANDMARKS), **lost}
    return Recording(
        subject=subject,
        task=task,
        pixels=PictureFiles(tuple(pictures[0])),
        frame=table.frame,
        time_s=(table.frame - table.frame[0]) / FPS,
        aus=tuple(aus),
        au_present=(codes == 1).astype(np.uint8),
        au_present_valid=codes != UNKNOWN_CODE,
        au_intensity=np.where(intensity == UNKNOWN_CODE, 0, intensity).astype(np.float32),
        au_intensity_valid=intensity != UNKNOWN_CODE,
        landmarks_px=landmarks,
        lost=lost or None,
        coded=None if coded.all() else coded,
    )


def _intensities(
    key: SequenceKey, frame: np.ndarray, aus: Sequence[int], folder: Path | None, problems: list[str]
) -> np.ndarray:
    """Intensity codes (T, A), 9 where unknown; tells which tables are missing or lack frames."""
    name = "_".join(key)
    result = np.full((len(frame), len(aus)), UNKNOWN_CODE, np.int8)
    missing = []
    for k, au in enumerate(aus):
        if au not in INTENSITY_AUS or folder is None:
            continue
        path = folder / au_label(au) / f"{name}_{au_label(au)}.csv"
        if not path.is_file():
            missing.append(au_label(au))
            continue
        level = read_intensity(path)
        lacking = [number for number in frame.tolist() if number not in level]
        if lacking:
            problems.append(
                f"{path.name} lacks {len(lacking)} coded frames ({some(lacking)}); intensity unknown there"
            )
        result[:, k] = [level.get(number, UNKNOWN_CODE) for number in frame.tolist()]
    if missing:
        problems.append(f"{name}: no table of intensity for {', '.join(missing)}; unknown in this sequence")
    return result


def _landmarks(key: SequenceKey, frame: np.ndarray, folder: Path | None, problems: list[str]) -> np.ndarray | None:
    """Tracked points (T, 68, 2), None where the sequence has no file; a damaged file is told and not used."""
    if folder is None:
        return None
    path = folder / f"{'_'.join(key)}.mat"
    if not path.is_file():
        problems.append(f"{'_'.join(key)}: no 2DFeatures/{path.name}; the sequence has no landmarks")
        return None
    try:
        return read_tracked_points(path, frame)
    except UserError as error:
        problems.append(f"{error}; the sequence has no landmarks")
        return None


def _bare_rows(recording: Recording) -> int:
    """Coded rows that are lost for want of landmarks."""
    rows = [row for row, reason in (recording.lost or {}).items() if reason == NO_LANDMARKS]
    return len(rows) if recording.coded is None else int(recording.coded[rows].sum())


def _counts(recordings: Sequence[Recording], release: Release, landmarks_required: bool) -> tuple[Count, ...]:
    frames = sum(recording.coded_rows for recording in recordings)
    if landmarks_required:
        bare = sum(map(_bare_rows, recordings))
        last = Count("coded frames with landmarks (landmarks required)", frames - bare, release.frames_with_landmarks)
    else:
        last = Count("coded frames (landmarks not required)", frames, release.frames)
    return (
        Count("subjects", len({recording.subject for recording in recordings}), release.subjects),
        Count("sequences", len(recordings), release.subjects * len(release.tasks)),
        last,
    )
