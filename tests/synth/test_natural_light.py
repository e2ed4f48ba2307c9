import numpy as np
import pytest

from actionunits.synth import natural_light, raster
from actionunits.synth.environment import sky_and_ground

WHITE = sky_and_ground(np.ones(3, np.float32), np.ones(3, np.float32))
DARKNESS = sky_and_ground(np.zeros(3, np.float32), np.zeros(3, np.float32))


def test_matt_things_in_even_light_show_their_albedo(shade):
    image, covered = shade(raster.CLOTH, (0, 0, 1), light=0.0, environment=WHITE)
    np.testing.assert_allclose(image[covered], 0.5, rtol=0.02)
    assert not image[~covered].any()


def test_light_of_an_environment_comes_from_its_side(shade):
    sky = sky_and_ground(np.ones(3, np.float32), np.zeros(3, np.float32))
    image, _ = shade(raster.CLOTH, (0, 0, 1), light=0.0, environment=sky)
    assert image[:32].sum() > 1.5 * image[32:].sum()
    assert image[32, 32] == pytest.approx([0.25] * 3, rel=0.02)


def test_dark_skin_does_not_shine_more_than_light_skin(shade):
    shine = {}
    for albedo in (0.05, 0.5):
        image, _ = shade(raster.SKIN, (0, 0, 1), light=0.0, albedo=albedo, gloss=1.0, environment=WHITE)
        shine[albedo] = (image[32, 32] - albedo).mean()
    assert 0 < shine[0.05] < 0.5 * shine[0.5]


def test_red_light_reaches_further_into_the_shadow_than_blue(shade):
    image, covered = shade(raster.SKIN, (1, 0, 0), environment=DARKNESS)
    row = image[32, covered[32]]
    shadow = row[: len(row) // 2 - 3]
    assert shadow[..., 0].sum() > 2 * shadow[..., 2].sum()
    # Scattering moves light and does not make it.
    assert image[..., 0].sum() == pytest.approx(image[..., 2].sum(), rel=0.05)


def test_photographed_eyes_are_seen_along_the_gaze(shade):
    disc = np.full((64, 64, 3), 0.6, np.float32)
    disc[24:40, 24:40] = (0.0, 0.0, 0.6)
    for gaze in ((0, 0, 1.0), (0.3, 0.2, np.sqrt(1 - 0.13))):
        image, covered = shade(raster.EYE_L, (0, 0, 1), light=0.0, gaze=gaze, eye_disc=disc, environment=WHITE)
        y, x = np.nonzero(covered & (image[..., 2] > 2 * image[..., 0]))
        centre = 10 * np.cos(0.4) * np.array(gaze)  # of the iris, from that of the sphere
        expected = centre[:2] * (1, -1) * 150 / (60 - centre[2])
        assert np.hypot(*([x.mean() - 31.5, y.mean() - 31.5] - expected)) < 1.5


def test_light_that_arrives_is_the_share_that_is_not_blocked():
    directions = np.float32([[0, 0], [1, -1], [0, 0]])  # from above and from below
    normals = np.float32([[0, 1, 0], [0, -1, 0], [0, 1, 0]])
    reached = np.float32([[1, 0], [1, 0], [0, 1]])
    out = np.empty(3, np.float32)
    natural_light.arriving(normals, reached, directions, np.ones(2, np.float32), out)
    np.testing.assert_allclose(out, [1, 0, 0], atol=1e-6)
