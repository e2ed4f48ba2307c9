"""Fits the single-action weights of synth/expressions.py to their target rates; run by hand, prints them."""

import dataclasses

import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.synth.expressions import REPERTOIRES
from actionunits.synth.motion import sample_motion
from actionunits.synth.trajectories import HEAD_STYLES

CLIPS = ((64, 25.0), (12, 3.0), (200, 25.0))
SMALLEST_WEIGHT = 0.01


def measured_rate(look: str, rates: str, clips: int, seed: int) -> np.ndarray:
    """Share of frames with intensity 1 or more (A,), mean over the clip lengths."""
    shares = []
    for frames, fps in CLIPS:
        rng = np.random.default_rng(seed)
        active = [sample_motion(rng, look, frames, fps, rates).au_intensity >= 1.0 for _ in range(clips)]
        shares.append(np.concatenate(active).mean(0))
    return np.mean(shares, axis=0)


def fit(key: str, rounds: int = 14, clips: int = 700) -> None:
    look, rates = (key, "published") if key in HEAD_STYLES else ("studio", key)
    target = np.array(list(REPERTOIRES[key].target_rate.values()))
    for i in range(rounds):
        weight = np.array(list(REPERTOIRES[key].single_weight.values()))
        rate = measured_rate(look, rates, clips, seed=i)
        print(key, i, "largest error", np.abs(rate - target).max().round(3), flush=True)
        # The part that expressions and speech contribute stays; only the rest answers to the weight.
        weight = np.clip(weight + 1.3 * (target - rate) * (0.9 if i < 6 else 0.4), SMALLEST_WEIGHT, 2.0)
        fitted = dict(zip(SYNTH_AUS, weight.round(3).tolist(), strict=True))
        REPERTOIRES[key] = dataclasses.replace(REPERTOIRES[key], single_weight=fitted)
    print(list(REPERTOIRES[key].single_weight.values()))


if __name__ == "__main__":
    for key in REPERTOIRES:
        fit(key)
