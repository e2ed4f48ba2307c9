"""Event-based F1: how well stretches of an action unit are found, not how many frames.

Ding, Chu, De la Torre, Cohn & Wang, "Facial action unit event detection by cascade of tasks", ICCV 2013.

An event is an unbroken run of frames in which an AU is present (a true event) or detected (a detected event).
At an overlap threshold t, 0-1, a true event is found when at least the share t of its frames is detected, and
a detected event is right when the AU is present in at least the share t of its frames:

    ER(t) = found true events / true events,  EP(t) = right detected events / detected events,
    F1-event(t) = 2 ER EP / (ER + EP),

and 0 / 0 counts as 0, as for F1 over frames. The single number is the area under F1-event(t) for t from 0 to 1,
by trapezoids over steps of 0.01, as in the public port of the authors' evaluation code (AU R-CNN's repository);
at t = 0 every event counts.

Conventions that the paper leaves open:

- An event never goes over the end of a clip.
- An unknown frame ends an event, true or detected, and belongs to none: whatever happened in it, the frames
  before and after are judged as events of their own. Both sides are cut at the same place, so that a detection
  which is right before and after the gap costs nothing. Cutting the unknown frames out instead would glue
  together events that lie far apart.
- A frame that the data does not hold (a lost track, say) is an unknown frame.
- Of data that holds each n-th frame, rows n frames apart follow each other: n is the smallest distance of two
  frames of a clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

STEPS = 100  # overlap thresholds 0, 1 / STEPS, ... 1


@dataclass(frozen=True)
class Timeline:
    """Order in which rows follow each other in time."""

    order: np.ndarray  # (N,) row numbers, clip by clip and then frame by frame
    starts: np.ndarray  # (N,) bool, of the ordered rows: not the successor of the row before

    @classmethod
    def of(cls, clip: np.ndarray, frame: np.ndarray) -> Timeline | None:
        """Timeline of rows with a clip number and a frame number each, (N,).

        None where there is no time to speak of: no clip has two rows, or a clip has one frame twice.
        """
        clip, frame = np.asarray(clip), np.asarray(frame)
        order = np.lexsort((frame, clip))
        same_clip = np.diff(clip[order]) == 0
        distance = np.diff(frame[order].astype(np.int64))
        if not same_clip.any() or (distance[same_clip] == 0).any():
            return None
        follows = same_clip & (distance == distance[same_clip].min())
        return cls(order, np.concatenate([[True], ~follows]))


def segments(active: np.ndarray, known: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unbroken runs of known and active rows: first row, row after the last, and column, (E,) each.

    active, known: (N, A) bool, rows in time order; starts: (N,) bool, rows that do not follow the row before.
    Runs come column by column, in time order.
    """
    begins, ends = edges((active & known).T, starts)
    column, first = np.nonzero(begins)
    _, last = np.nonzero(ends)
    return first, last + 1, column


def edges(on: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where an unbroken run begins, and where it ends, (A, N) bool each.

    on: (A, N) bool, a column's rows in time order, so that a run is contiguous in memory; starts: see `segments`.
    """
    before = np.zeros_like(on)
    before[:, 1:] = on[:, :-1] & ~starts[1:]
    after = np.zeros_like(on)
    after[:, :-1] = on[:, 1:] & ~starts[1:]
    return on & ~before, on & ~after


def overlap_levels(first: np.ndarray, stop: np.ndarray, column: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How much of every run the other side covers, in steps: the largest k with share >= k / STEPS, (E,) int64.

    In whole numbers, so that a share of exactly 29% reaches the threshold 0.29. other: (N, A) bool, known and active.
    """
    covered = np.zeros((other.shape[1], other.shape[0] + 1), np.int64)
    np.cumsum(other.T, axis=1, out=covered[:, 1:])
    return STEPS * (covered[column, stop] - covered[column, first]) // (stop - first)


@dataclass(frozen=True)
class EventCounts:
    """Numbers of events per AU, or per owner and AU; counts of different people or folds may be added."""

    found: np.ndarray  # (..., A, STEPS + 1) true events found at each threshold; [..., 0] is all of them
    right: np.ndarray  # (..., A, STEPS + 1) detected events that are right; [..., 0] is all of them

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(self.found + other.found, self.right + other.right)


def _at_least(level: np.ndarray, column: np.ndarray, aus: int) -> np.ndarray:
    """Number of runs that reach each level, (A, STEPS + 1)."""
    size = STEPS + 1
    histogram = np.bincount(column * size + level, minlength=aus * size).reshape(aus, size)
    return histogram[:, ::-1].cumsum(1)[:, ::-1]


def count_events(
    au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray, timeline: Timeline
) -> EventCounts:
    """True events found and detected events that are right, at every threshold. Arrays: (N, A)."""
    each = count_events_of_each(au_present, au_detected, valid, timeline, np.zeros(len(timeline.order), np.int64), 1)
    return EventCounts(each.found[0], each.right[0])


def count_events_of_each(
    au_present: np.ndarray,
    au_detected: np.ndarray,
    valid: np.ndarray,
    timeline: Timeline,
    owner: np.ndarray,
    owners: int,
) -> EventCounts:
    """`count_events` for every owner of clips, (S, A, STEPS + 1) each. owner: (N,) of the rows, numbers below S."""
    known = np.asarray(valid, bool)[timeline.order]
    present = (np.asarray(au_present)[timeline.order] > 0) & known
    detected = (np.asarray(au_detected)[timeline.order] > 0) & known
    if present.shape != detected.shape or present.shape != known.shape:
        raise ValueError(f"arrays (N, A) of one shape needed, not {present.shape}, {detected.shape}, {known.shape}")
    of_row, aus = owner[timeline.order], known.shape[1]
    levels = []
    for own, other in ((present, detected), (detected, present)):
        first, stop, column = segments(own, known, timeline.starts)
        place = of_row[first] * aus + column
        counts = _at_least(overlap_levels(first, stop, column, other), place, owners * aus)
        levels.append(counts.reshape(owners, aus, STEPS + 1))
    return EventCounts(*levels)


def f1_event_curve(counts: EventCounts) -> np.ndarray:
    """F1-event at the thresholds 0, 1 / STEPS, ... 1, (..., A, STEPS + 1)."""
    recall = counts.found / np.maximum(counts.found[..., :1], 1)
    precision = counts.right / np.maximum(counts.right[..., :1], 1)
    total = recall + precision
    return np.divide(2 * recall * precision, total, out=np.zeros_like(total), where=total > 0)


def f1_event(
    au_present: np.ndarray, au_detected: np.ndarray, valid: np.ndarray, timeline: Timeline | None
) -> np.ndarray:
    """Area under the F1-event curve per AU, (A,); NaN without any known label and without a timeline.

    au_present, au_detected, valid: (N, A).
    """
    known = np.asarray(valid, bool).any(0)
    if timeline is None:
        return np.full(np.shape(known), np.nan)
    curve = f1_event_curve(count_events(au_present, au_detected, valid, timeline))
    return np.where(known, trapezoid(curve) / STEPS, np.nan)
