from dataclasses import replace

import numpy as np
import pytest

from actionunits.synth.scene import Occluder, develop, draw_occluder, expose, sample_scene, sample_sensor


@pytest.fixture
def sensor():
    """A camera without noise, blur or colour of its own."""
    return replace(
        sample_sensor(np.random.default_rng(0), wild=False),
        white_balance=np.ones(3, np.float32),
        contrast=1.0,
        saturation=1.0,
        blur_px=0.0,
        noise=0.0,
    )


@pytest.fixture
def hand():
    line = np.array([(0.0, 0.0), (0.0, 1.0)])
    return Occluder(((line, 0.1),), np.array([200.0, 120, 80]), np.zeros(2), np.array([0.0, 2.0]), 1.0, 3.0)


def drawn(hand, time_s):
    image = np.full((64, 64, 3), 50, np.float32)
    draw_occluder(image, hand, time_s, np.array([32.0, 32.0]), 32.0)
    return image


def test_an_occluder_comes_stays_and_goes(hand):
    area = {t: int((drawn(hand, t) != 50).any(-1).sum()) for t in (0.9, 1.0, 1.25, 1.5, 2.0, 2.6, 2.8, 3.1)}
    assert area[0.9] == area[3.1] == 0
    assert area[1.0] < area[1.25] < area[1.5] == area[2.0] == area[2.6] > area[2.8]
    assert (drawn(hand, 2.0)[40, 32] == hand.colour_srgb).all()


def test_brighter_light_gives_brighter_greys(sensor):
    light = np.repeat(np.linspace(0, 4, 40, dtype=np.float32)[None, :, None], 40, 0).repeat(3, 2)
    grey = expose(light, sensor, gain=0.5)
    assert (np.diff(grey[0, :, 0]) >= 0).all() and grey.max() <= 255
    assert (expose(light, sensor, gain=1.0) >= grey).all()
    np.testing.assert_allclose(grey[0, 10], 255 * (0.5 * light[0, 10]) ** (1 / 2.2), rtol=1e-5)


def test_a_camera_without_colour_sees_everything_grey(sensor, hand):
    picture = develop(drawn(hand, 2.0), replace(sensor, saturation=0.0), np.random.default_rng(0))
    assert picture.dtype == np.uint8
    assert np.ptp(picture.astype(int), axis=-1).max() == 0
    assert np.ptp(develop(drawn(hand, 2.0), sensor, np.random.default_rng(0)).astype(int), axis=-1).max() > 50


@pytest.mark.parametrize(
    "change", [{"noise": 5.0}, {"blur_px": 1.2}, {"detail": 0.5}, {"contrast": 1.3}, {"jpeg_quality": 35}]
)
def test_every_fault_of_a_camera_changes_the_picture_but_little(sensor, hand, change):
    plain = develop(drawn(hand, 2.0), sensor, np.random.default_rng(0)).astype(float)
    faulty = develop(drawn(hand, 2.0), replace(sensor, **change), np.random.default_rng(0))
    assert 0 < np.abs(faulty - plain).mean() < 40


@pytest.mark.parametrize("look", ["studio", "wild"])
def test_scenes_of_a_look_stay_in_its_ranges(look):
    scenes = [sample_scene(np.random.default_rng(k), look, 64, 2.0) for k in range(60)]
    for scene in scenes:
        np.testing.assert_allclose(np.linalg.norm(scene.lights.direction, axis=1), 1, rtol=1e-5)
        assert scene.background.shape == (64, 64, 3) and scene.background.dtype == np.float32
        assert scene.background.min() >= 0 and scene.background.max() <= 2
    covered = np.mean([bool(scene.occluders) for scene in scenes])
    clutter = np.mean([scene.background.std(axis=1).mean() > 0.01 for scene in scenes])
    key_from_the_side = np.max([abs(scene.lights.direction[0, 0]) for scene in scenes])
    if look == "studio":
        assert covered == clutter == 0 and key_from_the_side < 0.7
    else:
        assert 0.1 < covered < 0.5 and clutter > 0.5 and key_from_the_side > 0.8
