"""Is the detector equally good for people with glasses, beards or dark skin, and for women? On coded photographs.

    python experiments/resnet18/face_groups.py --faces FACES

`face_groups.csv` beside this file says which faces look so. It was coded from the pictures alone, by one coder. A
face's score of an action unit is its rank among all faces, so that the action units of a group can be pooled. Writes
results/face_groups.csv with the AUC of each group, of all other faces, and the difference, for the detector and for
every other program whose answers lie in FACES.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from result_files import write_results
from scipy.stats import rankdata

from actionunits.detection.coded_faces import answers_for
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import Answers, CodedFaces, read_coded_faces, read_rivals
from actionunits.scores import bootstrap

GROUPS = Path(__file__).with_name("face_groups.csv")
REPLICATES = 2000
TAIL = (1 - bootstrap.LEVEL) / 2


def ranks(faces: CodedFaces, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Rank, 0-1, of every known cell among the faces of its action unit, (N, A), and which cells have one, (N, A)."""
    known = faces.valid & ~np.isnan(answers.probability)
    score = np.zeros(known.shape)
    for column in range(known.shape[1]):
        rows = known[:, column]
        if rows.any():
            score[rows, column] = (rankdata(answers.probability[rows, column]) - 0.5) / rows.sum()
    return score, known


def aucs(faces: CodedFaces, answers: Answers, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC of the pooled cells of a group (N,) bool and of the others, (1 + REPLICATES,) each: first of all people."""
    score, known = ranks(faces, answers)
    draws = np.vstack([np.ones(faces.people, np.int64), bootstrap.draw_subjects(faces.people, REPLICATES, 0)])
    owner = np.broadcast_to(faces.person[:, None], known.shape)

    def pooled(rows: np.ndarray) -> np.ndarray:
        cells = known & rows[:, None]
        one = [values[cells][:, None] for values in (faces.present, score)]
        return bootstrap.auc(draws, owner[cells], *one, np.ones_like(one[0], bool))[:, 0]

    return pooled(group), pooled(~group)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    options = parser.parse_args()
    try:
        faces = read_coded_faces(options.faces)
        detector = Detector(max_faces=None)
        answers = [
            answers_for(detector, faces.pictures, faces.aus, "actionunits"),
            *read_rivals(options.faces, faces),
        ]
    except UserError as error:
        print(f"face_groups: {error}", file=sys.stderr)
        return 2
    groups = pd.read_csv(GROUPS, dtype={"id": str}).set_index("id").loc[list(faces.ids)]
    rows = []
    for name in groups:
        chosen = groups[name].to_numpy() > 0
        counts = {"group": name, "faces": int(chosen.sum()), "people": len(np.unique(faces.person[chosen]))}
        for reader in answers:
            inside, outside = aucs(faces, reader, chosen)
            low, high = np.nanquantile((inside - outside)[1:], [TAIL, 1 - TAIL])
            told = {"auc": inside[0], "auc_others": outside[0], "difference": inside[0] - outside[0]}
            rows.append(counts | {"reader": reader.name} | told | {"low": low, "high": high})
    write_results(pd.DataFrame(rows), "face_groups")
    return 0


if __name__ == "__main__":
    sys.exit(main())
