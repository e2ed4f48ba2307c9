"""DISFA's landmark files, 66 points a frame tracked in the left camera's videos, and the frames known to be wrong.

Files are `Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat`, or `l00000_lm.mat` for some people, with the
points in the variable `pts` (66, 2). The points are those of the Multi-PIE markup in its order, without the inner
mouth corners (60 and 64), as in the 66-point face trackers of that time. Numbers count from 0; in folders that
hold one file more than the video has frames, file 0 belongs to no frame, so that file k is label frame k.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actionunits.datasets.readers.folder_contents import some, subfolders
from actionunits.faces.landmarks import POINTS_66

# Label frames, first and last, whose published landmarks are not on the face. Two independent public lists agree.
KNOWN_BAD: dict[str, tuple[tuple[int, int], ...]] = {
    "SN001": ((398, 420), (3190, 3243)),
    "SN002": ((800, 826),),
    "SN004": ((4541, 4555),),
    "SN006": ((1349, 1405),),
    "SN009": ((1736, 1808), (1851, 1885)),
    "SN011": ((4529, 4533), (4830, 4845)),
    "SN021": (
        (574, 616), (985, 1164), (1190, 1205), (1305, 1338), (1665, 1710), (1862, 2477), (2554, 4657), (4710, 4722)
    ),
    "SN023": ((1021, 1049), (3378, 3557), (3584, 3668), (4547, 4621), (4741, 4772), (4825, 4845)),
    "SN025": ((4596, 4662), (4816, 4835)),
    "SN027": ((3461, 3494), (4738, 4785)),
    "SN028": ((1875, 1885), (4571, 4690)),
    "SN029": ((4090, 4543),),
    "SN030": ((939, 962), (1406, 1422), (2100, 2132), (2893, 2955)),
}  # fmt: skip

_FILE = re.compile(r"(sn\d+_|l)(\d+)_lm\.mat", re.IGNORECASE)


def known_bad(subject: str, frame: np.ndarray) -> np.ndarray:
    """Which label frames have landmarks known to be wrong, (T,) bool."""
    bad = np.zeros(len(frame), bool)
    for first, last in KNOWN_BAD.get(subject, ()):
        bad |= (frame >= first) & (frame <= last)
    return bad


def find_landmark_folders(root: Path) -> dict[str, Path]:
    """The folder of each person's landmark files; empty if the data set came without."""
    tops = subfolders(root, r"landmark_?points")
    tops += [inner for top in tops for inner in subfolders(top, r"landmark_?points")]  # unpacked one level deeper
    return {folder.name.upper(): folder for top in tops for folder in subfolders(top, r"sn\d+")}


def read_landmarks(folder: Path, subject: str, frame: np.ndarray, video_frames: int) -> tuple[np.ndarray, list[str]]:
    """(T, 68, 2) float32 pixels of the label frames, and what was odd.

    Points 60 and 64 are NaN, and all points of a frame whose file is missing or cannot be read.
    video_frames: what decides whether file 0 belongs to the first frame.
    """
    landmarks = np.full((len(frame), 68, 2), np.nan, np.float32)
    files, problems = _numbered_files(folder, subject)
    if not files:
        return landmarks, [f"{subject}: {folder} holds no landmark file"]
    first, odd = _first_frame(files, subject, video_frames)
    problems += odd
    missing, damaged = [], []
    for row, number in enumerate(frame.tolist()):
        path = files.get(number - first)
        if path is None:
            missing.append(number)
            continue
        points = _read_points(path)
        if points is None:
            damaged.append(path.name)
        else:
            landmarks[row, POINTS_66] = points
    if missing:
        problems.append(f"{subject}: no landmark file for {len(missing)} frames ({some(missing)})")
    if damaged:
        problems.append(f"{subject}: {len(damaged)} landmark files do not hold 66 points as 'pts' ({some(damaged)})")
    return landmarks, problems


def _numbered_files(folder: Path, subject: str) -> tuple[dict[int, Path], list[str]]:
    """Landmark files by the number in their name; where two ways of naming are mixed, the more frequent one."""
    by_style: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.rglob("*.[mM][aA][tT]")):
        match = _FILE.fullmatch(path.name)
        if match is not None:
            by_style.setdefault(match[1].upper(), {})[int(match[2])] = path
    sizes = Counter({style: len(files) for style, files in by_style.items()}).most_common()
    if not sizes:
        return {}, []
    problems = []
    if len(sizes) > 1:
        left_aside = sum(size for _, size in sizes[1:])
        problems.append(f"{subject}: landmark files are named in {len(sizes)} ways; {left_aside} are left aside")
    return by_style[sizes[0][0]], problems


def _first_frame(files: Mapping[int, Path], subject: str, video_frames: int) -> tuple[int, list[str]]:
    """Label frame of file 0: 1, or 0 where the folder's numbers reach one further and file 0 has no frame."""
    highest = max(files)
    if highest in (video_frames - 1, video_frames):
        return video_frames - highest, []
    # The two ways of naming go with the two ways of counting in the data set itself.
    first = 0 if files[highest].name[0] in "lL" else 1
    return first, [
        f"{subject}: landmark files end with {files[highest].name}, the video has {video_frames} frames; "
        f"file 1 is taken for label frame {first + 1}"
    ]


def _read_points(path: Path) -> np.ndarray | None:
    """(66, 2) of a landmark file, None if it holds something else."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        points = np.asarray(loadmat(path, variable_names=["pts"])["pts"], np.float64)
    except (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, zlib.error, MatReadError):
        return None
    return points if points.shape == (66, 2) else None
