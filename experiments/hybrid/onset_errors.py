"""How far off the default detector is where events begin, and which events it is: by how fast they begin, and by AU.

    python experiments/hybrid/onset_errors.py --valid out/clips/valid out/clips/valid-calm \
        --test out/clips/test out/clips/test-worse out/clips/calm

Every true event is paired with the detected event that shares most frames with it, as in `report onsets`. Events of
all test sets are told together. Thresholds are the best for F1 of frames, or, action unit by action unit, the best
for onsets: as many true and detected onsets as possible have one of the other kind within two frames. Both are of the
validation clips. Writes results/over_time_onsets.csv.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clips import Clip, read_folders
from correct import ARITHMETIC, RESULTS, Reading, frame_thresholds, write

from actionunits.aus import au_label
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.scores import events

NEAR, FAR = 2, 10  # frames
RISE_FRAMES = 3  # before an onset, over which the rise of the intensity is measured
OFFSETS = np.arange(-3.0, 4.1, 0.5)  # of thresholds, log-odds
READINGS = ("frame by frame", "mean of 7 frames", "exponential mean")
SPEEDS = ("slow", "middle", "fast")  # thirds of the events, by the rise of the intensity


def onsets_of(on: np.ndarray) -> list[np.ndarray]:
    """First frames of the runs of each column of a clip, (T, A) bool; a run that is there at first does not count."""
    return [1 + np.flatnonzero(~column[:-1] & column[1:]) for column in on.T]


def near_counts(logits: list[np.ndarray], clips: list[Clip], threshold: np.ndarray) -> np.ndarray:
    """True onsets, those with a detected one near, detected onsets, and those with a true one near, (4, A)."""
    counts = np.zeros((4, len(threshold)))
    for logit, clip in zip(logits, clips, strict=True):
        pairs = zip(onsets_of(clip.present), onsets_of(logit >= threshold), strict=True)
        for k, (true, detected) in enumerate(pairs):
            near = np.abs(true[:, None] - detected) <= NEAR
            counts[:, k] += len(true), near.any(1).sum(), len(detected), near.any(0).sum()
    return counts


def near_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of onsets, from counts as of `near_counts`, (...)."""
    recall, precision = counts[1] / np.maximum(counts[0], 1), counts[3] / np.maximum(counts[2], 1)
    return 2 * recall * precision / np.maximum(recall + precision, 1e-9)


def onset_thresholds(logits: list[np.ndarray], clips: list[Clip], start: np.ndarray) -> np.ndarray:
    """Thresholds (A,) with the best onsets on these clips, among those some way from `start`."""
    found = [near_f1(near_counts(logits, clips, start + offset)) for offset in OFFSETS]
    return start + OFFSETS[np.argmax(found, 0)]


def paired(logits: list[np.ndarray], clips: list[Clip], threshold: np.ndarray) -> np.ndarray:
    """Events that are seen to begin, (E, 3): position of the AU, rise of the intensity per frame, frames too late.

    Frames are NaN where nothing is detected, and infinite where a detected event is there in the clip's first frame.
    """
    found = []
    for logit, clip in zip(logits, clips, strict=True):
        starts = np.arange(len(logit)) == 0
        known = np.ones(logit.shape, bool)
        first, stop, column = events.segments(clip.present, known, starts)
        d_first, d_stop, d_column = events.segments(logit >= threshold, known, starts)
        for a, b, au in zip(first, stop, column, strict=True):
            if a == 0:
                continue
            before = max(a - RISE_FRAMES, 0)
            rise = (clip.strength[a, au] - clip.strength[before, au]) / (a - before)
            shared = np.where(d_column == au, np.minimum(d_stop, b) - np.maximum(d_first, a), 0)
            late = np.nan
            if shared.max(initial=0) > 0:
                begin = d_first[int(np.argmax(shared))]
                late = begin - a if begin else -np.inf
            found.append((au, rise, late))
    return np.array(found)


def told(found: np.ndarray) -> dict[str, float]:
    """Numbers of some events. found: (E, 3), as of `paired`."""
    _, rise, late = found.T
    size = np.abs(late[np.isfinite(late)])
    return {
        "events": len(late),
        "rise": np.median(rise),
        "missed": np.isnan(late).mean(),
        "on_at_first": np.isinf(late).mean(),
        "mean": size.mean(),
        "median": np.median(size),
        "within": (size <= NEAR).mean(),
        "early": (late[np.isfinite(late)] < -NEAR).mean(),
        "late": (late[np.isfinite(late)] > NEAR).mean(),
        "far": (size > FAR).mean(),
        "error_of_far": size[size > FAR].sum() / max(size.sum(), 1),
    }


def rows_of(reading: Reading, valid: list[Clip], test: list[Clip], aus: tuple[int, ...]) -> list[dict[str, Any]]:
    """All events with both kinds of thresholds; with those of frames also by speed and by action unit."""
    tuned, logits = ([reading(clip)[0] for clip in clips] for clips in (valid, test))
    of_frames = frame_thresholds(tuned, valid)
    rows = []
    for name, threshold in (("frames", of_frames), ("onsets", onset_thresholds(tuned, valid, of_frames))):
        found = paired(logits, test, threshold)
        onset_f1 = near_f1(near_counts(logits, test, threshold).sum(1))
        rows.append({"thresholds": name, "part": "all"} | told(found) | {"onset_f1": onset_f1})
        if name == "onsets":
            continue
        third = np.searchsorted(np.quantile(found[:, 1], [1 / 3, 2 / 3]), found[:, 1])
        parts = {speed: third == k for k, speed in enumerate(SPEEDS)}
        parts |= {au_label(au): found[:, 0] == k for k, au in enumerate(aus)}
        rows += [{"thresholds": name, "part": part} | told(found[of]) for part, of in parts.items() if of.any()]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("valid", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        detector = Detector()
        valid, test = (read_folders(folders, detector) for folders in (options.valid, options.test))
        rows = [
            {"reading": name} | row
            for name in READINGS
            for row in rows_of(ARITHMETIC[name], valid, test, tuple(detector.aus))
        ]
        write(RESULTS / "over_time_onsets.csv", rows, clips=len(test))
    except UserError as problem:
        print(f"onset_errors: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
