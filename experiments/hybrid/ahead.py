"""Small networks over the default detector's outputs beside means that see as many frames ahead.

    python experiments/hybrid/ahead.py --train out/clips/w7? --valid out/clips/valid out/clips/valid-calm \
        --test out/clips/test out/clips/test-worse out/clips/calm

A mean of seven frames around each sees three of them ahead. Networks are given as much here. That of `follow.py`
corrects such a mean. That of `correct.py` says of a frame what counts once it has seen the frames that follow; it
learns in fewer steps than there, in each step from some action units only, and once. The best mean of each look-ahead
is that with the best sum of AUC and F1-event on the validation clips; "gain" is AUC above it, with 95% intervals over
people, and "event_gain" F1-event. Writes results/over_time_ahead.csv, where what is there already is not done again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from clips import Clip, parser_of, read_clips, read_folders
from correct import ARITHMETIC, RESULTS, Reading, corrected, gain, judged, mean_of, write
from correct import fitted as fitted_recurrent
from follow import ALL, fitted, followed, shown

from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.evaluation.over_time import lowest_so_far

TABLE = RESULTS / "over_time_ahead.csv"
AHEAD = (0, 3, 6, ALL)
WITHOUT_PERSON = 3  # the look-ahead at which the network is tried without what the person has shown
STEPS, BATCH, FOLLOWED = 800, 16, 6  # of the recurrent network


def mean_reading(frames: int, ahead: int) -> Reading:
    """A mean over so many frames, of which `ahead` are still to come."""
    return lambda clip: (mean_of(clip.logit, frames, ahead), mean_of(clip.intensity, frames, ahead))


def lowest_reading(frames: int, ahead: int) -> Reading:
    """Log-odds above the lowest mean so far."""

    def read(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
        logit, intensity = mean_reading(frames, ahead)(clip)
        return logit - lowest_so_far(logit), intensity - lowest_so_far(intensity)

    return read


# By the frames that they see ahead.
MEANS: dict[int, dict[str, Reading]] = {
    0: {
        "frame by frame": ARITHMETIC["frame by frame"],
        "exponential mean": ARITHMETIC["exponential mean"],
        **{f"mean of the last {n} frames": mean_reading(n, 0) for n in (3, 5, 7)},
    },
    3: {f"mean of {n} frames": mean_reading(n, 3) for n in (7, 9, 11)},
    6: {f"mean of {n} frames": mean_reading(n, 6) for n in (13, 15, 17)},
}
LOWEST: dict[int, dict[str, Reading]] = {
    0: {"above the lowest so far": lowest_reading(1, 0), "above the lowest mean of the last 7": lowest_reading(7, 0)},
    3: {"above the lowest mean of 7": lowest_reading(7, 3)},
}
# Forms, by the frames ahead.
RECURRENT: dict[int, dict[str, Any]] = {0: {}, 3: {"ahead": 3}, 6: {"ahead": 6}, ALL: {"both": True}}


def best_mean(ahead: int, valid: list[Clip]) -> tuple[str, Reading]:
    """That of the means of a look-ahead, by the validation clips; of the widest look-ahead where all is seen."""
    found = MEANS[max(MEANS) if ahead == ALL else ahead]
    scores = {name: judged(reading, valid, valid) for name, reading in found.items()}
    name = max(scores, key=lambda each: scores[each]["auc"] + scores[each]["f1_event"])
    return name, found[name]


def compared(
    reading: Reading, mean: Reading, mean_event: float, valid: list[Clip], test: list[Clip]
) -> dict[str, Any]:
    """Scores of a reading, and what it gains above a mean, whose F1-event is known."""
    found = judged(reading, valid, test)
    after, before = ([Clip(*each(c), c.present, c.strength) for c in test] for each in (reading, mean))
    return found | gain(after, before) | {"event_gain": found["f1_event"] - mean_event}


class Table:
    """Rows of the results, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = pd.read_csv(path).to_dict("records") if path.is_file() else []

    def holds(self, name: str, ahead: int, seed: int, training_clips: int) -> bool:
        """Whether a reading has been judged."""
        keys = ("reading", "ahead", "seed", "training_clips")
        return any(tuple(row[key] for key in keys) == (name, ahead, seed, training_clips) for row in self.rows)

    def add(self, rows: list[dict[str, Any]]) -> None:
        self.rows += rows
        write(self.path, self.rows)
        for row in rows:
            print(*(f"{k} {v:.3f}" if isinstance(v, float) else v for k, v in row.items()), flush=True)


Judge = Callable[[str, int, int, Reading], None]


def add_networks(table: Table, clips: list[Clip], ahead: int, person: bool, seeds: int, judge: Judge) -> None:
    """Train and judge the networks of a look-ahead that correct its mean, as far as they are not in the table."""
    name = "network" if person else "network that is not told how the person reads"
    left = [seed for seed in range(seeds) if not table.holds(name, ahead, seed, len(clips))]
    if left:
        made = shown(clips, ahead, person, np.random.default_rng(0))
    for seed in left:
        judge(name, ahead, seed, partial(followed, fitted(clips, made, seed), ahead, person))


def add_recurrent(table: Table, clips: list[Clip], ahead: int, judge: Judge) -> None:
    """Train and judge the recurrent network, once."""
    name = "recurrent network"
    if not table.holds(name, ahead, 0, len(clips)):
        model = fitted_recurrent(clips, 0, STEPS, BATCH, FOLLOWED, **RECURRENT[ahead])
        judge(name, ahead, 0, partial(corrected, model))


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="learn from each n-th training clip")
    parser.add_argument("--ahead", type=int, nargs="+", default=AHEAD, help="frames; -1: all that follow")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        detector = Detector()
        clips = read_folders(options.train, detector)[:: options.every]
        valid = read_folders(options.valid, detector)
        sets = {"valid": valid} | {folder.name: read_clips(folder, detector) for folder in options.test}
        table = Table(TABLE)
        best = {ahead: best_mean(ahead, valid) for ahead in options.ahead}

        @cache
        def mean_event(ahead: int, test: str) -> float:
            return judged(best[ahead][1], valid, sets[test])["f1_event"]

        def judge(name: str, ahead: int, seed: int, reading: Reading, learned: int = len(clips)) -> None:
            about = {"reading": name, "ahead": ahead, "seed": seed, "training_clips": learned}
            about["best_mean"] = best[ahead][0]
            rows = []
            for test, said in sets.items():
                found = compared(reading, best[ahead][1], mean_event(ahead, test), valid, said)
                rows.append({"test": test, "people": len(said)} | about | found)
            table.add(rows)

        for ahead in options.ahead:
            for name, reading in (MEANS.get(ahead, {}) | LOWEST.get(ahead, {})).items():
                if not table.holds(name, ahead, -1, 0):
                    judge(name, ahead, -1, reading, 0)
            add_networks(table, clips, ahead, True, options.seeds, judge)
        for ahead in options.ahead:
            add_recurrent(table, clips, ahead, judge)
        if WITHOUT_PERSON in options.ahead:
            add_networks(table, clips, WITHOUT_PERSON, False, options.seeds, judge)
    except UserError as error:
        print(f"ahead: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
