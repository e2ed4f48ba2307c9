"""Any folder of face videos, and VoxCeleb's tree: sequences of people without labels, thinned out in time.

Nagrani, Chung & Zisserman, "VoxCeleb: a large-scale speaker identification dataset", 2017; Chung, Nagrani &
Zisserman, "VoxCeleb2: Deep Speaker Recognition", 2018.

    .../id00012/21Uxsk56VDQ/00001.mp4                       VoxCeleb: person, video, track; any folders above
    .../id09238/VqEJCd7pbgQ/0_folder/img_0_001.jpg          the same as pictures, as TCAE cuts it out
    unzippedFaces/A.J._Buckley/1.6/VIDEO/0000375.jpg        VoxCeleb1's own face pictures: identities by name, one
                                                            picture a second, numbers of frames at 25 a second

A folder with two or more pictures that are numbered at the end of their names is a sequence, one for each beginning
of names.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from actionunits.datasets.readers.folder_contents import contents, files_below, some
from actionunits.datasets.readers.recording import Count, Inventory, PictureFiles, Recording, VideoFile
from actionunits.errors import UserError
from actionunits.files import valid_text
from actionunits.media.container import VIDEO_SUFFIXES
from actionunits.media.images import IMAGE_SUFFIXES
from actionunits.media.video import VideoTiming, read_timing

FPS = 1.0  # frames per second that TCAE trains on
SPLIT_FRACTIONS = {"train": 0.75, "valid": 0.15, "test": 0.10}  # of the identities, as TCAE splits them
VOXCELEB1_PEOPLE, VOXCELEB2_PEOPLE = 1_211 + 40, 5_994 + 118
_VOXCELEB1_FIRST = 10_000  # identities of VoxCeleb1 have numbers above this, those of VoxCeleb2 below

VOXCELEB1_FACES, VOXCELEB1_FPS = "1.6", 25.0  # folder below each person of the face pictures; rate of their numbers
_IDENTITY = re.compile(r"id\d{5}")
_NUMBERED = re.compile(r"(.*?)(\d+)")


def read(
    root: Path | str, *, fps: float | None = FPS, picture_fps: float = FPS, subject_level: int | None = None
) -> Inventory:
    """All videos and sequences of numbered pictures at any depth of a folder, without labels.

    fps: frames per second that are kept, the ones nearest in presentation time; None keeps all. picture_fps: rate at
    which numbered pictures were taken. subject_level: which folder names the person, 1 for the first one below
    `root`; None makes every sequence a person of its own.

    Files that cannot be read are told in `problems`. Raises UserError if there is no sequence at all.
    """
    if subject_level is not None and subject_level < 1:
        raise UserError(f"the level of the folders that name people counts from 1, not {subject_level}")

    def name(place: PurePosixPath) -> tuple[str, str] | None:
        if subject_level is None:
            return _joined(place.parts), "video"
        if len(place.parts) <= subject_level:
            return None
        return _joined(place.parts[:subject_level]), _joined(place.parts[subject_level:])

    expected = "videos or folders of numbered pictures"
    if subject_level is not None:
        expected += f" below {subject_level} folders that name the person"
    recordings, problems = _read_all(Path(root), name, expected, fps, picture_fps)
    return _inventory("videos", recordings, problems, None)


def read_voxceleb(root: Path | str, *, fps: float | None = FPS, picture_fps: float = FPS, seed: int = 0) -> Inventory:
    """All tracks of VoxCeleb's tree, one sequence each, without labels; identities are split 75/15/10 by seed.

    fps, picture_fps: as in `read`; VoxCeleb1's face pictures have a rate of their own. Raises UserError if there is
    no track below a folder such as id00012 or A.J._Buckley/1.6.
    """

    def name(place: PurePosixPath) -> tuple[str, str] | None:
        parts = place.parts
        level = next((k for k, part in enumerate(parts[:-1]) if _IDENTITY.fullmatch(part)), None)
        if level is not None:
            return parts[level], _joined(parts[level + 1 :])
        faces = _faces_level(place)
        return None if faces is None else (valid_text(parts[faces - 1]), _joined(parts[faces + 1 :]))

    def rate(place: PurePosixPath) -> float:
        return picture_fps if _faces_level(place) is None else VOXCELEB1_FPS

    expected = (
        "id00012/21Uxsk56VDQ/00001.mp4, id00012/21Uxsk56VDQ/0_folder/img_0_001.jpg or "
        "A.J._Buckley/1.6/VIDEO/0000375.jpg"
    )
    recordings, problems = _read_all(Path(root), name, expected, fps, picture_fps, rate)
    people = sorted({r.subject for r in recordings})
    splits = split_identities(people, seed)
    recordings = [replace(r, split=splits[r.subject]) for r in recordings]
    is_first = {not _IDENTITY.fullmatch(person) or int(person[2:]) > _VOXCELEB1_FIRST for person in people}
    published = VOXCELEB1_PEOPLE * (True in is_first) + VOXCELEB2_PEOPLE * (False in is_first)
    return _inventory("voxceleb", recordings, problems, published)


def _faces_level(place: PurePosixPath) -> int | None:
    """Which part of a path is the folder of VoxCeleb1's face pictures, after a person; None for none."""
    return next((k for k in range(1, len(place.parts) - 1) if place.parts[k] == VOXCELEB1_FACES), None)


def split_identities(people: Sequence[str], seed: int) -> dict[str, str]:
    """ "train", "valid" or "test" of each person: 75, 15 and 10 percent, drawn by seed.

    From three people on each part has someone; the order and repetitions of `people` do not matter.
    """
    unique = sorted(set(people))
    least = 1 if len(unique) >= len(SPLIT_FRACTIONS) else 0
    valid, test = (max(least, round(SPLIT_FRACTIONS[part] * len(unique))) for part in ("valid", "test"))
    shuffled = np.random.default_rng((seed, 2)).permutation(len(unique))
    parts = ["valid"] * valid + ["test"] * test
    parts += ["train"] * (len(unique) - len(parts))
    return {unique[k]: part for k, part in zip(shuffled, parts, strict=False)}


def rows_at_rate(time_s: np.ndarray, fps: float | None) -> np.ndarray:
    """Rows whose times, ascending, lie nearest to 0, 1 / fps, 2 / fps ... of the time since the first; all for None.

    >>> rows_at_rate(np.array([0.0, 0.4, 0.8, 1.2, 1.6, 2.0]), fps=1)
    array([0, 2, 5])
    """
    if fps is None:
        return np.arange(len(time_s))
    since = time_s - time_s[0]
    wanted = np.arange(np.floor(since[-1] * fps + 1e-6) + 1) / fps
    after = np.clip(np.searchsorted(since, wanted), 1, max(1, len(since) - 1))
    if len(since) == 1:
        return np.zeros(1, np.int64)
    before_is_nearer = wanted - since[after - 1] <= since[after] - wanted
    return np.unique(after - before_is_nearer)


@dataclass(frozen=True)
class _Sequence:
    """Where a sequence lies, before anything of it is opened."""

    place: PurePosixPath  # relative to the root, without the suffix of a video
    video: Path | None
    pictures: tuple[tuple[int, Path], ...] = ()  # numbers and files, in order


def _joined(parts: Sequence[str]) -> str:
    """One name for several folders, as text that tables can hold."""
    return valid_text("-".join(parts))


def _read_all(
    root: Path,
    name: Callable[[PurePosixPath], tuple[str, str] | None],
    expected: str,
    fps: float | None,
    picture_fps: float,
    rate: Callable[[PurePosixPath], float] | None = None,
) -> tuple[list[Recording], list[str]]:
    """Recordings of everything that `name` gives a subject and a task, and what was odd.

    rate: of the numbers of pictures at a place, where it is not `picture_fps` everywhere.
    """
    found = contents(root)
    for option, value in (("fps", fps), ("picture_fps", picture_fps)):
        if value is not None and not 0 < value < np.inf:
            raise UserError(f"{option} must be above 0 and finite, not {value:g}")
    problems: list[str] = []
    sequences = _find_sequences(root, problems)
    names = [name(sequence.place) for sequence in sequences]
    nameless = [str(s.place) for s, given in zip(sequences, names, strict=True) if given is None]
    named = _distinct([(s, given) for s, given in zip(sequences, names, strict=True) if given is not None])
    if not named:
        raise UserError(f"{root} holds no face videos: expected {expected}, found {found}")
    if nameless:
        problems.append(
            f"{len(nameless)} sequences lie outside folders of people and are left out ({some(nameless)})"
        )
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # reading packets runs outside the interpreter
        timings = list(pool.map(_timing, (sequence.video for sequence, _ in named)))
    recordings = []
    for (sequence, (subject, task)), timing in zip(named, timings, strict=True):
        if isinstance(timing, UserError):
            problems.append(f"{timing}; it is left out")
            continue
        if timing is not None and timing.damage is not None:
            problems.append(f"{sequence.video} is damaged after {len(timing.time_s)} frames: {timing.damage}")
        own_rate = picture_fps if rate is None else rate(sequence.place)
        recordings.append(_recording(sequence, subject, task, timing, fps, own_rate))
    if not recordings:
        raise UserError(f"{root} holds no video that can be read: {problems[0]}")
    return recordings, problems


def _find_sequences(root: Path, problems: list[str]) -> list[_Sequence]:
    """Videos and sequences of numbered pictures in order of their places."""
    sequences: list[_Sequence] = []
    numbered: dict[tuple[Path, str], list[tuple[int, Path]]] = defaultdict(list)
    single: list[str] = []
    for path in files_below(root):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            sequences.append(_Sequence(PurePosixPath(path.relative_to(root).with_suffix("")), path))
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            match = _NUMBERED.fullmatch(path.stem)
            if match is None:
                single.append(path.name)
            else:
                numbered[path.parent, match[1]].append((int(match[2]), path))
    beginnings = Counter(folder for folder, _ in numbered)
    for (folder, beginning), pictures in numbered.items():
        pictures.sort()
        repeated = [number for number, times in Counter(number for number, _ in pictures).items() if times > 1]
        if len(pictures) == 1:
            single.append(pictures[0][1].name)
        elif repeated:
            problems.append(f"{folder}: two pictures have the number {repeated[0]}; the sequence is left out")
        else:
            place = PurePosixPath(folder.relative_to(root))
            if beginnings[folder] > 1:  # several tracks in one folder
                place /= beginning.rstrip("_-. ") or "pictures"
            sequences.append(_Sequence(place, None, tuple(pictures)))
    if single:
        problems.append(f"{len(single)} single pictures are no sequence and are left out ({some(single)})")
    return sorted(sequences, key=lambda sequence: (sequence.place.parts, str(sequence.video)))


def _distinct(
    named: list[tuple[_Sequence, tuple[str, str]]],
) -> list[tuple[_Sequence, tuple[str, str]]]:
    """The same with tasks that are told apart by a number where two sequences of a person share one."""
    seen: Counter[str] = Counter()
    taken = {"_".join(name).casefold() for _, name in named}
    result = []
    for sequence, (subject, task) in named:
        key = f"{subject}_{task}".casefold()
        seen[key] += 1
        if seen[key] > 1:
            number = seen[key]
            while f"{key}-{number}" in taken:
                number += 1
            task = f"{task}-{number}"
            taken.add(f"{key}-{number}")
        result.append((sequence, (subject, task)))
    return result


def _timing(video: Path | None) -> VideoTiming | UserError | None:
    """Times of a video's frames, or why it cannot be read; None for pictures."""
    if video is None:
        return None
    try:
        return read_timing(video)
    except UserError as error:
        return error


def _recording(
    sequence: _Sequence, subject: str, task: str, timing: VideoTiming | None, fps: float | None, picture_fps: float
) -> Recording:
    if timing is not None:
        rows = rows_at_rate(timing.time_s, fps)
        frame, time_s = rows.astype(np.int64), timing.time_s[rows]
        assert sequence.video is not None
        pixels: VideoFile | PictureFiles = VideoFile(sequence.video, frame)
    else:
        number = np.array([number for number, _ in sequence.pictures], np.int64)
        rows = rows_at_rate((number - number[0]) / picture_fps, fps)
        frame, time_s = number[rows], (number[rows] - number[0]) / picture_fps
        pixels = PictureFiles(tuple(sequence.pictures[row][1] for row in rows))
    none = np.zeros((len(frame), 0))
    return Recording(
        subject=subject,
        task=task,
        pixels=pixels,
        frame=frame,
        time_s=time_s,
        aus=(),
        au_present=none.astype(np.uint8),
        au_present_valid=none.astype(bool),
        au_intensity=none.astype(np.float32),
        au_intensity_valid=none.astype(bool),
    )


def _inventory(dataset: str, recordings: list[Recording], problems: list[str], people: int | None) -> Inventory:
    counts = (
        Count("subjects", len({r.subject for r in recordings}), people),
        Count("sequences", len(recordings), None),
        Count("frames", sum(len(r) for r in recordings), None),
    )
    return Inventory(dataset, tuple(recordings), counts, tuple(problems), occurrence_level=1.0)
