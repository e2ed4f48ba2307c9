"""What `--calibrate` does to scores, on whole clips and on clips that never rest.

    python experiments/resnet18/calibration.py

Reads data/synthau-mini with the released weights. Clips that never rest are the same ones without the frames in which
no action unit is present. Each is scored as it is, measured from the resting face that is found in all of it, and
measured from that of the frames up to each, as a webcam is; where none is found, it stays as it is.
`prob_apart_at_end` is the mean difference of the last frames' probabilities from those of the second reading. Writes
results/calibration.csv. Takes a few minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from actionunits.evaluation.over_time import read_over_time
from actionunits.evaluation.predictions import FramePredictions, read_predictions
from actionunits.evaluation.protocols import evaluate_checkpoint, score_frames
from actionunits.runtime.provenance import source_commit

ROOT = Path(__file__).parents[2]
DATA, OUT = ROOT / "data" / "synthau-mini", ROOT / "results" / "calibration.csv"
WEIGHTS, LOOKS = "resnet18", ("studio", "wild")
REPLICATES = 5  # of an interval that nothing here shows


def read_by(look: str) -> tuple[FramePredictions, dict[str, float]]:
    """What the weights say of every frame, and of resting faces on average."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.parquet"
        _, header = evaluate_checkpoint(
            WEIGHTS, [DATA / look], replicates=REPLICATES, progress=True, predictions_file=file
        )
        return read_predictions(file), header["neutral_logit"]


def rows_of(name: str, frames: FramePredictions, neutral_logit: dict[str, float]) -> list[dict[str, object]]:
    """Scores as they are and calibrated, beside those of who always answers "present"."""
    whole, so_far = (read_over_time(frames, reading, neutral_logit) for reading in ("calibrated", "so-far"))
    clips = frames.subject.number * len(frames.clip.names) + frames.clip.number
    about = {"data": name, "clips": len(np.unique(clips)), "frames": len(frames)}
    last = pd.Series(frames.frame).groupby(clips).idxmax().to_numpy()
    rate = frames.au_present.sum(0) / frames.au_present_valid.sum(0)
    floor = float(np.mean(2 * rate / (1 + rate)))
    rows = []
    for reading, read in (("as they are", frames), ("calibrated", whole), ("calibrated so far", so_far)):
        means = score_frames(read, REPLICATES).means
        moved = len(np.unique(clips[np.abs(read.au_prob - frames.au_prob).max(1) > 0]))
        apart = float(np.abs(read.au_prob[last] - whole.au_prob[last]).mean())
        scores = {"f1": means["f1"], "icc": means["icc"], "prob_apart_at_end": apart}
        rows.append(about | {"reading": reading, "clips_changed": moved} | scores)
    return [row | {"f1_always_present": floor} for row in rows]


def main() -> int:
    rows: list[dict[str, object]] = []
    for look in LOOKS:
        frames, neutral_logit = read_by(look)
        acting = np.flatnonzero((frames.au_present & frames.au_present_valid).any(1))
        rows += rows_of(look, frames, neutral_logit)
        rows += rows_of(f"{look}, never at rest", frames.select(acting), neutral_logit)
    table = pd.DataFrame(rows)
    print(table.round(4).to_string(index=False))
    table.assign(commit=source_commit()).to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
