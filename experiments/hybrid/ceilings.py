"""How much any reading over time could gain: the default detector's errors in clips, taken apart with the labels.

    python experiments/hybrid/ceilings.py --train out/clips/w7? --valid out/clips/valid out/clips/valid-calm \
        --test out/clips/test out/clips/test-worse out/clips/calm

What the log-odds are at an intensity, on average, is a rising curve of each action unit, from the training clips. The
error of a frame is its distance from that curve. One part of it is the same in all frames of a person, one changes
over more than a second, and one from frame to frame. Each is taken off in turn, as only the labels allow. Writes
results/over_time_ceilings.csv, and the shares of the parts to results/over_time_errors.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from clips import Clip, parser_of, read_clips, read_folders
from correct import RESULTS, Reading, judged, mean_of, write
from scipy.ndimage import uniform_filter1d
from sklearn.isotonic import IsotonicRegression

from actionunits.detection.detector import Detector
from actionunits.errors import UserError

SLOW_FRAMES = 25  # a second: what a mean over so many frames keeps of an error is its slow part
AT_REST, FEWEST_AT_REST = 0.25, 5  # intensity, and frames of it that show how an action unit reads at rest
ErrorOf = Callable[[Clip], np.ndarray]


def error_curves(clips: list[Clip]) -> ErrorOf:
    """The error of a clip's log-odds, (T, A), by the curves of these clips."""
    logit, strength = (np.concatenate([getattr(clip, name) for clip in clips]) for name in ("logit", "strength"))
    curves = [IsotonicRegression(out_of_bounds="clip").fit(x, y) for x, y in zip(strength.T, logit.T, strict=True)]
    return lambda clip: (
        clip.logit - np.stack([curve.predict(x) for curve, x in zip(curves, clip.strength.T, strict=True)], 1)
    )


def parts_of(error: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is the same in all frames (1, A), what changes slowly and what changes fast (T, A), of an error (T, A)."""
    same = error.mean(0, keepdims=True)
    slow = uniform_filter1d(error, SLOW_FRAMES, axis=0, mode="nearest") - same
    return same, slow, error - same - slow


def at_rest(error: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Mean error of the frames that do not show an action unit, (1, A); 0 where there are hardly any."""
    resting = strength < AT_REST
    count = resting.sum(0, keepdims=True)
    total = (error * resting).sum(0, keepdims=True)
    return np.where(count < FEWEST_AT_REST, 0.0, total / np.maximum(count, 1))


def without(clip: Clip, part: Callable[[Clip], np.ndarray], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds without a part of their error, averaged over so many frames around each, and intensities."""
    return mean_of(clip.logit - part(clip), frames), clip.intensity


def readings_of(error: ErrorOf) -> dict[str, Reading]:
    """The clips as they are, and with parts of the error taken off."""

    def nothing(clip: Clip) -> np.ndarray:
        return np.zeros_like(clip.logit)

    def resting(clip: Clip) -> np.ndarray:
        return at_rest(error(clip), clip.strength)

    def same(clip: Clip) -> np.ndarray:
        return parts_of(error(clip))[0]

    def fast(clip: Clip) -> np.ndarray:
        return parts_of(error(clip))[2]

    def changing(clip: Clip) -> np.ndarray:
        return error(clip) - same(clip)

    over_time = {
        f"{what}, mean of {frames} frames" if frames > 1 else what: partial(without, part=part, frames=frames)
        for what, part in {
            "as they are": nothing,
            "how each person reads at rest": resting,
            "each person's mean error": same,
        }.items()
        for frames in (1, 7, 13)
    }
    return over_time | {
        "what changes from frame to frame": partial(without, part=fast, frames=1),
        "all but each person's mean error": partial(without, part=changing, frames=1),
    }


def shares(error: ErrorOf, clips: list[Clip]) -> dict[str, float]:
    """Shares of the parts in the mean square of the error, and its root, means over AUs."""
    errors = [error(clip) for clip in clips]
    total = np.mean(np.concatenate(errors) ** 2, 0)
    found: dict[str, float] = {"error": float(np.sqrt(total).mean())}
    for k, name in enumerate(("same", "slow", "fast")):
        part = np.concatenate([np.broadcast_to(parts_of(e)[k], e.shape) for e in errors])
        found[name] = float((np.mean(part**2, 0) / total).mean())
    return found


def main() -> int:
    parser = parser_of(__doc__)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        detector = Detector()
        shown = read_folders(options.train, detector)
        valid = read_folders(options.valid, detector)
        error = error_curves(shown)
        rows: list[dict[str, Any]] = []
        parts: list[dict[str, Any]] = []
        for folder in options.test:
            test = read_clips(folder, detector)
            parts.append({"test": folder.name, "people": len(test)} | shares(error, test))
            for name, reading in readings_of(error).items():
                found = judged(reading, valid, test)
                rows.append({"test": folder.name, "people": len(test), "taken_off": name} | found)
                print(folder.name, name, *(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
        write(RESULTS / "over_time_ceilings.csv", rows)
        write(RESULTS / "over_time_errors.csv", parts)
    except UserError as problem:
        print(f"ceilings: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
