"""GFT, the Sayette Group Formation Task: 96 people in groups of three. The folder layout read here is ours.

Girard, Chu, Jeni, Cohn, De la Torre & Sayette, "Sayette Group Formation Task (GFT) Spontaneous Facial Expression
Database", 2017. The layout of its label files is in no public document that we know of, so every inventory is marked
unverified. Read without further word:

    labels/001A.csv     a table per person: frame, AU01, AU02 ... with 0 absent, 1 present, 9 unknown, and where there
                        are any AU01_r, AU02_r ... with intensities 0-5; columns of other names are passed over.
                        The AUs are those that the tables have columns of: papers evaluate 10 or 12
    videos/001A.mp4     the video of the same name; frame 1 is its first picture
    participants.csv    participant, split: the data set's own training and test people; or a column `split` in the
                        label tables

Other names and codes are told by `GftColumns`, or by a file `gft_columns.json` in the data set's folder that holds
the fields to be changed, for instance {"frame": "FrameNumber", "occurrence": "au{au}", "missing": -1}.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from actionunits.aus import AUS, INTENSITY_MAX, UNKNOWN_CODE, au_label
from actionunits.datasets.readers.folder_contents import contents, files_below, gaps_between, some
from actionunits.datasets.readers.recording import Count, Inventory, Recording, VideoFile
from actionunits.datasets.readers.video_rows import LARGEST_FRAME, row_times, without_picture
from actionunits.errors import UserError
from actionunits.files import read_json
from actionunits.media.container import VIDEO_SUFFIXES
from actionunits.media.video import read_timing

PARTICIPANTS = 96
FRAMES = 172_800
OCCURRENCE_LEVEL = 2.0  # level B
COLUMNS_FILE = "gft_columns.json"
UNVERIFIED = (
    "the layout of GFT's files is nowhere documented: names of columns and the code for unknown labels are guesses; "
    "compare some labels with the data set's own description"
)
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
    "": "",
}


@dataclass(frozen=True)
class GftColumns:
    """Names and codes in the data set's files; the defaults are unverified."""

    labels: str = "labels"  # folder of label tables, one per person
    videos: str = "videos"  # folder of videos named like the tables
    frame: str = "frame"
    first_frame: int = 1  # number of a video's first picture
    occurrence: str = "AU{au:02d}"
    intensity: str = "AU{au:02d}_r"
    missing: int = UNKNOWN_CODE
    split: str = "split"  # column of the label tables or of the table of people
    people: str = "participants.csv"
    participant: str = "participant"  # column of the table of people


def read(
    root: Path | str, *, columns: GftColumns | None = None, occurrence_level: float = OCCURRENCE_LEVEL
) -> Inventory:
    """All people with a label table and a video, one sequence each.

    columns: by default those of `gft_columns.json` in the folder, or else the unverified ones. occurrence_level: the
    level from which AUs are taken to be coded as present; it decides for AUs that have intensities alone.

    Raises UserError for a folder of another layout, a table that lacks a column, and a value that is not allowed,
    with file, line and column.
    """
    root = Path(root)
    if not 0 < occurrence_level <= INTENSITY_MAX:
        raise UserError(f"the occurrence level must be above 0 and at most 5, not {occurrence_level:g}")
    found = contents(root)
    columns = columns or _own_columns(root)
    tables, videos = root / columns.labels, root / columns.videos
    if not tables.is_dir() or not videos.is_dir():
        raise UserError(
            f"{root} is not laid out as GFT is read: expected {columns.labels}/001A.csv and "
            f"{columns.videos}/001A.mp4 (names can be told in {COLUMNS_FILE}), found {found}"
        )
    label_files = [path for path in files_below(tables) if path.suffix.lower() == ".csv"]
    if not label_files:
        raise UserError(f"{tables} holds no table: expected 001A.csv ..., found {contents(tables)}")
    problems = [UNVERIFIED]
    video_of = _videos_by_name(videos, problems)
    aus = _coded_aus(label_files, columns)
    splits = _read_splits(root / columns.people, columns)
    recordings: list[Recording] = []
    for path in label_files:
        if path.stem in {r.subject for r in recordings}:
            raise UserError(f"{path}: there is another table of {path.stem}; keep one of them")
        recording = _recording(path, video_of.pop(path.stem, None), aus, columns, splits, occurrence_level, problems)
        if recording is not None:
            recordings.append(recording)
    if not recordings:
        raise UserError(
            f"{root} gives no sequence with labels and a video that can be read: {'; '.join(problems[1:3])}"
        )
    if video_of:
        problems.append(f"videos without labels are left out ({some([p.name for p in video_of.values()])})")
    without_split = [r.subject for r in recordings if not r.split]
    if without_split:
        problems.append(f"no split is named for {len(without_split)} people ({some(without_split)})")
    counts = (
        Count("subjects", len(recordings), PARTICIPANTS),
        Count("coded frames", sum(len(r) for r in recordings), FRAMES),
    )
    return Inventory("gft", tuple(recordings), counts, tuple(problems), occurrence_level, unverified=True)


def _own_columns(root: Path) -> GftColumns:
    path = root / COLUMNS_FILE
    if not path.is_file():
        return GftColumns()
    known = {field.name: type(field.default) for field in fields(GftColumns)}
    values = read_json(path)
    if not isinstance(values, dict) or not set(values) <= set(known):
        raise UserError(f"{path}: expected some of {', '.join(known)}, found {some(list(values))}")
    wrong = [name for name, value in values.items() if type(value) is not known[name]]
    if wrong:
        raise UserError(f"{path}: {wrong[0]} must be a {'number' if known[wrong[0]] is int else 'text'}")
    for name in {"occurrence", "intensity"} & set(values):
        try:
            values[name].format(au=1)
        except (LookupError, ValueError):
            raise UserError(f"{path}: {name} must hold {{au}} or {{au:02d}}, not '{values[name]}'") from None
    return GftColumns(**values)


def _videos_by_name(folder: Path, problems: list[str]) -> dict[str, Path]:
    videos: dict[str, Path] = {}
    for path in files_below(folder):
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            problems.append(f"{folder.name}/{path.name} is not named like a video and is ignored")
        elif path.stem in videos:
            raise UserError(f"{path} and {videos[path.stem]} are both the video of {path.stem}; keep one of them")
        else:
            videos[path.stem] = path
    return videos


def _rows(path: Path, needed: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of a table; the header is line 1."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                raise UserError(f"{path} lacks the columns {some(missing)}; it has {some(header, 12) or 'none'}")
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise UserError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, the header has {len(header)}"
                    )
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "it is not text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {why}") from error


def _read_splits(path: Path, columns: GftColumns) -> dict[str, str]:
    """Split of each person that the table of people names; empty without such a table."""
    if not path.is_file():
        return {}
    splits: dict[str, str] = {}
    for line, row in _rows(path, [columns.participant, columns.split]):
        person, split = row[columns.participant], _split(row[columns.split], path, line)
        if splits.setdefault(person, split) != split:
            raise UserError(f"{path}, line {line}: {person} is in two splits")
    return splits


def _split(word: str, path: Path, line: int) -> str:
    if word.lower() not in _SPLITS:
        raise UserError(f"{path}, line {line}: '{word}' is no split; expected train, valid or test")
    return _SPLITS[word.lower()]


def _recording(
    path: Path,
    video: Path | None,
    aus: tuple[int, ...],
    columns: GftColumns,
    splits: dict[str, str],
    occurrence_level: float,
    problems: list[str],
) -> Recording | None:
    """One person's sequence, None without rows or without a video."""
    table = _read_table(path, aus, columns, occurrence_level, problems)
    own_split = table.pop("split")
    split = splits.get(path.stem, own_split)
    if own_split and split != own_split:
        raise UserError(f"{path}: the split is '{own_split}' here and '{split}' in {columns.people}")
    if not len(table["frame"]):
        problems.append(f"{path.stem}: the table has no row; the sequence is left out")
        return None
    if video is None:
        problems.append(f"{path.stem}: there is no video of that name; the sequence is left out")
        return None
    try:
        timing = read_timing(video)
    except UserError as error:
        problems.append(f"{path.stem}: {error}; the sequence is left out")
        return None
    index = table["frame"] - columns.first_frame
    return Recording(
        subject=path.stem,
        task="T1",
        pixels=VideoFile(video, index),
        time_s=row_times(index, timing),
        aus=aus,
        lost=without_picture(video, index, timing, problems) or None,
        split=split,
        **table,
    )


def _read_table(
    path: Path, aus: tuple[int, ...], columns: GftColumns, occurrence_level: float, problems: list[str]
) -> dict[str, Any]:
    """Frame numbers, labels and masks of a label table in the order of frames, as fields of Recording."""
    by_frame: dict[int, tuple[list[float], list[float]]] = {}
    split = ""
    for line, row in _rows(path, [columns.frame]):
        if not by_frame:
            split = _split(row.get(columns.split, ""), path, line)
            codings = [_columns_of(au, row, columns) for au in aus]
        elif _split(row.get(columns.split, ""), path, line) != split:
            raise UserError(f"{path}, line {line}: the person is in two splits")
        frame = _number(row[columns.frame], path, line, columns.frame)
        if not columns.first_frame <= frame <= LARGEST_FRAME or frame in by_frame or frame != int(frame):
            first, last = columns.first_frame, f"{LARGEST_FRAME:,}"
            why = "an earlier line names the same frame" if frame in by_frame else f"from {first} on, up to {last}"
            raise UserError(f"{path}, line {line}: frame {frame:g} cannot be; {why}")
        by_frame[int(frame)] = (
            [_label(row, present, (0, 1), columns.missing, path, line) for present, _ in codings],
            [_label(row, intensity, None, columns.missing, path, line) for _, intensity in codings],
        )
    frames = sorted(by_frame)
    if frames != list(by_frame):
        problems.append(f"{path.name}: the rows are not in the order of frames; their own numbers are used")
    missing, gaps = gaps_between(frames, first=frames[0] if frames else 1)
    if missing:
        problems.append(f"{path.name}: no row for {missing} frames ({some(gaps, count=missing)}); they are left out")
    values = np.array([by_frame[frame] for frame in frames], np.float64).reshape(len(frames), 2, len(aus))
    present, intensity = values[:, 0], values[:, 1]
    if frames:
        lacking = [au_label(au) for au, names in zip(aus, codings, strict=True) if names == (None, None)]
        if lacking:
            problems.append(f"{path.name} has no column for {', '.join(lacking)}; unknown for this person")
        alone = np.array([name is None for name, _ in codings])
        derived = np.where(np.isnan(intensity), np.nan, intensity >= occurrence_level)
        present = np.where(alone, derived, present)
    return {
        "frame": np.array(frames, np.int64),
        "au_present": np.nan_to_num(present).astype(np.uint8),
        "au_present_valid": np.isfinite(present),
        "au_intensity": np.nan_to_num(intensity).astype(np.float32),
        "au_intensity_valid": np.isfinite(intensity),
        "split": split,
    }


def _coded_aus(paths: list[Path], columns: GftColumns) -> tuple[int, ...]:
    """AUs that any of the tables has a column of, ascending. Raises UserError for a table without one."""
    coded: set[int] = set()
    for path in paths:
        row = next((cells for _, cells in _rows(path, [columns.frame])), None)
        own = {au for au in AUS if row is not None and _columns_of(au, row, columns) != (None, None)}
        if row is not None and not own:
            names = f"{columns.occurrence.format(au=1)} (or {columns.intensity.format(au=1)})"
            raise UserError(f"{path} lacks columns of action units such as {names}; it has {some(list(row), 12)}")
        coded |= own
    return tuple(sorted(coded))


def _columns_of(au: int, row: Mapping[str, str], columns: GftColumns) -> tuple[str | None, str | None]:
    """Columns of an AU's occurrence and intensity, None for what the table lacks."""
    present, intensity = columns.occurrence.format(au=au), columns.intensity.format(au=au)
    return present if present in row else None, intensity if intensity in row else None


def _number(word: str, path: Path, line: int, column: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f"{path}, line {line}, column {column}: '{word}' is not a number") from None


def _label(
    row: dict[str, str], column: str | None, allowed: tuple[int, ...] | None, missing: int, path: Path, line: int
) -> float:
    """A label's value, NaN where it is unknown. column: None where there is none; allowed: None for an intensity."""
    if column is None or row[column] == "":
        return np.nan
    value = _number(row[column], path, line, column)
    if value == missing or np.isnan(value):
        return np.nan
    if not (value in allowed if allowed else 0 <= value <= INTENSITY_MAX):
        good = "0, 1" if allowed else "0 to 5"
        raise UserError(f"{path}, line {line}, column {column}: '{row[column]}' is not {good} or {missing} (unknown)")
    return value
