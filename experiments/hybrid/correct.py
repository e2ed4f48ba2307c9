"""Can a small network that looks back over the default detector's outputs make them better?

    python experiments/hybrid/correct.py --train out/clips/w7? --valid out/clips/valid out/clips/valid-calm \
        --test out/clips/test out/clips/test-worse out/clips/calm --real CLIPS

`time.sh` renders the clips. One gated recurrent unit serves all action units, so that it learns what outputs do over
time and not what a face looks like. It is told which action unit it follows, and corrects log-odds and intensities.
In training a clip is shown at its own frame rate, at half and at a third of it, with an offset for every action unit,
with noise, and with stretches of more noise. Writes results/over_time.csv: the detector, what arithmetic makes of its
outputs, and the network with three seeds; and results/over_time_real.csv: how well all of these follow MediaPipe's
blendshapes on real clips, and how much they flicker.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from clips import Clip, parser_of, read_clips, read_folders
from scipy.ndimage import uniform_filter1d
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX, au_label
from actionunits.detection.calibration import logit_of
from actionunits.detection.detector import Detector
from actionunits.errors import UserError
from actionunits.evaluation.blendshapes import agreement, read_blendshapes
from actionunits.evaluation.over_time import WINDOW, average, lowest_so_far
from actionunits.files import write_atomically
from actionunits.models.resnet18.loss import concordance_loss
from actionunits.runtime.provenance import source_commit
from actionunits.scores import bootstrap, events, metrics
from actionunits.scores.resting import above_rest

RESULTS = Path(__file__).parents[2] / "results"
CELLS, NAMES = 24, 6
STEPS, BATCH, WINDOW_FRAMES = 1200, 24, 64
LR, WEIGHT_DECAY, DROPOUT = 3e-3, 1e-3, 0.2
CHANGE_WEIGHT = 3.0  # of the loss of changes from frame to frame
LARGEST = 8.0  # log-odds beyond this are as good as certain
OFFSET_SD, NOISE_SD = 0.2, (0.05, 0.6)  # in standard deviations of the feature
BURST_SHARE, BURST_FRAMES, BURST_SD = 0.3, (5, 25), 1.5
DROPOUT_OF_FRAMES = 0.1  # share of the frames that the detector did not see
EACH = (1, 2, 3)  # n-th frame is shown
TRAILING_FRAMES = 2.0  # time constant of the exponential mean: 0.08 s at 25 frames per second


def said_of(clip: Clip) -> np.ndarray:
    """What the detector says, as log-odds of presence and of intensity, (T, A, 2)."""
    said = np.stack([clip.logit, logit_of(clip.intensity / INTENSITY_MAX)], -1)
    return np.clip(said, -LARGEST, LARGEST).astype(np.float32)


class Corrector(nn.Module):
    """Corrections of what is said of each AU, from that, from what is said of all, and from earlier frames."""

    mean: Tensor
    scale: Tensor

    def __init__(self, said: np.ndarray, ahead: int = 0, both: bool = False, from_usual: bool = False) -> None:
        """said: (N, A, 2) of all training frames. ahead: frames that are seen before one is told. both: all later
        frames are seen first. from_usual: it also reads how far all is from the person's mean so far."""
        super().__init__()
        self.ahead, self.from_usual = ahead, from_usual
        self.register_buffer("mean", torch.from_numpy(said.mean(0)))
        self.register_buffer("scale", torch.from_numpy(said.std(0)))
        self.names = nn.Parameter(torch.randn(said.shape[1], NAMES))
        self.gru = nn.GRU(4 + 2 * from_usual + NAMES, CELLS, bidirectional=both)
        self.dropout = nn.Dropout(DROPOUT)
        self.weight_out = nn.Parameter(torch.zeros(2, (1 + both) * CELLS))
        self.bias_out = nn.Parameter(torch.zeros(said.shape[1], 2))

    def forward(self, said: Tensor, followed: Tensor | None = None) -> Tensor:
        """Corrections of what is said (B, T, A, 2), of the same shape.

        followed: positions of the AUs that are corrected; all of them unless given.
        """
        # A clip goes on as it ends, until its last frame is told.
        seen = torch.cat([said, said[:, -1:].expand(-1, self.ahead, -1, -1)], 1)
        own, names, bias = (seen - self.mean) / self.scale, self.names, self.bias_out
        everybody = own.mean(2, keepdim=True)
        if followed is not None:
            own, names, bias = own[:, :, followed], names[followed], bias[followed]
        batch, frames, aus, _ = own.shape
        features = [own, everybody.expand_as(own), names.expand(batch, frames, -1, -1)]
        if self.from_usual:
            features.append(own - own.cumsum(1) / torch.arange(1, frames + 1)[:, None, None])
        hidden, _ = self.gru(torch.cat(features, -1).transpose(0, 1).reshape(frames, batch * aus, -1))
        moves = self.dropout(hidden[self.ahead :]) @ self.weight_out.T
        return moves.view(frames - self.ahead, batch, aus, 2).transpose(0, 1) + bias


def drawn_batch(
    clips: list[Clip], scale: np.ndarray, rng: np.random.Generator, size: int = BATCH
) -> tuple[Tensor, Tensor, Tensor]:
    """What is said, (B, T, A, 2), and labels of presence and intensity (B, T, A), of stretches of random clips."""
    found = []
    for number in rng.integers(len(clips), size=size):
        clip, every = clips[number], int(rng.choice(EACH))
        rows = np.arange(rng.integers(every), len(clip.logit), every)
        rows = rows[rng.random(len(rows)) > DROPOUT_OF_FRAMES * rng.random()]
        start = rng.integers(max(len(rows) - WINDOW_FRAMES, 0) + 1)
        rows = rows[start : start + WINDOW_FRAMES]
        said = disturbed(said_of(clip)[rows], scale, rng)
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


def fitted(
    clips: list[Clip],
    seed: int,
    steps: int = STEPS,
    batch: int = BATCH,
    followed: int | None = None,
    **forms: Any,
) -> Corrector:
    """The network, trained on these clips. followed: so many AUs, drawn at random, are corrected in each step.

    forms: of the network.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = Corrector(np.concatenate([said_of(clip) for clip in clips]), **forms)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, steps)
    aus = clips[0].logit.shape[1]
    for _ in range(steps):
        said, present, strength = drawn_batch(clips, model.scale.numpy(), rng, batch)
        chosen = torch.arange(aus) if followed is None else torch.from_numpy(rng.permutation(aus)[:followed])
        logit, activation = (said[:, :, chosen] + model(said, chosen)).unbind(-1)
        intensity = INTENSITY_MAX * torch.sigmoid(activation)
        loss = losses(logit, intensity, present[:, :, chosen], strength[:, :, chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def losses(logit: Tensor, intensity: Tensor, present: Tensor, strength: Tensor) -> Tensor:
    """The detector's own losses, and that of changes of the probability which the label does not make. (B, T, A)."""
    change = torch.sigmoid(logit).diff(dim=1) - present.diff(dim=1)
    told, label = intensity.flatten(0, 1), strength.flatten(0, 1)
    known = torch.ones_like(label, dtype=torch.bool)
    return (
        F.binary_cross_entropy_with_logits(logit, present)
        + F.smooth_l1_loss(intensity, strength)
        + concordance_loss(told, label, known)
        + CHANGE_WEIGHT * change.abs().mean()
    )


def corrected(model: Corrector, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds and intensities (T, A) of a clip with the network."""
    said = torch.from_numpy(said_of(clip))
    with torch.no_grad():
        logit, activation = (said + model(said[None])[0]).unbind(-1)
    return logit.numpy(), (INTENSITY_MAX * torch.sigmoid(activation)).numpy()


# What each reading makes of the log-odds and intensities of a clip, (T, A) each.
Reading = Callable[[Clip], tuple[np.ndarray, np.ndarray]]


def smoothed(clip: Clip) -> Clip:
    """The clip with a moving average over its outputs."""
    return Clip(average(clip.logit), average(clip.intensity), clip.present, clip.strength)


def mean_of(values: np.ndarray, frames: int, ahead: int | None = None) -> np.ndarray:
    """Mean over so many frames at each, (T, A), of which `ahead` are still to come; half of them unless given."""
    earlier = 0 if ahead is None else frames // 2 - ahead
    return uniform_filter1d(values, frames, axis=0, mode="nearest", origin=earlier)


def from_lowest(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Outputs above the lowest so far."""
    return clip.logit - lowest_so_far(clip.logit), above_rest(clip.intensity, lowest_so_far(clip.intensity))


def trailing(values: np.ndarray) -> np.ndarray:
    """Exponential mean of what has been so far, as of `detect --smooth`."""
    told, kept = np.empty_like(values), np.exp(-1 / TRAILING_FRAMES)
    for k, value in enumerate(values):
        told[k] = value if k == 0 else kept * told[k - 1] + (1 - kept) * value
    return told


ARITHMETIC: dict[str, Reading] = {
    "frame by frame": lambda clip: (clip.logit, clip.intensity),
    f"mean of {WINDOW} frames": lambda clip: (smoothed(clip).logit, smoothed(clip).intensity),
    "exponential mean": lambda clip: (trailing(clip.logit), trailing(clip.intensity)),
    "above the lowest so far": from_lowest,
    f"above the lowest mean of {WINDOW}": lambda clip: from_lowest(smoothed(clip)),
}


def frame_thresholds(logits: list[np.ndarray], clips: list[Clip]) -> np.ndarray:
    """Thresholds (A,) with the best F1 of frames on these clips, whose log-odds are given; infinite without any."""
    present = np.concatenate([clip.present for clip in clips]).astype(np.uint8)
    best = metrics.best_f1_threshold(present, np.concatenate(logits), np.ones(present.shape, bool))
    return np.nan_to_num(best, nan=np.inf)


def judged(reading: Reading, valid: list[Clip], test: list[Clip]) -> dict[str, float]:
    """Mean scores over AUs on the test clips, with 95% intervals over people.

    Thresholds are those of the validation clips.
    """
    tuned, told = ([reading(clip) for clip in clips] for clips in (valid, test))
    threshold = frame_thresholds([logit for logit, _ in tuned], valid)
    present, strength = (np.concatenate([getattr(c, name) for c in test]) for name in ("present", "strength"))
    logit, intensity = (np.concatenate(values) for values in zip(*told, strict=True))
    known, present = np.ones(present.shape, bool), present.astype(np.uint8)
    owner = np.repeat(np.arange(len(test)), [len(clip.logit) for clip in test])
    timeline = events.Timeline.of(owner, np.concatenate([np.arange(len(clip.logit)) for clip in test]))
    assert timeline is not None
    detected = logit >= threshold
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


def gain(told: list[Clip], before: list[Clip]) -> dict[str, float]:
    """AUC of some clips above that of the same clips before, with a 95% interval over people."""
    draws = bootstrap.draw_subjects(len(told), bootstrap.REPLICATES, 0)
    owner = np.repeat(np.arange(len(told)), [len(clip.present) for clip in told])
    present = np.concatenate([clip.present for clip in told]).astype(np.uint8)
    known = np.ones(present.shape, bool)
    logits = [np.concatenate([clip.logit for clip in clips]) for clips in (told, before)]
    after, earlier = (metrics.mean_over_aus(metrics.auc(present, logit, known)) for logit in logits)
    drawn = [bootstrap.auc(draws, owner, present, logit, known) for logit in logits]
    low, high = bootstrap.interval_of_mean(drawn[0] - drawn[1])
    return {"gain": after - earlier, "gain_low": low, "gain_high": high}


def on_real_clip(path: Path, detector: Detector, readings: dict[str, Reading]) -> list[dict[str, Any]]:
    """How intensities of the person who is seen most follow blendshapes, and how much they change between frames."""
    found = [
        (face.face_id, said) for r in detector.stream(path) for face, said in zip(r.faces, r.predictions, strict=True)
    ]
    person = Counter(face_id for face_id, _ in found).most_common(1)[0][0]
    table = detector.detect(path, landmarks=False).table
    table = table[table["face_id"] == person].reset_index(drop=True)
    said = [prediction for face_id, prediction in found if face_id == person]
    logit, intensity = logit_of(np.stack([p.au_prob for p in said])), np.stack([p.au_intensity for p in said])
    nothing = np.zeros(logit.shape)
    clip = Clip(logit.astype(np.float32), intensity, nothing > 0, nothing)
    shapes, rows = read_blendshapes(path), []
    for name, reading in readings.items():
        told = reading(clip)[1]
        columns = {f"{au_label(au)}_r": told[:, k] for k, au in enumerate(detector.aus)}
        agreed = agreement(table.assign(**columns), shapes)
        flicker = float(np.abs(np.diff(told, axis=0)).mean())
        moving = agreed[agreed["varies"]]
        rows.append(
            {"clip": path.stem, "reading": name, "aus": len(moving), "r": moving["r"].median(), "flicker": flicker}
        )
    return rows


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--real", type=Path, help="folder of real clips")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        detector = Detector()
        shown = read_folders(options.train, detector)
        valid = read_folders(options.valid, detector)
        readings = dict(ARITHMETIC)
        for seed in range(options.seeds):
            readings[f"network, seed {seed}"] = partial(corrected, fitted(shown, seed))
        rows = []
        for folder in options.test:
            test = read_clips(folder, detector)
            for name, reading in readings.items():
                found = judged(reading, valid, test)
                rows.append({"test": folder.name, "people": len(test), "reading": name} | found)
                print(folder.name, name, *(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
        write(RESULTS / "over_time.csv", rows, training_clips=len(shown))
        if options.real is not None:
            clips = sorted(options.real.glob("*.mp4"))
            real = [row for path in clips for row in on_real_clip(path, detector, readings)]
            write(RESULTS / "over_time_real.csv", real)
    except UserError as error:
        print(f"correct: {error}", file=sys.stderr)
        return 2
    return 0


def write(path: Path, rows: list[dict[str, Any]], **same: Any) -> None:
    """A table of results; same: columns that all rows share."""
    with write_atomically(path) as partial_file:
        table = pd.DataFrame(rows).assign(**same, commit=source_commit())
        table.to_csv(partial_file, index=False, float_format="%.4f", lineterminator="\n")


if __name__ == "__main__":
    sys.exit(main())
