"""DISFA: 27 people watching one video, filmed by two cameras, 12 AUs with intensities in every frame.

Mavadati, Mahoor, Bartlett, Trinh & Cohn, "DISFA: A Spontaneous Facial Action Intensity Database", 2013.

    ActionUnit_Labels/SN001/SN001_au1.txt        a line `frame,intensity` per frame, frames from 1, intensity 0-5
    Videos_LeftCamera/LeftVideoSN001_comp.avi    picture k (from 0) belongs to label frame k + 1
    Videos_RightCamera/RightVideoSN001_comp.avi  upper and lower case of these names vary between copies
    Landmark_Points/SN001/tmp_frame_lm/*.mat     see `disfa_landmarks.py`; of the left camera's videos
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from actionunits.aus import DATASET_AUS, au_label
from actionunits.datasets.readers.disfa_landmarks import find_landmark_folders, known_bad, read_landmarks
from actionunits.datasets.readers.folder_contents import contents, files_below, gaps_between, some, subfolders
from actionunits.datasets.readers.recording import Count, Inventory, Recording, VideoFile
from actionunits.datasets.readers.video_rows import FRAMES_COUNT, LARGEST_FRAME, row_times, without_picture
from actionunits.errors import UserError
from actionunits.media.video import read_timing
from actionunits.settings.checks import shown

AUS = DATASET_AUS["disfa_intensity"]
SUBJECTS: tuple[str, ...] = tuple(f"SN{number:03d}" for number in (*range(1, 14), 16, 17, 18, 21, *range(23, 33)))
FRAMES: dict[str, int] = {subject: 4844 if subject == "SN010" else 4845 for subject in SUBJECTS}
OCCURRENCE_LEVEL = 2.0
CAMERAS = ("left", "right")
Camera = Literal["left", "right", "both"]

_LABEL_FILE = re.compile(r"(sn\d+)_au(\d+)\.txt", re.IGNORECASE)
_VIDEO_FILE = re.compile(r"(left|right)video(sn\d+)(_comp)?\.[a-z0-9]+", re.IGNORECASE)
_EXPECTED = (
    "the folders ActionUnit_Labels (SN001/SN001_au1.txt ...) and "
    "Videos_LeftCamera (LeftVideoSN001_comp.avi ...) or Videos_RightCamera"
)


def read(
    root: Path | str,
    *,
    camera: Camera = "left",
    occurrence_level: float = OCCURRENCE_LEVEL,
    landmarks: bool = True,
    keep_bad_landmarks: bool = False,
) -> Inventory:
    """All sequences, one per person and camera, with the task "left" or "right".

    occurrence_level: intensity from which an AU counts as present; papers use 1 (above 0) and 2.
    landmarks: read the landmark files, which belong to the left camera; the right one has none.
    keep_bad_landmarks: do not mark the 4,670 frames of the left camera with known bad landmarks as lost.

    A label that is missing or outside 0-5 is unknown and told in `problems`. Raises UserError for a folder of
    another layout, a line that is not `frame,intensity`, and a frame that one file names twice.
    """
    root = Path(root)
    if camera not in (*CAMERAS, "both"):
        raise UserError(f"there is no camera '{camera}'; use left, right or both")
    if not 0 < occurrence_level <= 5:
        raise UserError(f"the occurrence level must be above 0 and at most 5, not {occurrence_level:g}")
    cameras = CAMERAS if camera == "both" else (camera,)
    problems: list[str] = []
    label_files = _find_label_files(root, problems)
    videos = _find_videos(root, cameras, problems)
    landmark_folders = find_landmark_folders(root) if landmarks and "left" in cameras else {}
    if landmarks and "left" in cameras and not landmark_folders:
        problems.append("there is no folder Landmark_Points; landmarks have to be found in the pictures")
    recordings: list[Recording] = []
    coded: dict[str, int] = {}
    for subject, files in label_files.items():
        labels = _read_labels(subject, files, problems)
        coded[subject] = len(labels.frame)
        for side in cameras:
            path = videos.get((side, subject))
            if path is None:
                problems.append(f"{subject}: there is no video of the {side} camera; the sequence is left out")
                continue
            recording = _recording(
                subject, side, path, labels, landmark_folders, occurrence_level, keep_bad_landmarks, problems
            )
            if recording is not None:
                recordings.append(recording)
    if not recordings:
        reasons = "; ".join(problems[:2])
        raise UserError(f"{root} gives no sequence with labels and a video that can be read: {reasons}")
    _compare_with_published(coded, problems)
    problems += [f"{path.name} has no labels; it is left out" for (_, s), path in videos.items() if s not in coded]
    return Inventory(
        dataset="disfa",
        recordings=tuple(recordings),
        counts=_counts(recordings, coded, cameras),
        problems=tuple(problems),
        occurrence_level=occurrence_level,
    )


@dataclass(frozen=True)
class _Labels:
    """Labels of one person, the same for both cameras."""

    frame: np.ndarray  # (T,) int64 ascending, from 1
    intensity: np.ndarray  # (T, 12) float32
    valid: np.ndarray  # (T, 12) bool


def _find_label_files(root: Path, problems: list[str]) -> dict[str, dict[int, Path]]:
    """Label files by person and AU, in order."""
    found = contents(root)
    folders = subfolders(root, r"action_?units?_?labels")
    if not folders:
        raise UserError(f"{root} is not DISFA: expected {_EXPECTED}, found {found}")
    files: dict[str, dict[int, Path]] = {}
    extra = []
    for path in (path for folder in folders for path in files_below(folder)):
        match = _LABEL_FILE.fullmatch(path.name)
        if match is None or int(match[2]) not in AUS:
            extra.append(path.name)
            continue
        of_subject = files.setdefault(match[1].upper(), {})
        if int(match[2]) in of_subject:
            raise UserError(f"{path} and {of_subject[int(match[2])]} hold the same labels; keep one of them")
        of_subject[int(match[2])] = path
    if not files:
        raise UserError(
            f"{folders[0]} holds no label file: expected SN001/SN001_au1.txt ..., found {contents(folders[0])}"
        )
    if extra:
        problems.append(f"{folders[0].name}: files that are no labels of DISFA are ignored ({some(extra)})")
    return dict(sorted(files.items()))


def _find_videos(root: Path, cameras: Sequence[str], problems: list[str]) -> dict[tuple[str, str], Path]:
    """Videos of the wanted cameras by camera and person."""
    videos: dict[tuple[str, str], Path] = {}
    for path in (path for folder in subfolders(root, r".*video.*") for path in files_below(folder)):
        match = _VIDEO_FILE.fullmatch(path.name)
        if match is None:
            problems.append(f"{path.parent.name}/{path.name} is not named like a video of DISFA and is ignored")
            continue
        key = match[1].lower(), match[2].upper()
        if key[0] not in cameras:
            continue
        if key in videos:
            raise UserError(f"{path} and {videos[key]} are both the {key[0]} video of {key[1]}; keep one of them")
        videos[key] = path
    if not videos:
        wanted = " or ".join(f"Videos_{side.title()}Camera/{side.title()}VideoSN001_comp.avi" for side in cameras)
        raise UserError(f"{root} lacks the videos: expected {wanted} ..., found {contents(root)}")
    return videos


def _read_labels(subject: str, files: dict[int, Path], problems: list[str]) -> _Labels:
    """Labels of one person; frames that no file names are left out."""
    columns = {au: _read_label_file(path, problems) for au, path in files.items()}
    frame = np.array(sorted(set().union(*columns.values())), np.int64)
    intensity = np.zeros((len(frame), len(AUS)), np.float32)
    valid = np.zeros((len(frame), len(AUS)), bool)
    for k, au in enumerate(AUS):
        if au not in columns:
            problems.append(f"{subject}: {subject}_au{au}.txt is missing; {au_label(au)} is unknown in this sequence")
            continue
        column = columns[au]
        lacking = [number for number in frame.tolist() if number not in column]
        if lacking:
            problems.append(
                f"{files[au].name} has no line for {len(lacking)} frames ({some(lacking)}); "
                f"{au_label(au)} is unknown there"
            )
        for row, number in enumerate(frame.tolist()):
            level = column.get(number)
            if level is not None:
                intensity[row, k], valid[row, k] = level, True
    missing, gaps = gaps_between(frame.tolist(), first=1)
    if missing:
        problems.append(f"{subject}: no label for {missing} frames ({some(gaps, count=missing)}); they are left out")
    return _Labels(frame, intensity, valid)


def _read_label_file(path: Path, problems: list[str]) -> dict[int, int | None]:
    """Intensity by frame number; None for a value outside 0-5."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not text'}") from error
    levels: dict[int, int | None] = {}
    outside: list[str] = []
    for position, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            number, level = (int(word) for word in line.split(","))
        except ValueError:
            raise UserError(f"{path}, line {position}: expected 'frame,intensity', found '{line[:40]}'") from None
        if not 1 <= number <= LARGEST_FRAME or number in levels:
            why = "an earlier line names the same frame" if number in levels else FRAMES_COUNT
            raise UserError(f"{path}, line {position}: frame {shown(number)}, but {why}")
        levels[number] = level if 0 <= level <= 5 else None
        if levels[number] is None:
            outside.append(f"line {position}: {level}")
    if not levels:
        problems.append(f"{path.name} is empty")
    if outside:
        problems.append(f"{path.name}: {len(outside)} intensities outside 0-5 are unknown ({some(outside)})")
    if list(levels) != sorted(levels):
        problems.append(f"{path.name}: the lines are not in the order of frames; their own numbers are used")
    return levels


def _recording(
    subject: str,
    side: str,
    path: Path,
    labels: _Labels,
    landmark_folders: dict[str, Path],
    occurrence_level: float,
    keep_bad_landmarks: bool,
    problems: list[str],
) -> Recording | None:
    """One sequence, None if its video cannot be read at all or nothing is labelled."""
    if not len(labels.frame):
        problems.append(f"{subject}: the label files name no frame; the sequence is left out")
        return None
    try:
        timing = read_timing(path)
    except UserError as error:
        problems.append(f"{subject}: {error}; the sequence is left out")
        return None
    index = labels.frame - 1
    lost = without_picture(path, index, timing, problems)
    landmarks_px = None
    if side == "left":
        if subject in landmark_folders:
            sound = len(timing.time_s) if timing.damage is None else int(labels.frame[-1])
            landmarks_px, odd = read_landmarks(landmark_folders[subject], subject, labels.frame, sound)
            problems += odd
        elif landmark_folders:
            problems.append(f"{subject}: there are no landmarks; they have to be found in the pictures")
        if not keep_bad_landmarks:
            bad = np.flatnonzero(known_bad(subject, labels.frame)).tolist()
            lost = {**dict.fromkeys(bad, "known bad landmarks"), **lost}
    return Recording(
        subject=subject,
        task=side,
        pixels=VideoFile(path, index),
        frame=labels.frame,
        time_s=row_times(index, timing),
        aus=AUS,
        au_present=(labels.intensity >= occurrence_level).astype(np.uint8),
        au_present_valid=labels.valid,
        au_intensity=labels.intensity,
        au_intensity_valid=labels.valid,
        landmarks_px=landmarks_px,
        lost=lost or None,
    )


def _compare_with_published(coded: dict[str, int], problems: list[str]) -> None:
    absent = [subject for subject in SUBJECTS if subject not in coded]
    if absent:
        problems.append(f"{len(absent)} of the {len(SUBJECTS)} people have no labels here ({some(absent)})")
    other = [f"{s} {n} of {FRAMES[s]:,}" for s, n in coded.items() if s in FRAMES and n != FRAMES[s]]
    if other:
        problems.append(f"labelled frames differ from the published number for {len(other)} people ({some(other)})")


def _counts(recordings: list[Recording], coded: dict[str, int], cameras: Sequence[str]) -> tuple[Count, ...]:
    counts = [
        Count("subjects", len({r.subject for r in recordings}), len(SUBJECTS)),
        Count("sequences", len(recordings), len(SUBJECTS) * len(cameras)),
        Count("coded frames", sum(coded.values()), sum(FRAMES.values())),
    ]
    if "left" in cameras:
        sound = sum(int((~known_bad(r.subject, r.frame)).sum()) for r in recordings if r.task == "left")
        published = sum(int((~known_bad(s, np.arange(1, n + 1))).sum()) for s, n in FRAMES.items())
        counts.append(Count("coded frames without known bad landmarks", sound, published))
    return tuple(counts)
