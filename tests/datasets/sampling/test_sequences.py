import numpy as np
import pytest

from actionunits.datasets.sampling.sequences import (
    LOWER_POINTS,
    UPPER_POINTS,
    MovingPairSampler,
    PairSampler,
    active_aus,
    of_rigid_head,
    pad_sequences,
    sub_sequences,
)
from actionunits.errors import UserError
from actionunits.faces.mean_face import MEAN_LANDMARKS_MM
from actionunits.faces.pose import rotation_from_pose


def clips(lengths, seed=0, aus=4, rate=0.6):
    """clip, frame (rows shuffled over all clips), labels."""
    rng = np.random.default_rng(seed)
    clip = np.repeat(np.arange(len(lengths)), lengths)
    frame = np.concatenate([2 * np.arange(length) for length in lengths])
    order = rng.permutation(len(clip))
    present = (rng.random((len(clip), aus)) < rate).astype(np.uint8)
    return clip[order], frame[order], present, rng.random((len(clip), aus)) < 0.9


def test_long_clips_give_ten_stretches_and_short_ones_come_whole():
    clip, frame, present, known = clips([400, 60, 100])
    found = sub_sequences(clip, frame, present, known, seed=1, length=100)
    assert [clip[rows[0]] for rows in found] == [0] * 10 + [1, 2]
    for rows in found:
        assert len(np.unique(clip[rows])) == 1 and (np.diff(frame[rows]) == 2).all()
    assert {len(rows) for rows in found[:10]} == {100} and [len(rows) for rows in found[10:]] == [60, 100]
    starts = [frame[rows[0]] // 2 for rows in found[:10]]
    assert len(set(starts)) > 5 and min(starts) < 100 and max(starts) > 200


def test_stretches_depend_on_seed_epoch_and_clip_alone():
    clip, frame, present, known = clips([400, 300])

    def draw(seed, epoch, part=slice(None)):
        labels = clip[part], frame[part], present[part], known[part]
        rows = sub_sequences(*labels, seed, epoch, length=50, least_active=0)
        return [(labels[0][r[0]], *labels[1][r]) for r in rows]

    assert draw(1, 0) == draw(1, 0) and draw(1, 0) != draw(2, 0) and draw(1, 0) != draw(1, 1)
    assert draw(1, 0, part=clip == 1) == draw(1, 0)[10:]


def test_stretches_that_show_little_are_left_out():
    clip, frame, present, known = clips([300, 300], rate=0.0)
    known[:] = True
    present[(clip == 1) & (frame >= 300)] = 1
    known[(clip == 1) & (frame < 200)] = False
    found = sub_sequences(clip, frame, present, known, seed=0, length=60)
    assert 0 < len(found) < 10
    for rows in found:
        assert clip[rows[0]] == 1 and active_aus(present[rows], known[rows]) >= 1.5
    with pytest.raises(UserError, match=r"1.5 active action units"):
        sub_sequences(clip, frame, np.zeros_like(present), known, seed=0, length=60)


@pytest.mark.parametrize("seed", range(5))
def test_unknown_labels_do_not_choose(seed):
    clip, frame, present, known = clips([200, 90, 30], seed, rate=0.45)
    other = np.where(known, present, 1 - present)
    for rows, again in zip(
        sub_sequences(clip, frame, present, known, seed, length=40),
        sub_sequences(clip, frame, other, known, seed, length=40),
        strict=True,
    ):
        np.testing.assert_array_equal(rows, again)
    assert active_aus(np.ones((3, 2)), np.array([[True, True], [True, False], [False, False]])) == 1.5


def test_neither_the_first_ten_frames_nor_the_padding_count():
    rows, counts = pad_sequences([np.arange(30), np.arange(50, 65), np.arange(4)])
    assert rows.shape == counts.shape == (3, 30)
    assert counts.sum(1).tolist() == [20, 5, 0] and not counts[:, :10].any()
    assert (rows[1, 15:] == 64).all() and rows[1, :15].tolist() == list(range(50, 65))


def filmed(seed=0):
    """(rows,) subject, video and track: numbers start again in every parent, as own names of videos do."""
    rng = np.random.default_rng(seed)
    rows = []
    for subject in range(4):
        for video in range(1 + 3 * (subject == 0)):
            for track in range(1 + video % 2):
                rows += [(subject, video, track)] * int(rng.choice([2, 3, 40]))
    rows += [(9, 0, 0)]  # a single frame has no partner
    table = rng.permutation(np.array(rows))
    return table[:, 0], table[:, 1], table[:, 2]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_two_frames_of_one_track(seed):
    levels = filmed(seed)
    sampler = PairSampler(levels, 8, seed)
    pairs = np.concatenate([sampler.batch_indices(step) for step in range(600)])
    assert pairs.shape == (4800, 2) and (pairs[:, 0] != pairs[:, 1]).all()
    for level in levels:
        np.testing.assert_array_equal(level[pairs[:, 0]], level[pairs[:, 1]])
    assert set(np.unique(pairs)) == set(np.flatnonzero(levels[0] != 9))  # every frame is used


def test_people_videos_and_tracks_come_equally_often():
    subject, video, track = filmed()
    sampler = PairSampler((subject, video, track), 20, 3)
    row = np.concatenate([sampler.batch_indices(step) for step in range(1000)])[:, 0]
    np.testing.assert_allclose(np.bincount(subject[row])[:4] / len(row), 0.25, atol=0.02)
    first = row[subject[row] == 0]
    np.testing.assert_allclose(np.bincount(video[first]) / len(first), 0.25, atol=0.03)
    second = first[video[first] == 1]
    np.testing.assert_allclose(np.bincount(track[second]) / len(second), 0.5, atol=0.05)


def test_pairs_of_a_step_are_the_same_after_a_resume():
    sampler, again = PairSampler(filmed(), 6, 4), PairSampler(filmed(), 6, 4)
    steps = [sampler.batch_indices(step).tolist() for step in range(5)]
    assert again.batch_indices(4).tolist() == steps[4] and steps[0] != steps[1]
    assert PairSampler(filmed(), 6, 5).batch_indices(0).tolist() != steps[0]


def test_pairs_that_cannot_be_made_are_told():
    with pytest.raises(UserError, match="no track has two frames"):
        PairSampler((np.arange(5),), 1, 0)
    with pytest.raises(UserError, match="4 training frames do not fill one batch of 3 pairs"):
        PairSampler((np.array([0, 0, 1, 1]),), 3, 0)


def turned_head(turn: float) -> np.ndarray:
    """Landmarks of the mean head, (68, 2), seen from the side by so many degrees."""
    head = MEAN_LANDMARKS_MM @ rotation_from_pose(np.array([0.0, turn, 0.0]))
    return 0.5 + head[:, :2] / 200


@pytest.mark.parametrize("shown", [range(68), range(17, 68)])
def test_a_rigid_head_is_what_remains_without_the_face(shown):
    landmarks = np.full((3, 68, 2), np.nan)
    for frame, turn in enumerate((0.0, 20.0, 20.0)):
        landmarks[frame, shown] = turned_head(turn)[shown]
    smile = np.array(LOWER_POINTS)
    landmarks[2, smile] += 0.05
    head = of_rigid_head(landmarks)
    np.testing.assert_allclose(head[0], turned_head(0.0), atol=1e-9)
    np.testing.assert_allclose(head[1:], np.stack([turned_head(20.0)] * 2), atol=1e-9)
    assert np.isnan(of_rigid_head(np.full((1, 68, 2), np.nan))).all()


def test_moving_pairs_show_a_face_that_moves_or_a_head_that_turns():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(20), 10)
    head, brows, mouth = rng.random((3, 200)) < 0.5
    landmarks = np.stack([turned_head(20.0 * turned) for turned in head])
    landmarks[np.ix_(brows, UPPER_POINTS)] += 0.02
    landmarks[np.ix_(mouth, LOWER_POINTS)] += 0.1
    landmarks[7] = np.nan
    landmarks[:, :17] = np.nan  # as a 49-point markup
    sampler = MovingPairSampler((clip, clip), 8, 0, landmarks, 0.5, 0.25)
    batches = np.stack([sampler.batch_indices(step) for step in range(50)])
    pairs, turned, others = (batches[:, a:b].reshape(-1, 2) for a, b in ((0, 4), (4, 6), (6, 8)))
    assert (clip[pairs[:, 0]] == clip[pairs[:, 1]]).all() and (pairs != 7).all()
    assert (head[pairs[:, 0]] == head[pairs[:, 1]]).mean() > 0.95
    # Half of them show moving brows and half a moving mouth, though the mouth moves farther.
    for rows, part in ((batches[:, :2], brows), (batches[:, 2:4], mouth)):
        first, second = rows.reshape(-1, 2).T
        assert (part[first] != part[second]).mean() > 0.95
    assert (head[turned[:, 0]] != head[turned[:, 1]]).mean() > 0.95
    assert (mouth[turned[:, 0]] == mouth[turned[:, 1]]).mean() > 0.95
    assert (
        0.35 < (head[others[:, 0]] == head[others[:, 1]]).mean() < 0.65
        and (clip[others[:, 0]] == clip[others[:, 1]]).all()
    )
    # As many as of other pairs, and the same again in a step that is done again.
    assert sampler.steps_per_epoch == PairSampler((clip, clip), 8, 0).steps_per_epoch
    np.testing.assert_array_equal(sampler.batch_indices(49), batches[-1])
    whole = MovingPairSampler((clip, clip), 8, 0, landmarks, 1.0, 0.0).batch_indices(0)
    assert len(whole) == 8 and (brows[whole[:4, 0]] != brows[whole[:4, 1]]).all()
