"""Which rows make a step: functions of seed and step alone, so that a resumed run sees the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionunits.errors import UserError


class Sampler:
    """Batches of row numbers. Every epoch is a fresh shuffle; its last incomplete batch is dropped.

    rows: how many rows the data has. weight: (rows,) how often each row shall appear per epoch, on average;
    1 for every row when None. A weight of 2.3 gives two or three appearances, three with probability 0.3.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, weight: np.ndarray | None = None) -> None:
        if weight is not None and len(weight) != rows:
            raise ValueError(f"{len(weight)} weights for {rows} rows")
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.weight = None if weight is None else np.asarray(weight, np.float64)
        # Systematic sampling keeps the number of draws within one of the sum of the weights: every epoch has
        # the same number of steps.
        self.draws = rows if self.weight is None else int(np.floor(self.weight.sum() + 1e-9))
        self.steps_per_epoch = self.draws // batch_size
        if self.steps_per_epoch == 0:
            raise UserError(f"{self.draws} training frames do not fill one batch of {batch_size}")
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch in the order of use, (draws,)."""
        if epoch != self._epoch:
            generator = np.random.default_rng((self.seed, epoch))
            if self.weight is None:
                rows = np.arange(self.rows)
            else:
                # A comb with a random offset over the weights laid end to end; its spacing is 1, or a little
                # more so that whole teeth fill the length.
                edges = np.cumsum(self.weight)
                comb = (np.arange(self.draws) + generator.random()) * (edges[-1] / self.draws)
                rows = np.searchsorted(edges, comb, side="right")
                rows = np.minimum(rows, self.rows - 1)
            self._order, self._epoch = generator.permutation(rows), epoch
        return self._order

    def batch_indices(self, step: int) -> np.ndarray:
        """Row numbers of the batch of a step, counted from 0 over all epochs, (batch_size,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        return self.order(epoch)[start : start + self.batch_size]


def even_rows(rows: int, count: int) -> np.ndarray:
    """`count` row numbers spread evenly over `rows`, ascending: a quick look at a large set."""
    return np.unique(np.linspace(0, rows - 1, min(count, rows)).round().astype(np.int64))


def even_clips(clip: np.ndarray, count: int) -> np.ndarray:
    """About `count` row numbers: whole clips that are spread evenly over all, ascending; at least one clip."""
    numbers = np.unique(clip)
    wanted = max(1, round(len(numbers) * count / len(clip)))
    return np.flatnonzero(np.isin(clip, numbers[even_rows(len(numbers), wanted)]))


def rows_of_people(subject: np.ndarray, share: tuple[float, float], seed: int) -> np.ndarray:
    """Row numbers of a part of the people, ascending; none where the part is less than half a person.

    subject: (N,) number of each row's person. share: where the part begins and ends among the people, in an order
    that the seed shuffles: parts that do not overlap share nobody.
    """
    people = np.random.default_rng(seed).permutation(np.unique(subject))
    begin, end = (round(part * len(people)) for part in share)
    return np.flatnonzero(np.isin(subject, people[begin:end]))


def rank_slice(indices: np.ndarray, rank: int, world_size: int) -> np.ndarray:
    """The part of a batch that one of several processes takes; the parts make up the whole batch."""
    return indices[rank::world_size]


def rows_of_clips(clip: np.ndarray, frame: np.ndarray, clips: Sequence[int]) -> list[np.ndarray]:
    """Row numbers of each of the clips in frame order, for sequences and for plots."""
    result = []
    for number in clips:
        rows = np.flatnonzero(clip == number)
        result.append(rows[np.argsort(frame[rows], kind="stable")])
    return result
