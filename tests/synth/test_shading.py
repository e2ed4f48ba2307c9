import numpy as np
import pytest

from actionunits.synth import raster


def test_matt_skin_follows_the_cosine_law(shade):
    image, covered = shade(raster.SKIN, (0, 0, 1))
    assert image[32, 32] == pytest.approx([0.5] * 3, rel=0.01)
    y, x = np.nonzero(covered)
    # Where the ray of a pixel meets the sphere: |t d - c| = r.
    ray = np.c_[(x - 31.5) / 150, -(y - 31.5) / 150, -np.ones(len(x))]
    a, b, c = (ray**2).sum(1), -2 * ray @ [0, 0, -60], 60**2 - 10**2
    root = b * b - 4 * a * c
    hit = root > 100  # away from the outline
    t = (-b[hit] - np.sqrt(root[hit])) / (2 * a[hit])
    cosine = (t[:, None] * ray[hit] - [0, 0, -60])[:, 2] / 10
    np.testing.assert_allclose(image[y[hit], x[hit], 1], 0.5 * np.clip(cosine, 0, None), atol=0.02)
    assert not image[~covered].any()


def test_light_from_the_left_and_from_above_lights_that_side(shade):
    left, covered = shade(raster.SKIN, (-1, 0, 0))
    above, _ = shade(raster.SKIN, (0, 1, 0))
    assert left[:, :32].sum() > 10 * left[:, 32:].sum()
    assert above[:32].sum() > 10 * above[32:].sum()
    np.testing.assert_allclose(left.sum(), above.sum(), rtol=0.02)
    assert covered.any()


def test_light_that_does_not_arrive_leaves_only_the_sky(shade):
    dark, covered = shade(raster.SKIN, (0, 0, 1), sky=0.3, visible=0.0)
    np.testing.assert_allclose(dark[covered], 0.15, rtol=1e-4)


def test_red_light_wraps_further_around_skin(shade):
    image, _ = shade(raster.SKIN, (1, 0, 0), wrap=0.4)
    shadow = image[32, 28]
    assert shadow[0] > shadow[1] > 0


def test_iris_and_pupil_lie_on_the_gaze_axis(shade):
    for gaze in ((0, 0, 1.0), (0.3, 0.2, np.sqrt(1 - 0.13))):
        image, covered = shade(raster.EYE_L, (0, 0, 1), light=0.0, sky=1.0, gaze=gaze)
        iris = covered & (image[..., 2] > 1.5 * image[..., 0])
        pupil = covered & (image.max(-1) < 0.02)
        for part, radius in ((iris, 0.4), (pupil, 0.15)):
            y, x = np.nonzero(part)
            centre = 10 * np.cos(radius) * np.array(gaze)  # of the circle, from that of the sphere
            expected = centre[:2] * (1, -1) * 150 / (60 - centre[2])
            assert np.hypot(*([x.mean() - 31.5, y.mean() - 31.5] - expected)) < 1
        assert pupil.sum() < 0.5 * iris.sum() and iris.sum() < 0.3 * covered.sum()
        white = covered & ~iris & ~pupil
        assert (image[white][:, 0] > 0.4).mean() > 0.95


def test_gloss_adds_a_highlight_between_light_and_camera(shade):
    matt, _ = shade(raster.SKIN, (0.6, 0, 0.8))
    shiny, _ = shade(raster.SKIN, (0.6, 0, 0.8), gloss=1.0)
    added = (shiny - matt)[..., 1]
    assert added.min() > -1e-6
    y, x = np.unravel_index(added.argmax(), added.shape)
    assert abs(y - 31.5) < 3 and 34 < x < 46
