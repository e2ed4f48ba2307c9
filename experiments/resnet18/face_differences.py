"""How far the detectors are ahead of other programs on coded photographs, with intervals over people.

    python experiments/resnet18/face_differences.py --faces FACES

Writes results/face_differences.csv: the difference of the AUC of presence on the same faces, for every action unit
that enough faces have and for the mean of these, and its 95% interval (bootstrap over people).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from result_files import write_results

from actionunits.aus import au_label
from actionunits.detection.coded_faces import answers_for
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import Answers, CodedFaces, read_coded_faces, read_rivals
from actionunits.scores import bootstrap

sys.path.insert(0, str(Path(__file__).parents[1]))
from resnet18.results_tables import JUDGED_FACES

OURS = ("resnet18", "fast")
REPLICATES = 2000
TAIL = (1 - bootstrap.LEVEL) / 2


def resampled_auc(faces: CodedFaces, answers: Answers, valid: np.ndarray) -> np.ndarray:
    """AUC (1 + REPLICATES, A) of all people, and of people drawn again and again, the same for all programs."""
    draws = np.vstack([np.ones(faces.people, np.int64), bootstrap.draw_subjects(faces.people, REPLICATES, 0)])
    return bootstrap.auc(draws, faces.person, faces.present, np.nan_to_num(answers.probability), valid)


def differences(faces: CodedFaces, ours: Answers, theirs: Answers) -> pd.DataFrame:
    """A row per action unit that both programs and enough faces have, and one of their mean."""
    valid = faces.valid & ~np.isnan(ours.probability) & ~np.isnan(theirs.probability)
    positives = (faces.present * valid).sum(0)
    spread = np.ptp(np.where(valid, theirs.probability, 0.0), axis=0)  # 0 for an action unit that it never tells
    judged = np.flatnonzero((positives >= JUDGED_FACES) & (spread > 0))
    first, second = (resampled_auc(faces, answers, valid)[:, judged] for answers in (ours, theirs))
    rows = []
    names = [au_label(faces.aus[k]) for k in judged]
    for name, a, b in [*zip(names, first.T, second.T, strict=True), ("mean", first.mean(1), second.mean(1))]:
        low, high = np.nanquantile((a - b)[1:], [TAIL, 1 - TAIL])
        rows.append({"au": name, "auc": a[0], "other_auc": b[0], "difference": a[0] - b[0], "low": low, "high": high})
    return pd.DataFrame(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="photographs coded by eye")
    options = parser.parse_args()
    try:
        faces = read_coded_faces(options.faces)
        detectors = [answers_for(Detector(w, max_faces=None), faces.pictures, faces.aus, w) for w in OURS]
        rivals = read_rivals(options.faces, faces)
    except UserError as error:
        print(f"face_differences: {error}", file=sys.stderr)
        return 2
    pairs = [(ours, theirs) for ours in detectors for theirs in rivals] + [(detectors[1], detectors[0])]
    tables = [differences(faces, *pair).assign(reader=pair[0].name, other=pair[1].name) for pair in pairs]
    write_results(pd.concat(tables), "face_differences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
