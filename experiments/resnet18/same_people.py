"""How surely a person is known again in another clip: where the limit of detection/same_people.py comes from.

    python experiments/resnet18/same_people.py --faces DIR

Describes faces of both clips of every person of data/synthau-mini, two frames each, and, with --faces, photographs
of real people (a folder of coded faces whose labels.csv tells the `person`). Groups the clips as `--same-people`
does, by descriptions and by the appearance with which the tracker follows a face, and writes results/same_people.csv.
Takes about two minutes on a free core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actionunits.detection.coded_faces import middle_face
from actionunits.detection.same_people import MOST_DISTANCE
from actionunits.evaluation.coded_faces import read_coded_faces
from actionunits.faces import FaceFinder
from actionunits.faces.recognition import FaceDescriber
from actionunits.faces.track import Appearance, appearance_of
from actionunits.media import open_media, read_image
from actionunits.runtime.provenance import source_commit
from actionunits.scores.grouping import groups
from actionunits.types import Frame

ROOT = Path(__file__).parents[2]
DATA, OUT = ROOT / "data" / "synthau-mini", ROOT / "results" / "same_people.csv"
FRAMES = (16, 40)  # of a clip
DESCRIPTION_LIMITS = (0.35, 0.4, MOST_DISTANCE, 0.5, 0.55)
APPEARANCE_LIMITS = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Seen:
    """One clip or photograph of a person."""

    person: str
    description: np.ndarray  # (128,), mean over frames
    appearance: Appearance  # likewise


def clips_of(look: str) -> Iterator[tuple[str, list[Frame]]]:
    """Person and two frames of every clip."""
    for clip in sorted((DATA / look / "clips").glob("*.mp4")):
        with open_media(clip) as media:
            yield clip.stem.partition("_")[0], [frame for frame in media if frame.index in FRAMES]


def photographs_of(folder: Path) -> Iterator[tuple[str, list[Frame]]]:
    """Person and picture of every photograph."""
    person = pd.read_csv(folder / "labels.csv", dtype=str).set_index("id")["person"]
    coded = read_coded_faces(folder)
    for name, path in zip(coded.ids, coded.pictures, strict=True):
        yield str(person[name]), [Frame(read_image(path), 0, 0.0, str(path))]


def seen_in(clips: Iterator[tuple[str, list[Frame]]], find: FaceFinder, describe: FaceDescriber) -> list[Seen]:
    """What the clips show; one in which no face is found is left out."""
    found = []
    for person, frames in clips:
        descriptions, appearances = [], []
        for frame in frames:
            faces = find(frame)
            middle = middle_face(frame, faces)
            if middle is not None:
                points = faces[middle].landmarks_px
                descriptions.append(describe(frame.image_rgb, points))
                appearances.append(appearance_of(frame.image_rgb, points))
        if descriptions:
            looks = appearances[0]
            for number, other in enumerate(appearances[1:], start=2):
                looks = looks.blended(other, 1 / number)
            found.append(Seen(person, np.mean(descriptions, axis=0), looks))
    return found


def scores(seen: list[Seen], distance: np.ndarray, limit: float) -> dict[str, float]:
    """Shares of pairs that are grouped wrongly, and of people who are, at a limit."""
    group = np.array(groups(distance, np.zeros(distance.shape, bool), limit))
    person = np.array([each.person for each in seen])
    pairs = np.triu_indices(len(seen), 1)
    same, together = (of[pairs[0]] == of[pairs[1]] for of in (person, group))
    mixed = [len(set(person[np.isin(group, group[person == name])])) > 1 for name in np.unique(person)]
    return {
        "clips": len(seen),
        "people": len(mixed),
        "limit": limit,
        "wrong_merges": float(together[~same].mean()),
        "splits": float((~together[same]).mean()),
        "people_mixed": float(np.mean(mixed)),
    }


def rows_of(name: str, seen: list[Seen]) -> Iterator[dict[str, Any]]:
    """The rows of the table for one set, by both distances and all limits."""
    means = np.array([each.description for each in seen])
    distances = {
        "description": np.linalg.norm(means[:, None] - means, axis=-1),
        "appearance": np.array([[a.appearance.distance(b.appearance) for b in seen] for a in seen]),
    }
    for by, limits in (("description", DESCRIPTION_LIMITS), ("appearance", APPEARANCE_LIMITS)):
        for limit in limits:
            yield {"data": name, "by": by} | scores(seen, distances[by], limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="folder of coded faces with the column `person`")
    faces = parser.parse_args().faces
    sets = {f"renders, {look}": clips_of(look) for look in ("studio", "wild")}
    sets |= {} if faces is None else {"photographs": photographs_of(faces)}
    with FaceFinder(video=False) as find:
        describe = FaceDescriber()
        rows = [row for name, clips in sets.items() for row in rows_of(name, seen_in(clips, find, describe))]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.assign(commit=source_commit()).to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
