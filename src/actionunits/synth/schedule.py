"""The plan of a clip in continuous time: which actions start when, how long they hold, how strong they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.synth.expressions import EXCLUDED, ONE_SIDED_SHARE, Repertoire, draw_levels, split_sides
from actionunits.synth.prototypes import ONE_SIDED, PROTOTYPES, SPOKEN

# Unlabelled movements of the mouth, by their names in ICT FaceKit: visemes and fidgeting.
SPEECH_SHAPES: tuple[str, ...] = (
    "mouthFunnel",
    "mouthPucker",
    "mouthClose",
    "mouthRollLower",
    "mouthRollUpper",
    "jawLeft",
    "jawRight",
    "mouthLeft",
    "mouthRight",
    "cheekPuff",
)
_VISEMES = 5  # the first so many shapes take part in speech

MAX_ACTIVE_AUS, MAX_EXPRESSION_AUS = 7, 8  # at a time; the fuller are expressions of their own
SPOKEN_SHARE = 0.4  # of speech that goes with an expression
FIDGET_WEIGHT = 0.08  # expected share of a clip's time
_BINS = 48  # resolution of the book-keeping of overlaps
_INDEX = {au: i for i, au in enumerate(SYNTH_AUS)}


@dataclass(frozen=True)
class Event:
    """One thing that was scheduled; times in seconds from the first frame, possibly beyond the last."""

    kind: str  # a prototype's name, "single", "pair", "micro", "speech", "blink" or "fidget"
    aus: tuple[int, ...]  # action units that take part, ascending; empty for "fidget"
    onset_s: float  # leaves neutral
    apex_s: float  # reaches its peak
    offset_s: float  # starts to fade
    end_s: float  # back at neutral


@dataclass(frozen=True)
class Pulses:
    """N onset-apex-offset curves. Channels 0..A-1 are SYNTH_AUS, those from A on SPEECH_SHAPES."""

    channel: np.ndarray  # (N,) int
    times_s: np.ndarray  # (N, 4): onset, apex, offset, end
    peak: np.ndarray  # (N, 2): left, right; FACS units, or 0-1 for SPEECH_SHAPES
    drift: np.ndarray  # (N,): relative change of the level from apex to offset
    tremor: np.ndarray  # (N, 3): relative amplitude, frequency in Hz, phase in radians


def draw_times(rng: np.random.Generator, count: int, span_s: float) -> np.ndarray:
    """Onset, apex, offset and end times (count, 4) of events that peak within a clip of `span_s` seconds.

    Onsets last 0.2-0.7 s, apices 0.2-4 s (log-uniform), offsets 0.3-1.5 s; in short clips the upper limits
    shrink with the clip, so that whole events are seen.
    """
    draw = rng.random((count, 4))
    rise = 0.2 + draw[:, 0] * max(min(0.7, 0.18 * span_s) - 0.2, 0.05)
    hold = 0.2 * (max(min(4.0, 0.6 * span_s), 0.3) / 0.2) ** draw[:, 1]
    fall = 0.3 + draw[:, 2] * max(min(1.5, 0.3 * span_s) - 0.3, 0.1)
    onset = draw[:, 3] * np.maximum(span_s - rise - np.minimum(hold, 0.2), 0.2 * span_s)
    return np.cumsum(np.stack([onset, rise, hold, fall], 1), axis=1)


@lru_cache(maxsize=256)
def event_share(span_s: float) -> float:
    """Expected share of a clip's time during which one event of `draw_times` is active."""
    times = draw_times(np.random.default_rng(0), 4096, span_s)
    start, end = active_interval(times)
    return float(np.mean(np.clip(end, 0, span_s) - np.clip(start, 0, span_s)) / span_s)


def active_interval(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end (N,) of the time in which events (N, 4) are above about two fifths of their peak."""
    onset, apex, offset, end = times_s.T
    return onset + 0.45 * (apex - onset), offset + 0.55 * (end - offset)


class Scheduler:
    """Collects the events of one clip and keeps what can act together."""

    def __init__(self, rng: np.random.Generator, repertoire: Repertoire, span_s: float):
        self.rng = rng
        self.repertoire = repertoire
        self.span_s = span_s
        self.events: list[Event] = []
        self._active = np.zeros((len(SYNTH_AUS), _BINS), bool)
        self._channel: list[int] = []
        self._times: list[np.ndarray] = []
        self._level: list[float] = []
        self._favoured: list[int] = []

    def run(self) -> tuple[tuple[Event, ...], Pulses]:
        """Schedule a clip: speech and expressions, single actions, blinks and fidgeting."""
        rng, plan = self.rng, self.repertoire
        # Onsets take most of a clip under a second; more events than in a second would only pile up.
        share = event_share(max(self.span_s, 1.0))
        # Some clips are calm, some lively.
        liveliness = rng.uniform(0.5, 1.5)
        solo = rng.random() < plan.solo_share
        weights = np.array([plan.single_weight[au] for au in SYNTH_AUS])
        singles = rng.poisson(liveliness * weights / share)
        emotions = rng.poisson(liveliness * np.array(list(plan.emotion_weight.values())) / share)
        speeches = rng.poisson(liveliness * plan.speech_weight / share)
        if solo:
            chosen = int(rng.integers(len(SYNTH_AUS)))
            singles = np.where(np.arange(len(SYNTH_AUS)) == chosen, 1 + rng.poisson(0.5 / share), 0)
            emotions, speeches = np.zeros_like(emotions), 0
        todo: list[tuple[str, tuple[int, ...]]] = [("speech", (25, 26))] * int(speeches)
        for kind, count in zip(plan.emotion_weight, emotions, strict=True):
            todo += [(kind, ())] * int(count)
        todo += self._group(np.repeat(SYNTH_AUS, singles), pairs=not solo)
        times = draw_times(rng, len(todo), self.span_s)
        # Expressions and speech come first, so that single actions fill in around them and do not break them up.
        composed = int(emotions.sum() + speeches)
        for i in (*rng.permutation(composed), *range(composed, len(todo))):
            kind, aus = todo[i]
            if kind == "speech":
                self._add_speech(times[i])
            elif kind in PROTOTYPES:
                self._add_emotion(kind, times[i])
            else:
                self._add_actions(kind, list(aus), times[i])
        self._add_blinks()
        self._add_fidgets(int(rng.poisson(FIDGET_WEIGHT / share)))
        return tuple(sorted(self.events, key=lambda event: event.onset_s)), self._pulses()

    def _group(self, aus: np.ndarray, pairs: bool) -> list[tuple[str, tuple[int, ...]]]:
        """Single actions, a quarter of them joined into random pairs, a few of them micro-expressions."""
        shuffled = [int(au) for au in self.rng.permutation(aus)]
        chance = self.rng.random(len(shuffled) + 1)
        groups: list[tuple[str, tuple[int, ...]]] = []
        while shuffled:
            first = shuffled.pop()
            luck = chance[len(shuffled)]
            if pairs and luck < 0.15 and shuffled and shuffled[-1] != first:
                groups.append(("pair", tuple(sorted((first, shuffled.pop())))))
            else:
                groups.append(("micro" if luck > 0.95 and first != 45 else "single", (first,)))
        return groups

    def _claim(self, au: int, start_s: float, end_s: float, most: int = MAX_ACTIVE_AUS) -> bool:
        """Book an AU for an interval; False, and nothing booked, if something excludes it or `most` would act."""
        first = min(max(int(start_s / self.span_s * _BINS), 0), _BINS - 1)
        last = min(max(int(np.ceil(end_s / self.span_s * _BINS)), first + 1), _BINS)
        window = self._active[:, first:last]
        for other in EXCLUDED.get(au, ()):
            if window[_INDEX[other]].any():
                return False
        others = window.sum(0) - window[_INDEX[au]]
        if others.max() >= most:
            return False
        window[_INDEX[au]] = True
        return True

    def _add_emotion(self, kind: str, times: np.ndarray) -> None:
        members = PROTOTYPES[kind]
        luck = self.rng.random(len(members))
        chosen = [m for m, u in zip(members, luck, strict=True) if u < m[1]]
        if not chosen:
            return
        strength = draw_levels(self.rng, 1)[0]
        spread = np.exp(0.35 * self.rng.standard_normal(len(chosen)))
        levels = np.clip(strength * np.array([m[2] for m in chosen]) * spread, 0.4, 5.0)
        self._add_actions(kind, [m[0] for m in chosen], times, levels)

    def _add_actions(self, kind: str, aus: list[int], times: np.ndarray, levels: np.ndarray | None = None) -> None:
        """Actions that belong together: nearly the same times, each with its own level and sides."""
        rng, count = self.rng, len(aus)
        if levels is None:
            levels = draw_levels(rng, count)
            full = rng.random(count) < 0.6
            levels = np.where(np.array(aus) == 45, np.where(full, 5.0, levels), levels)
        rows = np.repeat(times[None], count, axis=0)
        if kind == "micro":
            rise, hold, fall = rng.uniform((0.12, 0.04, 0.12), (0.2, 0.2, 0.25))
            rows = times[0] + np.cumsum([[0.0, rise, hold, fall]], axis=1)
            levels = np.minimum(levels, 2.5)
        elif count > 1:
            lag = rng.exponential(0.06, (count, 2))
            rows[:, :2] += lag[:, :1]
            rows[:, 2:] += lag[:, :1] + lag[:, 1:]
        favoured = self._sides(kind, aus)
        starts, ends = active_interval(rows)
        most = MAX_EXPRESSION_AUS if kind in PROTOTYPES else MAX_ACTIVE_AUS
        kept = [i for i in range(count) if self._claim(aus[i], starts[i], ends[i], most)]
        for i in kept:
            self._add_pulse(_INDEX[aus[i]], rows[i], levels[i], favoured[i])
        if kept:
            self._add_event(kind, [aus[i] for i in kept], rows[kept])

    def _sides(self, kind: str, aus: list[int]) -> list[int]:
        """For each action 1 if the left side does it alone, -1 if the right does, 0 where nothing says so."""
        side, luck = int(self.rng.choice((1, -1))), self.rng.random()
        if kind in ONE_SIDED:
            plan = ONE_SIDED[kind]
            return [side * ((au in plan.own) - (au in plan.opposite)) * (luck < plan.chance) for au in aus]
        # Lids that close alone are winks; those of blinks and of other expressions keep together.
        wink = kind not in PROTOTYPES and luck < ONE_SIDED_SHARE
        return [side * (wink and au == 45) for au in aus]

    def _add_speech(self, times: np.ndarray) -> None:
        """A burst of syllables: jaw and lips move 3-5.5 times a second, with brow and cheek accents."""
        rng = self.rng
        begin, end = times[0], times[2]
        if not (self._claim(25, begin, end) and self._claim(26, begin, end)):
            return
        period = 1.0 / rng.uniform(3.0, 5.5)
        count = max(int((end - begin) / period), 1)
        draw = rng.random((count, 5))
        effort = rng.uniform(0.6, 1.0)
        onset = begin + period * (np.arange(count) + 0.3 * draw[:, 0])
        half = period * (0.5 + 0.15 * draw[:, 1])
        rows = np.stack([onset, onset + half, onset + half + 0.1 * period, onset + 2.1 * half], 1)
        jaw = effort * (0.3 + 2.1 * draw[:, 2])
        viseme = (draw[:, 3] * (_VISEMES + 3)).astype(int)  # the last three numbers are open vowels
        closed = viseme == SPEECH_SHAPES.index("mouthClose")
        for i in range(count):
            self._add_pulse(_INDEX[26], rows[i], jaw[i])
            if not closed[i]:
                self._add_pulse(_INDEX[25], rows[i], 0.6 + 0.8 * jaw[i])
            if viseme[i] < _VISEMES:
                # Closing the lips takes back as much as the jaw opens; other visemes are free.
                amount = jaw[i] / 5.0 if closed[i] else effort * (0.25 + 0.5 * draw[i, 4])
                self._add_pulse(len(SYNTH_AUS) + int(viseme[i]), rows[i], amount)
        self._add_event("speech", [25, 26], rows)
        if rng.random() < SPOKEN_SHARE:
            self._add_emotion(SPOKEN[rng.integers(len(SPOKEN))], times)
        accents = [au for au, luck in zip((1, 2, 10, 14), rng.random(4), strict=True) if luck < 0.2]
        if accents:
            levels = np.clip(draw_levels(rng, len(accents)), 0.5, 2.5)
            self._add_actions("single" if len(accents) == 1 else "pair", accents, times, levels)

    def _add_blinks(self) -> None:
        """Blinks at 10-25 a minute, 0.16-0.4 s long; one in seven does not close the eyes fully."""
        rng = self.rng
        count = int(rng.poisson(rng.uniform(10.0, 25.0) / 60.0 * self.span_s))
        draw = rng.random((count, 4))
        levels = np.where(draw[:, 3] < 0.15, 2.0 + 2.5 * rng.random(count), 5.0)
        onset = rng.random(count) * max(self.span_s - 0.1, 0.5 * self.span_s)
        steps = [onset, 0.06 + 0.04 * draw[:, 0], 0.07 * draw[:, 1], 0.1 + 0.13 * draw[:, 2]]
        rows = np.cumsum(np.stack(steps, 1), axis=1)
        for row, level in zip(rows, levels, strict=True):
            self._add_pulse(_INDEX[45], row, level)
            self._add_event("blink", [45], row[None])

    def _add_fidgets(self, count: int) -> None:
        """Movements of jaw, lips and cheeks that no label names."""
        rows = draw_times(self.rng, count, self.span_s)
        shapes = self.rng.integers(len(SPEECH_SHAPES), size=count)
        amounts = self.rng.uniform(0.2, 0.7, count)
        for row, shape, amount in zip(rows, shapes, amounts, strict=True):
            if SPEECH_SHAPES[shape] == "mouthClose":  # it only makes sense against an open jaw
                continue
            self._add_pulse(len(SYNTH_AUS) + int(shape), row, amount)
            self._add_event("fidget", [], row[None])

    def _add_pulse(self, channel: int, times: np.ndarray, level: float, favoured: int = 0) -> None:
        self._channel.append(channel)
        self._times.append(times)
        self._level.append(level)
        self._favoured.append(favoured)

    def _add_event(self, kind: str, aus: list[int], rows: np.ndarray) -> None:
        onset, apex, offset, end = rows[:, 0].min(), rows[:, 1].min(), rows[:, 2].max(), rows[:, 3].max()
        self.events.append(Event(kind, tuple(sorted(aus)), float(onset), float(apex), float(offset), float(end)))

    def _pulses(self) -> Pulses:
        count = len(self._channel)
        channel = np.array(self._channel, int)
        sides = split_sides(self.rng, channel, np.array(self._favoured, int))
        tremor = self.rng.uniform((0.0, 1.0, 0.0), (0.04, 3.5, 2 * np.pi), (count, 3))
        return Pulses(
            channel,
            np.array(self._times, float).reshape(count, 4),
            sides * np.array(self._level, float)[:, None],
            self.rng.uniform(-0.3, 0.15, count),
            tremor,
        )
