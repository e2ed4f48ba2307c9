"""What the motion of clips promises: human dynamics, base rates, independence of the action units, ranges."""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.synth.expressions import MEDIAL_AUS, REPERTOIRES
from actionunits.synth.motion import LEAD_IN_S, SPEECH_SHAPES, ClipMotion, sample_motion
from actionunits.synth.prototypes import ONE_SIDED, PROTOTYPES, SPOKEN
from actionunits.synth.schedule import Scheduler

COLUMN = {au: i for i, au in enumerate(SYNTH_AUS)}
KEYS = {"studio": ("studio", "published"), "wild": ("wild", "published"), "balanced": ("wild", "balanced")}
# Shares of frames with the AU present in BP4D (Zhang et al., Image and Vision Computing 32, 2014).
BP4D_RATE = {1: 0.21, 2: 0.17, 4: 0.20, 6: 0.46, 7: 0.55, 10: 0.59, 12: 0.56, 14: 0.47, 15: 0.17, 17: 0.34}
BP4D_RATE |= {23: 0.17, 24: 0.15}
# Limits of the correlations of presences with the rates "together"; in BP4D AU1 and AU2, AU6 and AU12 have about .7.
TOGETHER_R = {(1, 2): (0.6, 0.82), (6, 12): (0.6, 0.82), (10, 12): (0.55, 0.8), (6, 10): (0.5, 0.75)}
TOGETHER_R |= {(23, 24): (0.45, 0.75), (15, 17): (0.35, 0.6), (25, 26): (0.35, 0.65), (4, 7): (0.25, 0.5)}


@pytest.fixture(scope="module")
def clips() -> dict[str, list[ClipMotion]]:
    """400 clips of 64 frames at 25 frames per second for each set of rates."""
    drawn = {}
    for seed, (key, (look, rates)) in enumerate(KEYS.items()):
        rng = np.random.default_rng(seed)
        drawn[key] = [sample_motion(rng, look, 64, 25.0, rates) for _ in range(400)]
    return drawn


def present(clips: list[ClipMotion]) -> np.ndarray:
    return np.concatenate([clip.au_intensity >= 1.0 for clip in clips])


@pytest.mark.parametrize("key", KEYS)
def test_first_frame_is_neutral_and_looks_at_the_camera(clips, key):
    for clip in clips[key]:
        assert not clip.au_intensity[0].any()
        assert not clip.speech[0].any()
        towards_camera = clip.gaze_deg[0] + clip.pose_deg[0, [1, 0]]
        assert np.abs(towards_camera).max() < 20.0
    assert np.mean([np.linalg.norm(c.gaze_deg[0] + c.pose_deg[0, [1, 0]]) for c in clips[key]]) < 5.0


@pytest.mark.parametrize("key", KEYS)
def test_values_stay_in_their_ranges_and_are_finite(clips, key):
    for clip in clips[key]:
        for au in (clip.au_left, clip.au_right):
            assert au.shape == (64, len(SYNTH_AUS))
            assert au.dtype == np.float32
            assert au.min() >= 0.0
            assert au.max() <= 5.0
        assert clip.speech.shape == (64, len(SPEECH_SHAPES))
        assert clip.speech.min() >= 0.0
        assert clip.speech.max() <= 1.0
        assert np.isfinite(clip.gaze_deg).all()
        assert (np.abs(clip.gaze_deg).max(0) <= (32.0, 22.0)).all()


def test_medial_actions_are_symmetric_and_others_often_are_not(clips):
    left = np.concatenate([clip.au_left for clip in clips["balanced"]])
    right = np.concatenate([clip.au_right for clip in clips["balanced"]])
    for au in SYNTH_AUS:
        a, b = left[:, COLUMN[au]], right[:, COLUMN[au]]
        if au in MEDIAL_AUS:
            np.testing.assert_array_equal(a, b)
        elif au != 45:
            strong = np.maximum(a, b) >= 2.0
            weaker = np.minimum(a, b)[strong] / np.maximum(a, b)[strong]
            assert 0.2 < np.mean(weaker < 0.85) < 0.6, f"AU{au}"
            assert 0.01 < np.mean(weaker < 0.3) < 0.25, f"AU{au} on one side only"
            assert abs(np.mean((a > b)[strong]) - 0.5) < 0.15, f"AU{au} prefers a side"


def test_overall_intensity_is_that_of_the_stronger_side(clips):
    clip = clips["studio"][0]
    np.testing.assert_array_equal(clip.au_intensity, np.maximum(clip.au_left, clip.au_right))


@pytest.mark.parametrize("key", KEYS)
def test_nothing_but_the_lids_changes_abruptly(clips, key):
    slow = [i for i, au in enumerate(SYNTH_AUS) if au not in (5, 45)]  # a blink hides AU5 at once
    for clip in clips[key]:
        for au in (clip.au_left, clip.au_right):
            assert np.abs(np.diff(au[:, slow], axis=0)).max() < 2.2
        assert np.abs(np.diff(clip.pose_deg, axis=0)).max() < 5.0
        assert np.abs(np.diff(clip.position, axis=0)).max() < 0.03
    # Most changes are far smaller than the fastest.
    steps = np.concatenate([np.abs(np.diff(clip.au_left[:, slow], axis=0)).ravel() for clip in clips[key]])
    assert np.quantile(steps[steps > 0.02], 0.95) < 0.8


@pytest.mark.parametrize("key", KEYS)
def test_base_rates_meet_their_targets(clips, key):
    rate = present(clips[key]).mean(0)
    for au, target in REPERTOIRES[key].target_rate.items():
        # 400 clips are about 2000 events; the standard error of a common AU's rate is .02.
        assert rate[COLUMN[au]] == pytest.approx(target, abs=0.06), f"AU{au}"


def test_studio_rates_are_near_those_of_bp4d(clips):
    rate = present(clips["studio"]).mean(0)
    for au, published in BP4D_RATE.items():
        # The most frequent are held at .43, so that not everything acts at once.
        assert abs(rate[COLUMN[au]] - min(published, 0.43)) <= 0.08, f"AU{au}"
    assert rate.max() < 0.48


def test_wild_and_balanced_rates_leave_no_au_without_examples(clips):
    assert present(clips["wild"]).mean(0).min() > 0.05
    assert present(clips["balanced"]).mean(0).min() > 0.13
    assert present(clips["balanced"]).mean(0).max() < 0.33


@pytest.mark.parametrize(("frames", "fps", "count"), [(12, 3.0, 300), (500, 25.0, 100)])
def test_rates_hold_for_other_lengths_and_frame_rates(frames, fps, count):
    rng = np.random.default_rng(5)
    drawn = [sample_motion(rng, "studio", frames, fps, "balanced") for _ in range(count)]
    rate = present(drawn).mean(0)
    target = np.array(list(REPERTOIRES["balanced"].target_rate.values()))
    assert np.abs(rate - target).max() < 0.09
    assert abs((rate - target).mean()) < 0.04


@pytest.mark.parametrize("key", KEYS)
def test_every_au_occurs_alone_and_none_implies_another(clips, key):
    active = present(clips[key])
    alone = active[active.sum(1) == 1].sum(0)
    together = active.T.astype(int) @ active.astype(int)
    count = active.sum(0)
    for au in SYNTH_AUS:
        assert alone[COLUMN[au]] >= 5, f"AU{au} is hardly ever alone"
    # [a, b]: how often b is there when a is; a detector must not get a from b.
    given = together / count[:, None]
    np.fill_diagonal(given, 0.0)
    assert given.max() < 0.85
    # No pair behaves as one AU: each is mostly seen without the other in at least one direction.
    assert np.minimum(given, given.T).max() < 0.65


@pytest.mark.parametrize("key", KEYS)
def test_few_aus_act_at_a_time_and_neutral_intervals_exist(clips, key):
    together = present(clips[key]).sum(1)
    # A cry or a shout alone may be eight.
    assert np.mean(together > 7) < 0.03
    assert together.max() <= 9
    assert np.mean(together == 0) > 0.08


def test_together_has_the_rates_and_correlations_of_bp4d_in_clips_of_any_length():
    for frames, fps, count in ((10, 3.0, 600), (64, 25.0, 300)):
        rng = np.random.default_rng(9)
        active = present([sample_motion(rng, "wild", frames, fps, "together") for _ in range(count)])
        rate, related = active.mean(0), np.corrcoef(active.T)
        for au, published in BP4D_RATE.items():
            # The most frequent are held at .5, so that not everything acts at once.
            assert rate[COLUMN[au]] == pytest.approx(min(published, 0.5), abs=0.09), f"AU{au}"
        for (one, other), (low, high) in TOGETHER_R.items():
            assert low < related[COLUMN[one], COLUMN[other]] < high, f"AU{one} and AU{other}"
        assert rate.min() > 0.01, "no AU is left out"
        assert np.mean(~active.any(1)) > 0.12, "neutral frames exist"


def test_pressed_lips_and_open_mouth_exclude_each_other(clips):
    for drawn in clips.values():
        au = np.concatenate([clip.au_intensity for clip in drawn])
        open_mouth = np.maximum(au[:, COLUMN[25]], au[:, COLUMN[26]]) > 2.0
        assert np.mean(au[open_mouth, COLUMN[24]] > 2.0) < 0.01
        assert np.mean(au[au[:, COLUMN[26]] > 2.0, COLUMN[23]] > 2.0) < 0.01


@pytest.mark.parametrize("kind", ONE_SIDED)
def test_one_side_acts_alone_in_one_sided_expressions(kind):
    plan, rng = ONE_SIDED[kind], np.random.default_rng(0)
    alone = replace(
        REPERTOIRES["wild"],
        single_weight=dict.fromkeys(SYNTH_AUS, 0.0),
        emotion_weight={name: float(name == kind) for name in PROTOTYPES},
        speech_weight=0.0,
        solo_share=0.0,
    )
    one_sided, favoured, agreed = [], [], []
    for _ in range(200):
        events, pulses = Scheduler(rng, alone, 3.0).run()
        if [event.kind for event in events].count(kind) != 1:
            continue
        toward = []
        for channel, (left, right) in zip(pulses.channel, pulses.peak, strict=True):
            au = SYNTH_AUS[channel] if channel < len(SYNTH_AUS) else 0
            sign = (au in plan.own) - (au in plan.opposite)
            only = min(left, right) < 0.3 * max(left, right)
            if sign and (only or au != 45):  # lids that close together are a blink
                one_sided.append(only)
                toward += [sign * np.sign(left - right)] * bool(only)
        favoured += toward[:1]
        agreed += [np.ptp(toward) == 0] if toward else []
    assert np.mean(one_sided) > 0.9 * plan.chance
    assert np.mean(agreed) > 0.9, "all on the same side"
    assert 0.3 < np.mean(np.array(favoured) > 0) < 0.7, "no preferred side"


def test_brows_are_lowered_over_open_mouths_and_with_raised_inner_ends(clips):
    for key in ("wild", "balanced"):
        au = np.concatenate([clip.au_intensity for clip in clips[key]])
        lowered = au[:, COLUMN[4]] >= 2
        assert np.mean(au[lowered, COLUMN[25]] >= 2) > 0.15
        assert np.mean(au[lowered, COLUMN[26]] >= 2) > 0.1
        assert np.mean(au[lowered, COLUMN[1]] >= 2) > 0.08


def test_people_talk_while_their_faces_say_something(clips):
    spoken, alone = 0, 0
    for clip in clips["studio"]:
        for speech in (event for event in clip.events if event.kind == "speech"):
            met = [e for e in clip.events if e.kind in SPOKEN and abs(e.onset_s - speech.onset_s) < 0.5]
            spoken, alone = spoken + bool(met), alone + (not met)
    assert 0.25 < spoken / (spoken + alone) < 0.7


def test_closed_eyes_show_no_lid_raise(clips):
    for drawn in clips.values():
        for side in ("au_left", "au_right"):
            au = np.concatenate([getattr(clip, side) for clip in drawn])
            assert au[au[:, COLUMN[45]] > 4.0, COLUMN[5]].max() < 0.01


def test_intensities_spread_over_the_levels_with_low_ones_more_frequent(clips):
    for drawn in clips.values():
        au = np.concatenate([clip.au_intensity for clip in drawn])[:, :17]  # without AU45
        counts, _ = np.histogram(au, bins=(0.2, 1, 2, 3, 4, 5.01))
        share = counts / counts.sum()
        assert share[0] > 0.08, "trace levels"
        assert share[1] > share[3] > share[4] > 0.02


def test_blinks_come_at_a_human_rate_and_last_as_long(clips):
    blinks = [e for drawn in clips.values() for clip in drawn for e in clip.events if e.kind == "blink"]
    minutes = sum(len(drawn) * 63 / 25.0 / 60.0 for drawn in clips.values())
    assert 14.0 < len(blinks) / minutes < 21.0
    lengths = np.array([blink.end_s - blink.onset_s for blink in blinks])
    assert lengths.min() > 0.1
    assert lengths.max() < 0.45


def test_every_kind_of_event_is_scheduled_and_seen(clips):
    kinds = Counter(event.kind for clip in clips["wild"] for event in clip.events)
    assert set(kinds) == {*REPERTOIRES["wild"].emotion_weight, "single", "pair", "micro", "speech", "blink", "fidget"}
    for clip in clips["wild"][:100]:
        for event in clip.events:
            assert 0.0 <= event.onset_s < event.apex_s <= event.offset_s < event.end_s
            assert event.onset_s < clip.time_s[-1]
            for au in event.aus:
                if au == 5:  # closed or narrowed eyes may hide it
                    continue
                during = (clip.time_s >= event.onset_s) & (clip.time_s <= event.end_s)
                if during.sum() > 4 and event.kind != "speech":
                    assert clip.au_intensity[during, COLUMN[au]].max() > 0.1, f"AU{au} of {event}"


def test_short_clips_hold_several_whole_events(clips):
    for drawn in clips.values():
        per_clip = [sum(e.kind != "blink" for e in clip.events) for clip in drawn]
        assert np.median(per_clip) >= 3
        shown = [e.apex_s < clip.time_s[-1] for clip in drawn for e in clip.events]
        assert np.mean(shown) > 0.9


def test_speech_moves_mouth_and_jaw_several_times_a_second():
    rng = np.random.default_rng(3)
    rises = []
    for _ in range(300):
        clip = sample_motion(rng, "studio", 100, 25.0)
        for event in clip.events:
            if event.kind == "speech" and event.end_s < clip.time_s[-1] and event.end_s - event.onset_s > 1.0:
                during = (clip.time_s >= event.onset_s) & (clip.time_s <= event.end_s)
                jaw = clip.au_intensity[during, COLUMN[26]]
                peaks = np.sum((jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:]))
                rises.append(peaks / (event.end_s - event.onset_s))
    assert len(rises) > 20
    assert 1.5 < np.median(rises) < 6.0


def test_head_stays_in_the_ranges_of_its_look():
    pose = {}
    for look in ("studio", "wild"):
        rng = np.random.default_rng(9)
        pose[look] = np.concatenate([sample_motion(rng, look, 64, 25.0).pose_deg for _ in range(250)])
    pitch, yaw, roll = np.abs(pose["studio"]).T
    assert np.mean(pitch < 10) > 0.95
    assert np.mean(yaw < 10) > 0.93
    assert np.mean(roll < 6) > 0.95
    assert (np.abs(pose["wild"]).max(0) <= (25, 42, 20)).all()
    np.testing.assert_allclose(pose["wild"].std(0), (10, 18, 8), rtol=0.2)


def test_first_pose_is_near_the_mean_of_the_clip(clips):
    away = [np.abs(clip.pose_deg - clip.pose_deg[0]).mean(0) for clip in clips["wild"]]
    assert (np.mean(away, axis=0) < (5, 7, 4)).all()


def test_eyes_fixate_jump_and_counter_the_head(clips):
    speed = np.concatenate(
        [np.linalg.norm(np.diff(clip.gaze_deg, axis=0), axis=1) * 25.0 for clip in clips["studio"]]
    )
    assert np.median(speed) < 10.0, "mostly fixations"
    assert 0.01 < np.mean(speed > 60.0) < 0.2, "saccades"
    yaw = np.array([clip.pose_deg[:, 1].mean() for clip in clips["wild"]])
    gaze_yaw = np.array([clip.gaze_deg[:, 0].mean() for clip in clips["wild"]])
    assert np.corrcoef(yaw, gaze_yaw)[0, 1] < -0.6


def test_same_generator_state_gives_the_same_clip():
    first = sample_motion(np.random.default_rng(4), "wild", 64, 25.0)
    second = sample_motion(np.random.default_rng(4), "wild", 64, 25.0)
    other = sample_motion(np.random.default_rng(5), "wild", 64, 25.0)
    assert first.events == second.events
    for name in ("au_left", "au_right", "speech", "gaze_deg", "pose_deg", "position"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        if name != "speech":
            assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_motion_does_not_depend_on_the_frame_rate():
    for seed in range(20):
        coarse = sample_motion(np.random.default_rng(seed), "wild", 31, 10.0)
        fine = sample_motion(np.random.default_rng(seed), "wild", 181, 60.0)
        assert coarse.events == fine.events
        for name in ("au_left", "au_right", "speech", "gaze_deg", "pose_deg", "position"):
            np.testing.assert_allclose(getattr(coarse, name), getattr(fine, name)[::6], atol=1e-4)


@pytest.mark.parametrize(("frames", "fps"), [(1, 25.0), (2, 25.0), (5, 240.0), (3, 0.5), (600, 12.5)])
def test_any_length_and_frame_rate_is_possible(frames, fps):
    for seed in range(20):
        clip = sample_motion(np.random.default_rng(seed), "wild", frames, fps)
        np.testing.assert_allclose(clip.time_s, np.arange(frames) / fps)
        assert clip.au_left.shape == (frames, len(SYNTH_AUS))
        assert not clip.au_intensity[0].any()
        assert np.isfinite(clip.au_left).all()


def test_a_clip_that_begins_anywhere_is_cut_out_of_a_longer_one():
    begun = []
    for seed in range(40):
        clip = sample_motion(np.random.default_rng(seed), "wild", 50, 25.0, "balanced", begin="anywhere")
        rng = np.random.default_rng(seed)
        before = round(rng.uniform(*LEAD_IN_S) * 25)
        longer = sample_motion(rng, "wild", before + 50, 25.0, "balanced")
        for name in ("au_left", "au_right", "speech", "gaze_deg", "pose_deg", "position"):
            np.testing.assert_array_equal(getattr(clip, name), getattr(longer, name)[before:])
        np.testing.assert_allclose(clip.time_s, np.arange(50) / 25)
        last = max(event.onset_s for event in longer.events)
        assert max(event.onset_s for event in clip.events) == pytest.approx(last - before / 25)
        assert all(event.end_s > 0 for event in clip.events)
        begun.append(clip.au_intensity[0].max() >= 1)
    assert 0.5 < np.mean(begun) < 1


def test_what_cannot_be_sampled_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="look"):
        sample_motion(rng, "cinema", 64, 25.0)
    with pytest.raises(ValueError, match="rates"):
        sample_motion(rng, "wild", 64, 25.0, "even")
    with pytest.raises(ValueError, match="0 frames"):
        sample_motion(rng, "wild", 0, 25.0)
    with pytest.raises(ValueError, match="frames per second"):
        sample_motion(rng, "wild", 64, 0.0)


def test_a_clip_is_drawn_in_milliseconds():
    rng = np.random.default_rng(0)
    took = []
    for _ in range(60):
        start = time.process_time()
        sample_motion(rng, "studio", 64, 25.0)
        took.append(time.process_time() - start)
    assert np.median(took) < 0.040  # about 2.5 ms on an idle core
