"""The rendered picture, its labels and its flow, checked against each other and against independent readers."""

import cv2
import numpy as np
import pytest

from actionunits.aus import SYNTH_AUS
from actionunits.faces.pose import estimate_pose
from actionunits.synth.assets import Assets
from actionunits.synth.motion import sample_motion
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene
from actionunits.synth.staged import one_at_a_time, staged_motion

NEUTRAL = np.zeros((1, len(SYNTH_AUS)), np.float32)
EYE_CORNERS, NOSE_BASE, MOUTH_CORNERS = (36, 39, 42, 45), (33,), (48, 54)


def index(au):
    return SYNTH_AUS.index(au)


def driven(au, *levels):
    """Action units (T, A) of one action at these intensities."""
    drive = np.zeros((len(levels), len(SYNTH_AUS)), np.float32)
    drive[:, index(au)] = levels
    return drive


def ramp(low, high, count):
    return np.linspace(low, high, count)


@pytest.fixture(scope="module")
def moves(render):
    """How each action alone at full strength moves the landmarks of three people: (3, A, 68, 2), x right, y down,
    in units of the distance of the outer eye corners; and their neutral landmarks (3, 68, 2) in the same unit."""
    moved, neutral = [], []
    for person in range(3):
        points = render(staged_motion(one_at_a_time()), person).labels.landmarks_px
        unit = np.linalg.norm(points[0, 36] - points[0, 45])
        moved.append((points[1:] - points[0]) / unit)
        neutral.append(points[0] / unit)
    return np.array(moved), np.array(neutral)


def test_first_frame_of_every_clip_is_neutral(render):
    for person in range(6):
        for look in ("studio", "wild"):
            motion = sample_motion(np.random.default_rng(person), look, 12, 3.0, "balanced")
            labels = render(motion, person, look).labels
            for values in (labels.au_intensity, labels.au_left, labels.au_right):
                assert values.shape == (12, len(SYNTH_AUS)) and values[0].max() < 1e-4
            assert labels.au_intensity.max() > 1
            assert (labels.au_intensity == np.maximum(labels.au_left, labels.au_right)).all()


@pytest.mark.parametrize(
    ("au", "points", "axis", "sign", "least"),
    [
        (1, (20, 21, 22, 23), 1, -1, 0.03),  # inner brows up
        (2, (17, 18, 25, 26), 1, -1, 0.03),  # outer brows up
        (4, (19, 20, 21, 22, 23, 24), 1, 1, 0.02),  # brows down
        (5, (37, 38, 43, 44), 1, -1, 0.005),  # upper lids up
        (9, (31, 35), 1, -1, 0.01),  # wings of the nose up
        (10, (50, 52), 1, -1, 0.015),  # upper lip up
        (12, (48, 54), 1, -1, 0.04),  # mouth corners up
        (15, (48, 54), 1, 1, 0.03),  # mouth corners down
        (17, (57, 58, 56), 1, -1, 0.015),  # lower lip up
        (25, (65, 66, 67), 1, 1, 0.03),  # lower lip down
        (26, (7, 8, 9), 1, 1, 0.08),  # chin down
        (26, (65, 66, 67), 1, 1, 0.08),
        (45, (37, 38, 43, 44), 1, 1, 0.04),  # upper lids down
    ],
)
def test_an_action_moves_what_facs_says(moves, au, points, axis, sign, least):
    shift = sign * moves[0][:, index(au)][:, list(points), axis]
    assert shift.mean(1).min() > least
    assert shift.min() > 0


@pytest.mark.parametrize(("au", "least"), [(12, 0.04), (14, 0.01), (20, 0.08)])
def test_mouth_corners_move_outward(moves, au, least):
    wider = moves[0][:, index(au), 54, 0] - moves[0][:, index(au), 48, 0]
    assert wider.min() > least


def test_brows_draw_together_with_au4(moves):
    nearer = moves[0][:, index(4), 21, 0] - moves[0][:, index(4), 22, 0]
    assert nearer.min() > 0.005


def openings(points):
    """Mean height of the eyes (..., ) of landmarks (..., 68, 2)."""
    upper, lower = points[..., [37, 38, 43, 44], 1], points[..., [41, 40, 47, 46], 1]
    return (lower - upper).mean(-1)


def test_lids_open_narrow_and_close(moves):
    neutral = openings(moves[1])
    share = {au: openings(moves[1] + moves[0][:, index(au)]) / neutral for au in (5, 6, 7, 45)}
    assert share[5].min() > 1.08
    assert (share[7] < 0.85).all() and (share[7] > 0.2).all()
    assert (share[6] < 1.0).all() and (share[6] > 0.5).all()
    assert np.abs(share[45]).max() < 0.12


@pytest.mark.parametrize("au", [23, 24])
def test_tight_and_pressed_lips_get_thinner(moves, au):
    height = moves[1][:, 57, 1] - moves[1][:, 51, 1]
    change = moves[0][:, index(au), 57, 1] - moves[0][:, index(au), 51, 1]
    assert (change < -0.03 * height).all()


@pytest.mark.parametrize("au", [a for a in SYNTH_AUS if a not in (17, 23, 24, 25, 26)])
def test_a_one_sided_action_moves_its_own_side_alone(render, au):
    drive = driven(au, 0, 5)
    # Points well away from the midline, where the two sides pull at the same skin.
    left_points = [*range(11, 17), *range(22, 27), *range(42, 48), 53, 54, 55]
    right_points = [*range(6), *range(17, 22), *range(36, 42), 49, 48, 59]
    for left, right, own, other in (
        (drive, 0 * drive, left_points, right_points),
        (0 * drive, drive, right_points, left_points),
    ):
        labels = render(staged_motion(left, right)).labels
        moved = np.linalg.norm(labels.landmarks_px[1] - labels.landmarks_px[0], axis=1)
        assert moved[other].max() < 0.25 * moved[own].max()
        side = labels.au_left if own is left_points else labels.au_right
        assert side[1, index(au)] == labels.au_intensity[1, index(au)] == 5
    # The person's own left is the right of the picture.
    points = labels.landmarks_px[0]
    assert points[left_points, 0].mean() > points[right_points, 0].mean()


@pytest.mark.parametrize("au", SYNTH_AUS)
def test_stronger_actions_move_more_and_a_trace_is_visible(render, au):
    labels = render(staged_motion(driven(au, 0, 1, 2, 3, 4, 5)), 1).labels
    moved = np.linalg.norm(labels.landmarks_px[1:] - labels.landmarks_px[0], axis=2).max(1)
    assert (np.diff(moved) > 0).all()
    assert moved[0] > 0.1 * moved[-1]


@pytest.mark.parametrize(("au", "box"), [(6, (0.5, 1.1)), (9, (0.2, 1.0)), (14, (1.0, 1.8)), (24, (1.1, 1.7))])
def test_actions_that_move_few_landmarks_are_seen_in_the_picture(render, au, box):
    """box: rows below the eye line where most of the change must be, in units of half the outer eye distance."""
    renderer = render(staged_motion(driven(au, 0, 5)), 2, size=160)
    points = renderer.labels.landmarks_px[0]
    neutral, active = (cv2.blur(renderer.frame(k).astype(float).mean(2), (3, 3)) for k in (0, 1))
    change = np.abs(active - neutral)
    unit, eyes = np.linalg.norm(points[36] - points[45]) / 2, points[36:48, 1].mean()
    row = (np.arange(160) - eyes) / unit
    assert change[(row > box[0]) & (row < box[1])].mean() > 1.5 * change.mean()
    assert np.percentile(change, 99.5) > 12


def test_lips_part_label_is_the_gap_of_the_lips(render):
    drive = np.vstack([driven(au, *ramp(0, 5, 5)) for au in (25, 26, 10, 12, 24)])
    labels = render(staged_motion(drive), 1).labels
    inner = labels.landmarks_px
    gap = (inner[:, [67, 66, 65], 1] - inner[:, 61:64, 1]).mean(1)
    part = labels.au_intensity[:, index(25)]
    assert (labels.au_left[:, index(25)] == part).all() and (labels.au_right[:, index(25)] == part).all()
    visible = (part > 0.05) & (part < 4.95)
    assert visible.sum() >= 6
    assert np.corrcoef(gap[visible], part[visible])[0, 1] > 0.995
    assert part[4] > 3 and part[9] > 3, "parted lips, and a dropped jaw"
    assert part[20:].max() < 0.3, "pressed lips"
    assert (part[gap <= gap[0]] == 0).all()


def test_labels_but_that_of_parted_lips_are_the_drive(render):
    motion = sample_motion(np.random.default_rng(3), "studio", 20, 5.0, "balanced")
    labels = render(motion).labels
    others = [k for k, au in enumerate(SYNTH_AUS) if au != 25]
    np.testing.assert_array_equal(labels.au_left[:, others], motion.au_left[:, others])
    np.testing.assert_array_equal(labels.au_right[:, others], motion.au_right[:, others])


def test_exact_landmarks_give_back_the_pose(render):
    poses = np.array([(p, y, r) for p in (-15, 0, 15) for y in (-30, -10, 20) for r in (-12, 0, 12)], np.float32)
    found = np.empty((3, len(poses), 3))
    for person in range(3):
        for k, pose in enumerate(poses):
            labels = render(staged_motion(NEUTRAL, pose_deg=pose[None]), person).labels
            np.testing.assert_array_equal(labels.pose_deg[0], pose)
            found[person, k], _ = estimate_pose(labels.landmarks_px[0], (128, 128))
    # The mean head is fitted to other people's landmarks: pitch and yaw carry the difference in shape.
    error = np.abs(found - poses)
    assert (error.mean((0, 1)) < (3, 4, 1)).all() and error.max() < 7
    turned = np.abs(poses) >= 10
    assert (np.sign(found[:, turned]) == np.sign(poses[turned])).all()


def test_roll_turns_the_picture_clockwise(render):
    upright = render(staged_motion(NEUTRAL)).labels.landmarks_px[0]
    turned = render(staged_motion(NEUTRAL, pose_deg=[(0, 0, 25)])).labels.landmarks_px[0]
    angle, centre = np.radians(25), (128 - 1) / 2
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # y is down
    np.testing.assert_allclose(turned - centre, (upright - centre) @ rotation.T, atol=0.05)


def test_position_moves_and_scales_the_face_in_the_picture(render):
    centred = render(staged_motion(NEUTRAL)).labels.landmarks_px[0]
    moved = render(staged_motion(NEUTRAL, position=[(0.1, -0.05, 0.0)])).labels.landmarks_px[0]
    np.testing.assert_allclose((moved - centred).mean(0), (12.8, -6.4), rtol=0.03)
    nearer = render(staged_motion(NEUTRAL, position=[(0, 0, np.log(1.2))])).labels.landmarks_px[0]
    np.testing.assert_allclose(np.ptp(nearer, axis=0) / np.ptp(centred, axis=0), 1.2, rtol=0.01)


def test_a_larger_picture_shows_the_same_face(render):
    motion = sample_motion(np.random.default_rng(0), "studio", 4, 4.0)
    small, large = (render(motion, size=size) for size in (96, 192))
    expected = (large.labels.landmarks_px + 0.5) / 2 - 0.5
    np.testing.assert_allclose(small.labels.landmarks_px, expected, atol=0.01)
    halved = large.frame(3).reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert np.abs(halved - small.frame(3)).mean() < 6


def test_box_holds_the_face(render):
    labels = render(sample_motion(np.random.default_rng(0), "wild", 6, 2.0), 1, "wild").labels
    left, top, right, bottom = labels.box_xyxy_px.T[:, :, None]
    x, y = labels.landmarks_px[..., 0], labels.landmarks_px[..., 1]
    assert ((x >= left) & (x <= right) & (y >= top) & (y <= bottom)).all()
    # It ends little below the chin, not at the shoulders.
    assert (bottom[:, 0] - y.max(1) < 0.15 * (bottom - top)[:, 0]).all()


def test_eyes_look_where_the_label_says(render):
    gaze = np.array([(0, 0), (25, 0), (-25, 0)], np.float32)
    renderer = render(staged_motion(np.repeat(NEUTRAL, 3, 0), gaze_deg=gaze), 0, size=256)
    points = renderer.labels.landmarks_px[0]
    np.testing.assert_array_equal(renderer.labels.gaze_deg, gaze)
    places = []
    for k in range(3):
        grey = renderer.frame(k).mean(2)
        row = []
        for eye in (points[36:42], points[42:48]):
            (left, top), (right, bottom) = eye.min(0), eye.max(0)
            window = grey[round(top) + 1 : round(bottom), round(left) + 3 : round(right) - 2]
            dark = np.clip(np.percentile(window, 60) - window, 0, None)
            row.append((dark.sum(0) * np.arange(window.shape[1])).sum() / dark.sum() / window.shape[1])
        places.append(row)
    ahead, left, right = np.array(places)
    assert (left > ahead + 0.05).all() and (right < ahead - 0.05).all()


def test_any_order_of_frames_gives_the_same_pictures(render):
    motion = sample_motion(np.random.default_rng(1), "wild", 5, 5.0)
    first, second = render(motion, 4, "wild"), render(motion, 4, "wild")
    forward = [first.frame(k) for k in range(5)]
    backward = [second.frame(k) for k in reversed(range(5))][::-1]
    np.testing.assert_array_equal(forward, backward)
    assert forward[0].dtype == np.uint8 and forward[0].shape == (128, 128, 3)
    assert (forward[0] != forward[4]).mean() > 0.05


@pytest.fixture
def dressed(casting, assets_dir):
    """Renderer of a photographed person in photographed surroundings, moved as given."""
    assets = Assets(assets_dir)

    def make(motion):
        for seed in range(100):
            rng = np.random.default_rng((9, seed))
            person, scene = casting.sample(rng, assets), sample_scene(rng, "studio", 96, 1.0, assets)
            if person.skin.photographed and scene.environment and person.lenses is None:
                return ClipRenderer(person, scene, motion, 96, rng)
        raise AssertionError("nobody is photographed")

    return make


def test_photographed_people_move_and_are_the_same_each_time(dressed):
    drive = np.vstack([NEUTRAL, driven(45, 5), driven(12, 5)])
    renderer, again = dressed(staged_motion(drive)), dressed(staged_motion(drive))
    frames = [renderer.frame(k).astype(float) for k in range(3)]
    for k in (2, 0, 1):
        np.testing.assert_array_equal(again.frame(k), frames[k])
    # Closed lids cover the eyes with skin.
    eyes = renderer.labels.landmarks_px[0, 36:48].round().astype(int)
    window = np.s_[eyes[:, 1].min() : eyes[:, 1].max() + 1, eyes[:, 0].min() : eyes[:, 0].max() + 1]
    assert np.abs(frames[1] - frames[0])[window].mean() > 2 * np.abs(frames[1] - frames[0]).mean()


def test_where_there_are_assets_some_people_and_most_scenes_are_photographed(casting, assets_dir):
    assets, rng = Assets(assets_dir), np.random.default_rng(0)
    people = [casting.sample(rng, assets).skin.photographed for _ in range(10)]
    scenes = [bool(sample_scene(rng, "wild", 32, 1.0, assets).sources) for _ in range(40)]
    assert 0 < np.mean(people) < 1 and 0.5 < np.mean(scenes) < 0.95


def test_without_assets_nobody_is_photographed(people, render):
    assert not any(person.skin.photographed or person.skin.eye_disc.size for person in people)
    renderer = render(staged_motion(NEUTRAL))
    assert renderer.scene.environment is None and not renderer.scene.sources


def test_people_scenes_and_looks_differ(render):
    still = staged_motion(NEUTRAL)
    faces = [render(still, person, look).frame(0).astype(float) for person in range(3) for look in ("studio", "wild")]
    for a in range(6):
        for b in range(a):
            assert np.abs(faces[a] - faces[b]).mean() > 8


def sampled(field, points):
    """Bilinear values (N, C) of a field (H, W, C) at pixels (N, 2)."""
    x0, y0 = np.floor(points).astype(int).T
    fx, fy = (points - np.floor(points)).T[..., None]
    upper = field[y0, x0] * (1 - fx) + field[y0, x0 + 1] * fx
    lower = field[y0 + 1, x0] * (1 - fx) + field[y0 + 1, x0 + 1] * fx
    return upper * (1 - fy) + lower * fy


def test_flow_carries_landmarks_to_where_they_are_in_the_other_frame(render):
    for person, look in ((0, "studio"), (5, "wild")):
        motion = sample_motion(np.random.default_rng(6 + person), look, 16, 4.0, "balanced")
        renderer = render(motion, person, look)
        points = renderer.labels.landmarks_px
        for k, j in ((0, 11), (15, 0)):
            flow, valid = renderer.flow(k, j)
            inside = ((points[k] > 1) & (points[k] < 126)).all(1)
            seen = inside & (sampled(valid[..., None].astype(float), np.clip(points[k], 1, 126))[:, 0] == 1)
            # Lids, inner lips and jaw lie at edges, where the pixel beside a landmark belongs to something else.
            seen[[*range(17), *range(36, 48), *range(60, 68)]] = False
            # So does the outline of lips that are drawn in to a pixel's breadth.
            drawn_in = renderer.labels.au_intensity[[k, j]][:, [index(14), index(23), index(24)]].max() > 1
            seen[48:60] &= not drawn_in
            assert seen.sum() > 15
            error = np.linalg.norm(points[k][seen] + sampled(flow, points[k][seen]) - points[j][seen], axis=1)
            assert np.median(error) < 0.1 and error.max() < 0.6
            assert np.linalg.norm(points[j] - points[k], axis=1).max() > 2, "the face moved"


def test_flow_between_equal_frames_is_zero(render):
    renderer = render(staged_motion(driven(12, 0, 3, 3)))
    for k, j in ((1, 1), (1, 2)):
        flow, valid = renderer.flow(k, j)
        np.testing.assert_allclose(flow, 0, atol=1e-3)
        assert valid.mean() > 0.2


def test_flow_moves_the_person_and_leaves_the_background(render):
    position = [(0, 0, 0), (0.05, 0.025, 0)]
    renderer = render(staged_motion(np.repeat(NEUTRAL, 2, 0), position=position))
    flow, valid = renderer.flow(0, 1)
    centre = tuple(renderer.labels.landmarks_px[0, 30].round().astype(int)[::-1])
    np.testing.assert_allclose(flow[centre], (6.4, 3.2), rtol=0.1)
    assert not flow[:10, :5].any() and not valid[:10, :5].any()
    moved = valid & (np.abs(flow[..., 0] - 6.4) < 1.5)
    assert moved.sum() > 0.6 * valid.sum()


def test_warping_by_the_flow_brings_one_frame_to_the_other(render):
    drive = driven(12, 0, 4)
    pose = [(0, 0, 0), (4, 8, 3)]
    renderer = render(staged_motion(drive, pose_deg=pose), 1, size=160)
    first, second = renderer.frame(0), renderer.frame(1)
    flow, valid = renderer.flow(0, 1)
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(160)), -1).astype(np.float32)
    warped = cv2.remap(second, grid + flow, None, cv2.INTER_LINEAR)
    before = np.abs(second.astype(float) - first)[valid].mean()
    after = np.abs(warped.astype(float) - first)[valid].mean()
    assert after < 0.5 * before


def test_mediapipe_finds_the_landmarks_where_the_labels_are(render):
    from actionunits.faces import FaceFinder
    from actionunits.types import Frame

    errors = []
    with FaceFinder(video=False) as finder:
        for person in range(6):
            renderer = render(staged_motion(NEUTRAL), person, size=256)
            (face,) = finder(Frame(renderer.frame(0), 0, 0.0, "render"))
            exact = renderer.labels.landmarks_px[0]
            distance = np.linalg.norm(face.landmarks_px - exact, axis=1)
            errors.append(distance / np.linalg.norm(exact[36] - exact[45]))
            left, top, right, bottom = renderer.labels.box_xyxy_px[0]
            x, y = face.box_xyxy_px.reshape(2, 2).mean(0)
            assert left < x < right and top < y < bottom
    mean = np.mean(errors, axis=0)
    # MediaPipe's mouth corners and nose base are not quite the Multi-PIE ones.
    assert mean[list(EYE_CORNERS)].max() < 0.03
    assert mean[[*EYE_CORNERS, *NOSE_BASE, *MOUTH_CORNERS]].mean() < 0.03
    assert mean[list(MOUTH_CORNERS)].max() < 0.05
