"""Sequences and pairs of frames of one video, as row numbers: functions of seed, epoch and step alone.

Sources: Chu, De la Torre and Cohn, "Learning spatial and temporal cues for multi-label facial action unit detection",
FG 2017, section IV-B (sub-sequences); Li, Zeng, Shan and Chen, "Self-supervised representation learning from videos
for facial action unit detection" (TCAE), CVPR 2019, section 4.1 (pairs).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.sampling.rows import rows_of_clips
from actionunits.errors import UserError
from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.pose import POSE_POINTS

if TYPE_CHECKING:
    import pandas as pd

SUB_SEQUENCES = 10  # per video
SUB_SEQUENCE_FRAMES = 1300
LEAST_ACTIVE = 1.5  # active AUs per frame
# Of the 68 landmarks:
UPPER_POINTS = (*range(17, 27), 37, 38, 40, 41, 43, 44, 46, 47)  # brows and lids
LOWER_POINTS = (*range(5, 12), *range(48, 68))  # chin and mouth
ALL_POINTS = tuple(range(68))
LEAST_POINTS = 8  # from which a pose is fitted; it has eight numbers
MOVING_PAIR_CHOICE = 16  # pairs drawn for each that is chosen by its landmarks
# How much more the way of the other one counts against a pair than that of the face, or of the head, counts for it.
# Heads move more of a picture; and landmarks that are found shake, which looks like a moving face.
OTHER_COSTS = {"face": 6.0, "head": 2.0}
CONTEXT_FRAMES = 10  # at the start of a sequence, "as they carried insufficient temporal context"


def refuse_mixed_people(frames: pd.DataFrame, sequence: str, path: Path) -> None:
    """Raises UserError where a sequence holds frames of several people: its anchor would be somebody else's face.

    frames: with the column `subject`, and `sequence`, the column that tells sequences apart; path: of the table.
    """
    pairs = frames[[sequence, "subject"]].drop_duplicates()
    mixed = pairs[sequence].duplicated(keep=False)
    if mixed.any():
        name = pairs[sequence][mixed].iloc[0]
        people = ", ".join(map(str, pairs["subject"][pairs[sequence] == name]))
        raise UserError(f"{path}: {name} holds frames of {people}; a sequence is of one person, divide it")


def active_aus(au_present: np.ndarray, au_present_valid: np.ndarray) -> float:
    """Mean number of AUs known to be present over the frames with any known label; 0 where there is none."""
    frames = au_present_valid.any(1).sum()
    return float(((au_present > 0) & au_present_valid).sum() / max(frames, 1))


def sub_sequences(
    sequence: np.ndarray,
    place: np.ndarray,
    au_present: np.ndarray,
    au_present_valid: np.ndarray,
    seed: int,
    epoch: int = 0,
    count: int = SUB_SEQUENCES,
    length: int = SUB_SEQUENCE_FRAMES,
    least_active: float = LEAST_ACTIVE,
) -> list[np.ndarray]:
    """Random stretches of sequences, row numbers in order of time: `count` of `length` rows from each sequence.

    A sequence of `length` rows or fewer comes once, whole. Stretches with fewer than `least_active` active AUs per
    frame (see `active_aus`) are left out: most frames show few AUs, and an LSTM trained on them learns to say no.
    What a sequence gives depends on seed, epoch and its number alone. sequence: (N,) the number of each row's
    sequence, a clip's or a person's; place: (N,) where in it the row is; labels: (N, A). Raises UserError where no
    stretch is left.
    """
    found = []
    for number in np.unique(sequence):
        (rows,) = rows_of_clips(sequence, place, [number])
        if len(rows) <= length:
            starts = np.zeros(1, np.int64)
        else:
            generator = np.random.default_rng((seed, epoch, int(number)))
            starts = generator.integers(len(rows) - length + 1, size=count)
        for start in starts:
            stretch = rows[start : start + length]
            if active_aus(au_present[stretch], au_present_valid[stretch]) >= least_active:
                found.append(stretch)
    if not found:
        raise UserError(
            f"no stretch of the training clips has {least_active:g} active action units per frame; ask for fewer"
        )
    return found


def pad_sequences(sequences: Sequence[np.ndarray], context: int = CONTEXT_FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of one batch at equal length: row numbers (B, T), and which of them count in the loss (B, T) bool.

    Shorter sequences repeat their last row. Neither these nor the first `context` frames count.
    """
    longest = max(map(len, sequences))
    rows = np.stack([np.pad(sequence, (0, longest - len(sequence)), mode="edge") for sequence in sequences])
    position = np.arange(longest)
    counts = (position >= context) & (position < np.array([len(sequence) for sequence in sequences])[:, None])
    return rows, counts


def single_frame_clips(data: CropData) -> list[str]:
    """Names of the clips that have one frame, which makes no pair."""
    return [Path(data.clips[k]).stem for k in np.flatnonzero(np.bincount(data.clip) == 1)]


class PairSampler:
    """Batches of two different frames of one track: a random person, one of their videos, one of its tracks.

    levels: (N,) numbers of each row from coarse to fine, for instance subject, video and track; a number need only be
    unique within its parent. Every choice is uniform, so that long videos and much-filmed people do not rule. Tracks
    of one frame are left out. An epoch shows as many frames as the data has. Raises UserError where no track is left
    or the pairs do not fill a batch.
    """

    def __init__(self, levels: Sequence[np.ndarray], batch_size: int, seed: int) -> None:
        track = np.unique(np.stack(levels, -1), axis=0, return_inverse=True)[1].reshape(-1)
        usable = np.flatnonzero(np.bincount(track)[track] >= 2)
        if not len(usable):
            raise UserError("no track has two frames; pairs need two or more of each")
        keys = np.stack([np.asarray(level)[usable] for level in levels], -1)
        order = np.lexsort(keys.T[::-1])
        self._rows = usable[order]
        self._first, self._children = _tree(keys[order])
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = len(usable) // (2 * batch_size)
        if self.steps_per_epoch == 0:
            raise UserError(f"{len(usable)} training frames do not fill one batch of {batch_size} pairs")

    def batch_indices(self, step: int) -> np.ndarray:
        """Row numbers of the pairs of a step, counted from 0 over all epochs, (batch_size, 2)."""
        generator = np.random.default_rng((self.seed, step))
        node = np.zeros(self.batch_size, np.int64)
        for first, children in zip(self._first[:-1], self._children[:-1], strict=True):
            node = first[node] + generator.integers(children[node])
        first, frames = self._first[-1][node], self._children[-1][node]
        one = generator.integers(frames)
        other = (one + 1 + generator.integers(frames - 1)) % frames
        return self._rows[first[:, None] + np.stack([one, other], -1)]


class MovingPairSampler:
    """Batches of pairs whose faces move on heads that hardly do, then of heads that turn with faces that hardly move.

    The landmarks of each frame are those of a rigid head (`of_rigid_head`) and what its face adds. Of sixteen times
    as many pairs those are taken whose faces move most beyond their heads: a pair's rank is the mean way that the
    face moves `UPPER_POINTS`, less six times the way that the head moves them; in the other half of the chosen ones,
    `LOWER_POINTS`. Mouths move farther than brows: by all points together, few pairs would show a brow. For heads,
    all points count, and the way of the face twice. landmarks: (N, 68, 2) of registered crops, NaN where unknown; a
    pair without known ones comes last. faces, heads: shares of a batch; the rest are any pairs. Otherwise as
    `PairSampler`.
    """

    def __init__(
        self,
        levels: Sequence[np.ndarray],
        batch_size: int,
        seed: int,
        landmarks: np.ndarray,
        faces: float,
        heads: float,
    ) -> None:
        self._pairs = PairSampler(levels, batch_size, seed)
        head = of_rigid_head(landmarks)
        self._moved = {"head": head, "face": landmarks - head}
        self._faces = round(faces * batch_size)
        self._heads = round(heads * batch_size)
        self.steps_per_epoch = self._pairs.steps_per_epoch

    def batch_indices(self, step: int) -> np.ndarray:
        """Row numbers of the pairs of a step, counted from 0 over all epochs, (batch_size, 2)."""
        # One batch more: the pairs that are not chosen come from it.
        chosen = self._faces + self._heads
        draws = 1 + -(-MOVING_PAIR_CHOICE * chosen // self._pairs.batch_size)
        rest, *pool = [self._pairs.batch_indices(draws * step + k) for k in range(draws)]
        upper = self._faces // 2
        counts = (upper, self._faces - upper, self._heads)
        candidates = np.split(np.concatenate(pool), MOVING_PAIR_CHOICE * np.cumsum(counts))
        kinds = (("face", UPPER_POINTS), ("face", LOWER_POINTS), ("head", ALL_POINTS))
        best = [
            self._best(some, *kind, count) for some, kind, count in zip(candidates[:3], kinds, counts, strict=True)
        ]
        return np.concatenate([*best, rest[chosen:]])

    def _best(self, pool: np.ndarray, moving: str, points: tuple[int, ...], count: int) -> np.ndarray:
        def way(of: np.ndarray) -> np.ndarray:
            first, second = (of[pool[:, k]][:, points] for k in (0, 1))
            return np.nanmean(np.linalg.norm(first - second, axis=-1), axis=1)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice"
            (other,) = self._moved.keys() - {moving}
            rank = way(self._moved[moving]) - OTHER_COSTS[moving] * way(self._moved[other])
        rank = np.nan_to_num(rank, nan=-np.inf)
        return pool[np.argsort(-rank, kind="stable")[:count]]


def of_rigid_head(landmarks: np.ndarray) -> np.ndarray:
    """Where landmarks (N, 68, 2) would be if no face moved: those of the mean head, as each frame's pose shows it.

    The pose is the affine map from the mean head's places that is nearest to the known ones of `POSE_POINTS`. NaN
    where fewer than `LEAST_POINTS` of these are known.
    """
    head = np.concatenate([MEAN_LANDMARKS_MM, np.ones((len(MEAN_LANDMARKS_MM), 1))], 1)
    points = np.array(POSE_POINTS)
    known = np.isfinite(landmarks[:, points]).all(-1)
    found = np.full(landmarks.shape, np.nan)
    for which in np.unique(known, axis=0):
        if which.sum() >= LEAST_POINTS:
            rows, used = (known == which).all(1), points[which]
            found[rows] = head @ (np.linalg.pinv(head[used]) @ landmarks[np.ix_(rows, used)])
    return found


def _tree(keys: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """First child and number of children of every node, level by level from the root; the last children are rows.

    keys: (N, levels), in lexical order.
    """
    starts = [np.zeros(1, np.int64)]  # first row of each node
    for depth in range(1, keys.shape[1] + 1):
        change = (keys[1:, :depth] != keys[:-1, :depth]).any(1)
        starts.append(np.concatenate([[0], np.flatnonzero(change) + 1]))
    starts.append(np.arange(len(keys)))
    first = [np.searchsorted(below, here) for here, below in pairwise(starts)]
    total = [len(below) for below in starts[1:]]
    return first, [np.diff(np.append(at, count)) for at, count in zip(first, total, strict=True)]
