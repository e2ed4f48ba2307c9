"""When events begin and end: how far the first and last frames of detected events are from those of the true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionunits.evaluation.predictions import FramePredictions
from actionunits.scores.events import edges, segments


@dataclass(frozen=True)
class Boundaries:
    """True events and the detected event that shares most frames with each. E true events, D detected ones."""

    column: np.ndarray  # (E,) int, position of the AU
    owner: np.ndarray  # (E,) int, position in `subjects`
    found: np.ndarray  # (E,) bool: any frame of it is detected
    onset: np.ndarray  # (E,) frames that the detected event begins late; NaN where not found or not seen to begin
    offset: np.ndarray  # (E,) frames that it ends late; likewise
    detected: np.ndarray  # (D,) int, position of the AU
    subjects: tuple[str, ...]
    commit: str  # of the source tree that gave the outputs


def boundaries(frames: FramePredictions) -> Boundaries | None:
    """Boundaries of all events of a test set; None where its rows are not of videos.

    An event that is there in the first frame of a stretch of known labels, or in the last, is not seen to begin or to
    end: it has no error there. Likewise a detected event, whose error would be cut off.
    """
    timeline = frames.timeline()
    if timeline is None:
        return None
    order, starts = timeline.order, timeline.starts
    known = frames.au_present_valid[order]
    present, detected = frames.au_present[order] & known, frames.au_detected[order] & known
    first, stop, column = segments(present, known, starts)
    d_first, d_stop, d_column = segments(detected, known, starts)
    fresh, last = edges(known.T, starts)
    onset, offset = np.full(len(first), np.nan), np.full(len(first), np.nan)
    found = np.zeros(len(first), bool)
    for k, (a, b, au) in enumerate(zip(first, stop, column, strict=True)):
        shared = np.minimum(d_stop, b) - np.maximum(d_first, a)
        shared[d_column != au] = 0
        if not len(shared) or shared.max() <= 0:
            continue
        best = int(np.argmax(shared))
        found[k] = True
        if not fresh[au, a] and not fresh[au, d_first[best]]:
            onset[k] = d_first[best] - a
        if not last[au, b - 1] and not last[au, d_stop[best] - 1]:
            offset[k] = d_stop[best] - b
    number, commit = frames.subject.number[order], str(frames.about.get("commit", ""))
    return Boundaries(column, number[first], found, onset, offset, d_column, frames.subject.names, commit)
