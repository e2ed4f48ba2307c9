import numpy as np
import pytest

from actionunits.synth import natural_light
from actionunits.synth.assets import Assets
from actionunits.synth.environment import (
    build_environment,
    directions_of,
    harmonics_of,
    sample_surroundings,
    sky_and_ground,
)


def on_sphere(count):
    vectors = np.random.default_rng(0).standard_normal((count, 3))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def diffuse(radiance, normals):
    """Light on surfaces by summing up every pixel of a panorama, over pi."""
    height, width = radiance.shape[:2]
    angle = np.sin((np.arange(height) + 0.5) / height * np.pi) * 2 * np.pi**2 / height / width
    facing = np.maximum(normals @ directions_of(height, width).reshape(-1, 3).T, 0)
    return facing @ (radiance * angle[:, None, None]).reshape(-1, 3) / np.pi


def test_harmonics_give_the_diffuse_light_of_a_smooth_environment():
    way = directions_of(64, 128)
    radiance = np.stack([1 + way[..., 0], 1 + way[..., 1] * way[..., 2], 2 - way[..., 2] ** 2], -1)
    normals = on_sphere(50)
    light = harmonics_of(normals) @ build_environment(radiance.astype(np.float32)).harmonics
    np.testing.assert_allclose(light, diffuse(radiance, normals), atol=0.01)


def test_a_plain_sky_over_a_plain_ground_is_as_bright_as_the_lamps_renderer_has_it():
    sky, ground = np.float32([0.5, 0.6, 0.8]), np.float32([0.3, 0.2, 0.1])
    normals = np.float32([[0, 1, 0], [0, -1, 0], [0, 0, 1]])
    light = harmonics_of(normals) @ sky_and_ground(sky, ground).harmonics
    middle = (sky + ground) / 2
    np.testing.assert_allclose(light[2], middle, atol=0.01)
    np.testing.assert_allclose(light[:2], [middle + (sky - ground) / 3, middle - (sky - ground) / 3], atol=0.01)


def test_maps_are_looked_up_where_the_panorama_has_the_direction():
    way = directions_of(64, 128)
    radiance = np.repeat(1 + 0.9 * way @ np.float32([0.6, 0.0, -0.8])[:, None], 3, -1)
    normals = on_sphere(200)
    found = natural_light.brightness(build_environment(radiance), normals) / 0.9
    expected = 1 + 0.9 * normals @ [0.6, 0.0, -0.8]
    # The lobe of the map takes the contrast down by a share that is the same everywhere.
    slope, base = np.polyfit(expected - 1, found - 1, 1)
    assert 0.8 < slope < 1 and abs(base) < 0.02
    np.testing.assert_allclose(found - 1, slope * (expected - 1), atol=0.03)


def test_a_sun_becomes_a_lamp_and_the_light_stays_the_same(assets_dir):
    assets = Assets(assets_dir)
    for seed in range(30):
        around = sample_surroundings(np.random.default_rng(seed), assets, True, 32)
        if around.name == "overcast" or around.environment.harmonics[0].mean() < 0.5 * 3.5449:
            continue  # without a sun, or dimmed beside a lamp
        facing = around.direction[0]
        assert len(around.direction) == 1 and np.linalg.norm(facing) == pytest.approx(1, abs=1e-5)
        sun = around.colour[0].mean()
        # One pixel of 4000 in row 20 among ones, by its solid angle.
        angle = np.sin(20.5 / 64 * np.pi) * 2 * np.pi**2 / 64 / 128
        assert sun / (harmonics_of(facing) @ around.environment.harmonics).mean() == pytest.approx(
            4000 * angle / np.pi, rel=0.1
        )
        return
    pytest.fail("no sun in 30 draws")


def test_surroundings_follow_their_seed_and_the_background_shows_them(assets_dir):
    assets = Assets(assets_dir)
    first, again, other = (sample_surroundings(np.random.default_rng(seed), assets, False, 48) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.background, again.background)
    np.testing.assert_array_equal(first.environment.mirror, again.environment.mirror)
    assert first.background.shape == (48, 48, 3) and (first.background > 0).all()
    assert (first.environment.harmonics != other.environment.harmonics).any()
