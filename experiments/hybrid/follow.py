"""A small network that corrects means of what a frame reader says, from filters that see so many frames ahead.

At each frame and for each action unit it reads: what is said in that frame, in those before and in those ahead; the
mean that it corrects; exponential means; how the person has read so far, low, on average and high; and the mean over
all action units. Two layers serve all action units, and are told which one they follow. Corrections start at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from clips import Clip
from correct import disturbed, losses, mean_of, said_of
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX

ALL = -1  # frames ahead: all that follow
MEAN_FRAMES = {0: 5, 3: 7, 6: 13, ALL: 13}  # that are best on the validation clips, by the frames ahead
EARLIER = 3  # frames before each one that are read themselves
FRAMES = (1.5, 3.0, 6.0, 12.0, 25.0)  # time constants of the exponential means, of log-odds
STRONG_FRAMES, COMMON_FRAMES = (2.0, 8.0), (6.0, 25.0)  # those of intensity, and of the mean over action units
STEADY_FRAMES, LONGEST = 2.0, 500  # levels are of a mean; a person's frames that count, at most
LEVELS = (0.1, 0.5, 0.9)  # expectiles: low, mean, high
UNITS, NAMES, DROPOUT = 32, 6, 0.1
STEPS, STRETCHES, STRETCH_FRAMES = 600, 32, 20
LR, WEIGHT_DECAY = 4e-3, 1e-3
COPIES, SKIPS = 3, (1, 1, 2, 3)  # of each training clip, of which each n-th frame is shown
LOST = 0.1  # share of the frames that are lost, at most


def exponential(values: np.ndarray, frames: tuple[float, ...]) -> np.ndarray:
    """Exponential means of values (B, T, A) that begin at the first one, (B, T, A, len(frames))."""
    keep = np.exp(-1 / np.array(frames))
    level = np.repeat(values[:, 0, :, None], len(frames), -1)
    told = np.empty((*values.shape, len(frames)), np.float32)
    for t in range(values.shape[1]):
        level = keep * level + (1 - keep) * values[:, t, :, None]
        told[:, t] = level
    return told


def levels(values: np.ndarray) -> np.ndarray:
    """Expectiles of what has been so far, followed step by step, (B, T, A, len(LEVELS)). values: (B, T, A)."""
    share = np.array(LEVELS)
    level = np.repeat(values[:, 0, :, None], len(LEVELS), -1)
    told = np.empty((*values.shape, len(LEVELS)), np.float32)
    for t in range(values.shape[1]):
        above = values[:, t, :, None] - level
        weight = 2 * np.where(above > 0, share, 1 - share) / min(t + 1, LONGEST)
        level = level + np.minimum(weight, 1) * above
        told[:, t] = level
    return told


def features_of(said: np.ndarray, ahead: int, person: bool) -> np.ndarray:
    """What the network reads, (B, T, A, D), of outputs in standard deviations, (B, T, A, 2).

    The first two are the means that are corrected. person: it reads how the person has read so far.
    """
    frames, future = said.shape[1], MEAN_FRAMES[ALL] // 2 if ahead == ALL else ahead
    longer = np.concatenate([said, np.repeat(said[:, -1:], future, 1)], 1)
    odds, common = longer[..., 0], longer[..., 0].mean(2, keepdims=True)
    now = slice(future, None)  # a frame is told when these have been seen
    padded = np.concatenate([np.repeat(odds[:, :1], EARLIER, 1), odds], 1)
    near = np.stack([padded[:, k : k + frames] for k in range(EARLIER + 1 + future)], -1)
    so_far = levels(exponential(odds, (STEADY_FRAMES,))[..., 0])[:, now]
    seen = np.log(np.arange(1, frames + 1, dtype=np.float32))[:, None, None]
    if ahead == ALL:
        so_far, seen = np.broadcast_to(so_far[:, -1:], so_far.shape), np.full_like(seen, seen[-1, 0, 0])
    read = [
        base_of(said, ahead),
        said,
        near,
        exponential(odds, FRAMES)[:, now],
        exponential(longer[..., 1], STRONG_FRAMES)[:, now],
        np.broadcast_to(said.mean(2, keepdims=True), said.shape),
        np.broadcast_to(exponential(common, COMMON_FRAMES)[:, now], (*said.shape[:3], len(COMMON_FRAMES))),
    ]
    if person:
        read += [so_far, np.broadcast_to(seen / 3 - 1, (*said.shape[:3], 1))]
    if ahead == ALL:
        read.append(exponential(odds[:, ::-1], FRAMES)[:, ::-1][:, :frames])
    return np.concatenate(read, -1).astype(np.float32)


def base_of(said: np.ndarray, ahead: int) -> np.ndarray:
    """The means that are corrected, (B, T, A, 2)."""
    count = MEAN_FRAMES[ahead]
    return np.stack([mean_of(clip, count, min(ahead, count // 2) if ahead >= 0 else None) for clip in said])


class Follower(nn.Module):
    """Corrections of means, from features."""

    mean: Tensor
    scale: Tensor

    def __init__(self, said: np.ndarray, features: int) -> None:
        """said: (N, A, 2) of all training frames."""
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(said.mean(0)))
        self.register_buffer("scale", torch.from_numpy(said.std(0)))
        aus = said.shape[1]
        self.names = nn.Parameter(torch.randn(aus, NAMES) / 2)
        self.first, self.second = nn.Linear(features + NAMES, UNITS), nn.Linear(UNITS, UNITS)
        self.direct, self.output = nn.Linear(features, 2, bias=False), nn.Linear(UNITS, 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(aus, 2))
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.zeros_(self.direct.weight)
        nn.init.zeros_(self.output.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds of presence and of intensity, (B, T, A, 2), of features (B, T, A, D)."""
        named = torch.cat([features, self.names.expand(*features.shape[:2], -1, -1)], -1)
        hidden = F.relu(self.second(self.dropout(F.relu(self.first(named)))))
        moves = self.output(self.dropout(hidden)) + self.direct(features) + self.bias
        return features[..., :2] * self.scale + self.mean + moves


@dataclass(frozen=True)
class Shown:
    """A training clip as it is shown: features (T, A, D), and labels (T, A)."""

    features: Tensor
    present: Tensor
    strength: Tensor


def shown(clips: list[Clip], ahead: int, person: bool, rng: np.random.Generator) -> list[Shown]:
    """Copies of clips at other frame rates, with frames lost, and of people who are read off in worse pictures."""
    said = np.concatenate([said_of(clip) for clip in clips])
    mean, scale = said.mean(0), said.std(0)
    made = []
    for clip in clips * COPIES:
        every = int(rng.choice(SKIPS))
        rows = np.arange(rng.integers(every), len(clip.logit), every)
        rows = rows[rng.random(len(rows)) > LOST * rng.random()]
        features = features_of(((disturbed(said_of(clip)[rows], scale, rng) - mean) / scale)[None], ahead, person)[0]
        labels = (torch.from_numpy(values[rows]).float() for values in (clip.present, clip.strength))
        made.append(Shown(torch.from_numpy(features), *labels))
    return [each for each in made if len(each.features) >= STRETCH_FRAMES]


def fitted(clips: list[Clip], made: list[Shown], seed: int) -> Follower:
    """The network, trained on stretches of these copies of clips."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = Follower(np.concatenate([said_of(clip) for clip in clips]), made[0].features.shape[-1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, STEPS)
    for _ in range(STEPS):
        parts = []
        for number in rng.integers(len(made), size=STRETCHES):
            begin = rng.integers(len(made[number].features) - STRETCH_FRAMES + 1)
            stretch = slice(begin, begin + STRETCH_FRAMES)
            parts.append([values[stretch] for values in vars(made[number]).values()])
        features, present, strength = (torch.stack(values) for values in zip(*parts, strict=True))
        logit, activation = model(features).unbind(-1)
        loss = losses(logit, INTENSITY_MAX * torch.sigmoid(activation), present, strength)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def followed(model: Follower, ahead: int, person: bool, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds and intensities (T, A) of a clip with the network."""
    said = (said_of(clip) - model.mean.numpy()) / model.scale.numpy()
    with torch.no_grad():
        logit, activation = model(torch.from_numpy(features_of(said[None], ahead, person)))[0].unbind(-1)
    return logit.numpy(), (INTENSITY_MAX * torch.sigmoid(activation)).numpy()
