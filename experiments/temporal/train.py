"""The network behind `--temporal`: trained on what the default detector reads in clips of renders.

    for seed in 71 72 73 74 75; do actionunits synth --facekit DIR --assets ASSETS --look wild --begin anywhere \
        --rates balanced --size 112 --subjects 60 --clips 1 --frames 80 --seed $seed --out out/clips/w$seed; done
    actionunits synth ... --subjects 16 --seed 63 --out out/clips/valid
    actionunits synth ... --subjects 24 --frames 160 --seed 62 --out out/clips/test
    python experiments/temporal/train.py --train out/clips/w7? --valid out/clips/valid --test out/clips/test

Clips begin anywhere, so that nothing tells where a person rests. Each is shown at its own frame rate, at half and at
a third of it; with an offset of its own for every action unit, as of a person whom the detector reads too high or too
low; with noise, and with stretches of more noise, as of a blurred or a covered face. Writes the weights (--out),
and results/temporal.csv: the frame reader, what arithmetic makes of it, and the network, with three seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from clips import Clip, read_clips
from safetensors.numpy import save_file
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX
from actionunits.detection.detector import Detector
from actionunits.detection.temporal import TemporalNet, features_of
from actionunits.errors import UserError
from actionunits.evaluation.over_time import WINDOW, average, lowest_so_far
from actionunits.files import write_atomically
from actionunits.runtime.provenance import source_commit
from actionunits.scores import bootstrap, events, metrics
from actionunits.scores.resting import above_rest
from actionunits.weights.checkpoint_file import FORMAT_VERSION, METADATA_KEY, digest

RESULTS = Path(__file__).parents[2] / "results" / "temporal.csv"
CELLS, NAMES = 24, 6
STEPS, BATCH, WINDOW_FRAMES = 2500, 24, 64
LR, WEIGHT_DECAY, DROPOUT = 3e-3, 1e-3, 0.2
OFFSET_SD, NOISE_SD = 0.4, (0.05, 0.6)  # in standard deviations of the feature
BURST_SHARE, BURST_FRAMES, BURST_SD = 0.3, (5, 25), 1.5
DROPOUT_OF_FRAMES = 0.1  # share of the frames that the detector did not see
THIRD = (1, 2, 3)  # each n-th frame


class Corrector(nn.Module):
    """`detection.temporal.TemporalNet` for training."""

    mean: Tensor
    scale: Tensor

    def __init__(self, said: np.ndarray) -> None:
        """said: (N, A, 2) of all training frames."""
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(said.mean(0)))
        self.register_buffer("scale", torch.from_numpy(said.std(0)))
        self.names = nn.Parameter(torch.randn(said.shape[1], NAMES))
        self.gru = nn.GRU(4 + NAMES, CELLS)
        self.dropout = nn.Dropout(DROPOUT)
        self.weight_out = nn.Parameter(torch.zeros(2, CELLS))
        self.bias_out = nn.Parameter(torch.zeros(said.shape[1], 2))

    def forward(self, said: Tensor) -> Tensor:
        """Corrections of what is said, (B, T, A, 2) both."""
        batch, frames, aus, _ = said.shape
        own = (said - self.mean) / self.scale
        features = torch.cat(
            [own, own.mean(2, keepdim=True).expand_as(own), self.names.expand(batch, frames, -1, -1)], -1
        )
        hidden, _ = self.gru(features.transpose(0, 1).reshape(frames, batch * aus, -1))
        moves = self.dropout(hidden) @ self.weight_out.T
        return moves.view(frames, batch, aus, 2).transpose(0, 1) + self.bias_out

    def net(self) -> TemporalNet:
        """The same weights for detection."""
        g = self.gru
        tensors = [self.mean, self.scale, self.names, g.weight_ih_l0, g.weight_hh_l0, g.bias_ih_l0, g.bias_hh_l0]
        return TemporalNet(*(t.detach().numpy() for t in (*tensors, self.weight_out, self.bias_out)))


def drawn_batch(clips: list[Clip], scale: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What is said, (B, T, A, 2), and labels of presence and intensity (B, T, A), of stretches of random clips."""
    found = []
    for number in rng.integers(len(clips), size=BATCH):
        clip, every = clips[number], int(rng.choice(THIRD))
        rows = np.arange(rng.integers(every), len(clip.logit), every)
        rows = rows[rng.random(len(rows)) > DROPOUT_OF_FRAMES * rng.random()]
        start = rng.integers(max(len(rows) - WINDOW_FRAMES, 0) + 1)
        rows = rows[start : start + WINDOW_FRAMES]
        said = disturbed(features_of(clip.logit[rows], clip.intensity[rows]), scale, rng)
        # A stretch that is too short goes on as it ends.
        longer = np.minimum(np.arange(WINDOW_FRAMES), len(rows) - 1)
        found.append((said[longer], clip.present[rows[longer]], clip.strength[rows[longer]]))
    said, present, strength = (torch.from_numpy(np.stack(values)).float() for values in zip(*found, strict=True))
    return said, present, strength


def disturbed(said: np.ndarray, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is said (T, A, 2) of a person whom the detector reads off, in worse pictures."""
    frames, aus, _ = said.shape
    # Presence and intensity of an action unit are read off together.
    offset = OFFSET_SD * rng.random() * rng.standard_normal((aus, 1))
    noise = np.full((frames, 1, 1), rng.uniform(*NOISE_SD) * (rng.random() < 0.5))
    if rng.random() < BURST_SHARE:
        begin, length = rng.integers(frames), rng.integers(*BURST_FRAMES)
        noise[begin : begin + length] += BURST_SD * rng.random()
    return (said + scale * (offset + noise * rng.standard_normal(said.shape))).astype(np.float32)


def fitted(clips: list[Clip], seed: int) -> Corrector:
    """The network, trained on these clips."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    everything = np.concatenate([features_of(clip.logit, clip.intensity) for clip in clips])
    model = Corrector(everything)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, STEPS)
    for _ in range(STEPS):
        said, present, strength = drawn_batch(clips, model.scale.numpy(), rng)
        logit, activation = (said + model(said)).unbind(-1)
        intensity = INTENSITY_MAX * torch.sigmoid(activation)
        loss = F.binary_cross_entropy_with_logits(logit, present) + F.smooth_l1_loss(intensity, strength)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        # On the whole nothing is raised or lowered: thresholds that hold on real faces stay where they are.
        moves = np.concatenate([corrected(model, clip)[2] for clip in clips])
        model.bias_out -= torch.from_numpy(moves.mean(0))
    return model


def corrected(model: Corrector, clip: Clip) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds and intensities (T, A) of a clip with the network, and its corrections (T, A, 2)."""
    said = torch.from_numpy(features_of(clip.logit, clip.intensity))
    with torch.no_grad():
        moves = model(said[None])[0]
    logit, activation = (said + moves).unbind(-1)
    return logit.numpy(), (INTENSITY_MAX * torch.sigmoid(activation)).numpy(), moves.numpy()


# What each reading makes of the log-odds and intensities of a clip, (T, A) each.
Reading = Callable[[Clip], tuple[np.ndarray, np.ndarray]]


def smoothed(clip: Clip) -> Clip:
    """The clip with a moving average over its outputs."""
    return Clip(average(clip.logit), average(clip.intensity), clip.present, clip.strength)


def from_lowest(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Outputs above the lowest so far."""
    return clip.logit - lowest_so_far(clip.logit), above_rest(clip.intensity, lowest_so_far(clip.intensity))


ARITHMETIC: dict[str, Reading] = {
    "frame by frame": lambda clip: (clip.logit, clip.intensity),
    f"mean of {WINDOW} frames": lambda clip: (smoothed(clip).logit, smoothed(clip).intensity),
    "above the lowest so far": from_lowest,
    "both": lambda clip: from_lowest(smoothed(clip)),
}


def judged(reading: Reading, valid: list[Clip], test: list[Clip]) -> dict[str, float]:
    """Mean scores over AUs on the test clips, with 95% intervals over people; thresholds are the validation clips'."""
    tuned, told = ([reading(clip) for clip in clips] for clips in (valid, test))
    present = np.concatenate([clip.present for clip in valid]).astype(np.uint8)
    known = np.ones(present.shape, bool)
    threshold = metrics.best_f1_threshold(present, np.concatenate([logit for logit, _ in tuned]), known)
    present, strength = (np.concatenate([getattr(c, name) for c in test]) for name in ("present", "strength"))
    logit, intensity = (np.concatenate(values) for values in zip(*told, strict=True))
    known, present = np.ones(present.shape, bool), present.astype(np.uint8)
    owner = np.repeat(np.arange(len(test)), [len(clip.logit) for clip in test])
    timeline = events.Timeline.of(owner, np.concatenate([np.arange(len(clip.logit)) for clip in test]))
    assert timeline is not None
    detected = logit >= np.nan_to_num(threshold, nan=np.inf)
    found = {
        "auc": metrics.mean_over_aus(metrics.auc(present, logit, known)),
        "f1": metrics.mean_over_aus(metrics.f1(present, detected, known)),
        "f1_event": metrics.mean_over_aus(events.f1_event(present, detected, known, timeline)),
    }
    if np.isfinite(intensity).all():
        found["icc"] = metrics.mean_over_aus(metrics.icc_3_1(strength, intensity, known))
    draws = bootstrap.draw_subjects(len(test), bootstrap.REPLICATES, 0)
    low, high = bootstrap.interval_of_mean(bootstrap.auc(draws, owner, present, logit, known))
    return found | {"auc_low": low, "auc_high": high}


def save(path: Path, model: Corrector, detector: Detector, clips: list[Clip], seed: int) -> None:
    """Write the network with the header of a checkpoint."""
    tensors = {name: value.astype(np.float32) for name, value in vars(model.net()).items()}
    header = {
        "format": FORMAT_VERSION,
        "model": "temporal",
        "config": {"cells": CELLS},
        "aus": list(detector.aus),
        "data": {"reader_sha256": detector.header["sha256"], "training_clips": len(clips)},
        "seed": seed,
        "commit": source_commit(),
    }
    header["sha256"] = digest(header, tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        save_file(tensors, partial, {METADATA_KEY: json.dumps(header)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--valid", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, help="weights to write, of the first seed")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        detector = Detector()
        train, valid = (
            [c for f in folders for c in read_clips(f, detector)] for folders in (options.train, options.valid)
        )
        models = {f"network, seed {seed}": fitted(train, seed) for seed in range(options.seeds)}
        readings = dict(ARITHMETIC)
        readings |= {name: lambda clip, model=model: corrected(model, clip)[:2] for name, model in models.items()}
        rows = []
        for folder in options.test:
            test = read_clips(folder, detector)
            for name, reading in readings.items():
                rows.append(
                    {"test": folder.name, "people": len(test), "reading": name} | judged(reading, valid, test)
                )
                print(
                    *(f"{key} {value:.3f}" if isinstance(value, float) else value for key, value in rows[-1].items())
                )
        with write_atomically(RESULTS) as partial:
            table = pd.DataFrame(rows).assign(training_clips=len(train), commit=source_commit())
            table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")
        if options.out is not None:
            save(options.out, next(iter(models.values())), detector, train, 0)
    except UserError as error:
        print(f"temporal: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
