"""What moves in a clip: action units, mouth, eyes and head over time, sampled at any frame rate."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Literal, get_args

import numpy as np

from actionunits.aus import INTENSITY_MAX, SYNTH_AUS
from actionunits.synth.expressions import REPERTOIRES
from actionunits.synth.schedule import SPEECH_SHAPES, Event, Pulses, Scheduler
from actionunits.synth.trajectories import HEAD_STYLES, ease, gaze, head_pose, head_position

__all__ = ["SPEECH_SHAPES", "ClipMotion", "Event", "sample_motion"]

Look = Literal["studio", "wild"]
Rates = Literal["published", "balanced", "together"]
RATES: tuple[Rates, ...] = get_args(Rates)
Begin = Literal["rest", "anywhere"]

LEAD_IN_S = (1.0, 4.0)  # what goes on before the first frame of a clip that begins anywhere


@dataclass(frozen=True)
class ClipMotion:
    """Everything that moves in a clip of T frames; A is the length of SYNTH_AUS.

    The first frame is neutral, unless the clip begins anywhere. Left and right are the person's own sides.
    """

    fps: float
    time_s: np.ndarray  # (T,) frame k is at k / fps
    au_left: np.ndarray  # (T, A) float32, 0-5, in the order of SYNTH_AUS
    au_right: np.ndarray  # (T, A) float32, 0-5
    speech: np.ndarray  # (T, len(SPEECH_SHAPES)) float32, 0-1: mouth movement that no label names
    gaze_deg: np.ndarray  # (T, 2) yaw (> 0 to the own left), pitch (> 0 up), relative to the head
    pose_deg: np.ndarray  # (T, 3) pitch, yaw, roll with the signs of types.Face
    position: np.ndarray  # (T, 3) head's place: x, y as fractions of the frame from its centre, log of the scale
    events: tuple[Event, ...]  # what was scheduled, in order of onset

    @property
    def au_intensity(self) -> np.ndarray:
        """Overall intensity (T, A), 0-5: that of the stronger side, so a one-sided action counts in full."""
        return np.maximum(self.au_left, self.au_right)

    def without_first(self, frames: int) -> ClipMotion:
        """What follows after so many frames, as a clip of its own."""
        since_s = frames / self.fps
        events = (
            Event(e.kind, e.aus, *(t - since_s for t in astuple(e)[2:])) for e in self.events if e.end_s > since_s
        )
        return replace(
            self,
            time_s=self.time_s[: len(self.time_s) - frames],
            au_left=self.au_left[frames:],
            au_right=self.au_right[frames:],
            speech=self.speech[frames:],
            gaze_deg=self.gaze_deg[frames:],
            pose_deg=self.pose_deg[frames:],
            position=self.position[frames:],
            events=tuple(events),
        )


def sample_motion(
    rng: np.random.Generator,
    look: Look,
    frames: int,
    fps: float,
    rates: Rates = "published",
    begin: Begin = "rest",
) -> ClipMotion:
    """Draw the motion of one clip.

    begin: "rest" has a neutral first frame; "anywhere" cuts the clip out of a longer one, so that its first frame
    may be in the middle of an expression.

    `look` sets head, camera and eye movement and, with the published rates, how often each AU acts: near BP4D
    for "studio", near DISFA and GFT for "wild". With balanced rates every AU acts in 15-30% of the frames in
    either look; with "together" AUs act about as often as in BP4D, and as much together. The motion is defined in
    continuous time: the same generator state and the same length give the same motion whatever the frame rate. Clips
    under about a second are too short to reach these rates.
    Raises ValueError for an unknown look or rates, less than one frame or a frame rate that is not positive.
    """
    if look not in HEAD_STYLES or rates not in RATES:
        raise ValueError(f"unknown look {look!r} or rates {rates!r}")
    if frames < 1 or not fps > 0:
        raise ValueError(f"cannot sample {frames} frames at {fps} frames per second")
    if begin == "anywhere":
        before = round(rng.uniform(*LEAD_IN_S) * fps)
        return sample_motion(rng, look, before + frames, fps, rates).without_first(before)
    time_s = np.arange(frames) / fps
    style = HEAD_STYLES[look]
    pose_deg = head_pose(rng, style, time_s)
    position = head_position(rng, style, time_s)
    gaze_deg = gaze(rng, style, time_s, pose_deg)
    events: tuple[Event, ...] = ()
    channels = np.zeros((2, len(SYNTH_AUS) + len(SPEECH_SHAPES), frames))
    if frames > 1:
        repertoire = REPERTOIRES[look if rates == "published" else rates]
        events, pulses = Scheduler(rng, repertoire, float(time_s[-1])).run()
        channels = trace(pulses, time_s)
    left, right = (suppress_lid_raise(side[: len(SYNTH_AUS)]) for side in channels)
    return ClipMotion(
        fps=fps,
        time_s=time_s,
        au_left=left.T.astype(np.float32),
        au_right=right.T.astype(np.float32),
        speech=np.clip(channels[0, len(SYNTH_AUS) :], 0.0, 1.0).T.astype(np.float32),
        gaze_deg=gaze_deg.astype(np.float32),
        pose_deg=pose_deg.astype(np.float32),
        position=position.astype(np.float32),
        events=events,
    )


def trace(pulses: Pulses, time_s: np.ndarray) -> np.ndarray:
    """Left and right value (2, channels, T) of every channel: the strongest of its pulses at each time.

    A pulse rises and falls along minimum-jerk curves; its apex drifts a little and trembles.
    """
    onset, apex, offset, end = pulses.times_s.T[:, :, None]
    hold = np.clip((time_s - apex) / np.maximum(offset - apex, 1e-6), 0.0, 1.0)
    shape = ease((time_s - onset) / (apex - onset)) * (1.0 - ease((time_s - offset) / (end - offset)))
    size, hertz, phase = pulses.tremor.T[:, :, None]
    angle = 2.0 * np.pi * hertz * (time_s - apex)
    # Two frequencies without a common period; faded in with the hold, so that the peak is reached smoothly.
    tremor = size * ease(4.0 * hold) * (np.sin(angle + phase) + 0.7 * np.sin(1.618 * angle + 2.0 * phase))
    curve = shape * (1.0 + pulses.drift[:, None] * hold + tremor)
    channels = np.zeros((2, len(SYNTH_AUS) + len(SPEECH_SHAPES), len(time_s)))
    for side in range(2):
        np.maximum.at(channels[side], pulses.channel, curve * pulses.peak[:, side, None])
    return np.clip(channels, 0.0, INTENSITY_MAX)


def suppress_lid_raise(au: np.ndarray) -> np.ndarray:
    """AU drive (A, T) in which AU5 fades as the eye closes, and weakens against AU6 and AU7."""
    row = {number: i for i, number in enumerate(SYNTH_AUS)}
    closed = ease(au[row[45]] / 4.0)
    narrowed = np.maximum(au[row[6]], au[row[7]]) / INTENSITY_MAX
    au = au.copy()
    au[row[5]] *= (1.0 - closed) * (1.0 - 0.4 * narrowed)
    return au
