"""Movements of head, camera and eyes in continuous time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class HeadStyle:
    """How heads move in a look: pitch, yaw, roll in degrees; x, y as fractions of the frame, log-scale."""

    pose_mean_sd: tuple[float, float, float]
    pose_drift_sd: tuple[float, float, float]
    pose_limit: tuple[float, float, float]
    gesture_per_s: float  # nods and shakes
    gesture_deg: tuple[float, float]  # smallest and largest amplitude
    position_mean_sd: tuple[float, float, float]
    position_drift_sd: tuple[float, float, float]
    shake_chance: float  # of a hand-held camera
    gaze_sd_deg: tuple[float, float]  # yaw, pitch of what is looked at


HEAD_STYLES: dict[str, HeadStyle] = {
    "studio": HeadStyle(
        pose_mean_sd=(3.5, 4.0, 2.0),
        pose_drift_sd=(2.0, 2.5, 1.2),
        pose_limit=(15.0, 18.0, 9.0),
        gesture_per_s=0.06,
        gesture_deg=(1.0, 4.0),
        position_mean_sd=(0.015, 0.015, 0.03),
        position_drift_sd=(0.008, 0.006, 0.012),
        shake_chance=0.0,
        gaze_sd_deg=(7.0, 5.0),
    ),
    "wild": HeadStyle(
        pose_mean_sd=(9.0, 18.0, 7.5),
        pose_drift_sd=(5.0, 8.0, 3.5),
        pose_limit=(25.0, 42.0, 20.0),
        gesture_per_s=0.15,
        gesture_deg=(2.0, 7.5),
        position_mean_sd=(0.05, 0.04, 0.12),
        position_drift_sd=(0.02, 0.015, 0.05),
        shake_chance=0.5,
        gaze_sd_deg=(12.0, 7.0),
    ),
}

GAZE_LIMIT_DEG = (32.0, 22.0)


def ease(progress: np.ndarray) -> np.ndarray:
    """Minimum-jerk rise from 0 to 1 (Flash & Hogan, J. Neuroscience 5, 1985) of progress clipped to 0-1.

    >>> ease(np.array([-1.0, 0.5, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.clip(progress, 0.0, 1.0)
    return x * x * x * (10.0 + x * (6.0 * x - 15.0))


def soft_limit(values: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Values bent smoothly into ±limit; nearly unchanged below half of it."""
    ratio = values / limit
    return limit * ratio / (1.0 + ratio**4) ** 0.25


def band_noise(
    rng: np.random.Generator, time_s: np.ndarray, sd: tuple[float, ...], low_hz: float, high_hz: float
) -> np.ndarray:
    """Smooth noise (T, len(sd)) with the given standard deviations: six sines, the slower the stronger."""
    shape = (6, len(sd))
    hertz = low_hz * (high_hz / low_hz) ** rng.random(shape)
    phase = rng.uniform(0.0, 2.0 * np.pi, shape)
    amplitude = rng.uniform(0.5, 1.5, shape) / np.sqrt(hertz)
    amplitude *= np.sqrt(2.0) * np.array(sd) / np.sqrt((amplitude**2).sum(0))
    return (amplitude * np.sin(2.0 * np.pi * hertz * time_s[:, None, None] + phase)).sum(1)


def from_rest(noise: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """The noise, eased in so that it starts at zero: what remains of its first value fades within seconds."""
    return noise - noise[:1] * np.exp(-((time_s / 1.5) ** 2))[:, None]


def head_pose(rng: np.random.Generator, style: HeadStyle, time_s: np.ndarray) -> np.ndarray:
    """Pitch, yaw, roll (T, 3) in degrees: a mean for the clip, slow drift, now and then a nod or a shake."""
    limit = np.array(style.pose_limit)
    mean = rng.standard_normal(3) * style.pose_mean_sd
    pose = mean + from_rest(band_noise(rng, time_s, style.pose_drift_sd, 0.06, 0.6), time_s)
    span_s = float(time_s[-1])
    for _ in range(rng.poisson(style.gesture_per_s * span_s)):
        axis = int(rng.choice(3, p=(0.55, 0.35, 0.1)))
        cycles, hertz = rng.integers(1, 4), rng.uniform(1.0, 2.2)
        start, size = rng.uniform(0.0, span_s), rng.uniform(*style.gesture_deg) * rng.choice((-1.0, 1.0))
        x = np.clip((time_s - start) * hertz / cycles, 0.0, 1.0)
        pose[:, axis] += size * np.sin(2.0 * np.pi * cycles * x) * np.sin(np.pi * x) ** 2
    return soft_limit(pose, limit)


def head_position(rng: np.random.Generator, style: HeadStyle, time_s: np.ndarray) -> np.ndarray:
    """Place in the frame (T, 3): x, y as fractions of the frame from its centre, logarithm of the scale."""
    mean = np.clip(rng.standard_normal(3), -2.0, 2.0) * style.position_mean_sd
    position = mean + from_rest(band_noise(rng, time_s, style.position_drift_sd, 0.05, 0.4), time_s)
    hand_held = rng.random() < style.shake_chance
    amount = rng.uniform(0.001, 0.004) if hand_held else 0.0
    return position + band_noise(rng, time_s, (amount, amount, amount), 1.5, 7.0)


def gaze(rng: np.random.Generator, style: HeadStyle, time_s: np.ndarray, pose_deg: np.ndarray) -> np.ndarray:
    """Yaw and pitch (T, 2) of the eyes in the head, degrees; starts close to the camera.

    Fixations of 0.25-2 s are joined by saccades that last 21 ms + 2.2 ms per degree (Carpenter, Movements of
    the Eyes, 1988); some fixations follow something that moves. The eyes take back 70-100% of the head's
    rotation.
    """
    span_s = float(time_s[-1])
    count = int(span_s / 0.25) + 2
    sd = np.array(style.gaze_sd_deg)
    length = np.clip(rng.lognormal(np.log(0.7), 0.6, count), 0.25, 2.0)
    start = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    to_camera = rng.random(count) < 0.4
    target = rng.standard_normal((count, 2)) * np.where(to_camera[:, None], 1.5, sd)
    target[0] = 1.0 * rng.standard_normal(2)
    velocity = rng.standard_normal((count, 2)) * 8.0 * (rng.random(count) < 0.2)[:, None]
    velocity[0] = 0.0
    compensation = rng.uniform(0.7, 1.0)
    final = target + velocity * length[:, None]
    begin = np.concatenate([target[:1], final[:-1]])
    size = np.linalg.norm(target - begin, axis=1)
    since = time_s[:, None] - start
    step = ease(since / (0.021 + 0.0022 * size))
    follow = np.clip(since, 0.0, length)
    world = target[0] + step @ (target - begin) + follow @ velocity
    return soft_limit(world - compensation * pose_deg[:, [1, 0]], np.array(GAZE_LIMIT_DEG))
