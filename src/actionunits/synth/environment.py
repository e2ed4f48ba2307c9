"""Light and background from one environment: a picture of the radiance from all directions around the head.

Diffuse light follows nine spherical harmonics (R. Ramamoorthi & P. Hanrahan, *An Efficient Representation for
Irradiance Environment Maps*, SIGGRAPH 2001); a sun or lamp that is too small and bright for them becomes a
directional light. Reflections are looked up in square maps of all directions (octahedral: C. Cigolle et al., *A
Survey of Efficient Representations for Independent Unit Vectors*, JCGT 2014), blurred as rough surfaces blur them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actionunits.synth.assets import Assets

ROUGH_SIDE, MIRROR_SIDE = 32, 96
ROUGH_SHARPNESS, MIRROR_BLUR_PX = 9.0, 0.8
LAMP_FROM = 25.0  # times the mean radiance: what is brighter becomes a directional light
LAMP_HALF_ANGLE_DEG = 20.0
MOST_LAMPS = 2
_LUMA = np.array([0.3, 0.6, 0.1], np.float32)
_COSINE = np.array([1, *[2 / 3] * 3, *[1 / 4] * 5], np.float32)  # the cosine's share of each harmonic, over pi


@dataclass(frozen=True)
class Environment:
    """Light from all around, camera space. The maps carry a border of one texel that continues them."""

    harmonics: np.ndarray  # (9, 3) float32: diffuse light for a unit normal, over pi
    rough: np.ndarray  # (ROUGH_SIDE + 2, ROUGH_SIDE + 2, 3) float32
    mirror: np.ndarray  # (MIRROR_SIDE + 2, MIRROR_SIDE + 2, 3) float32


@dataclass(frozen=True)
class Surroundings:
    """An environment, the lamps that were taken out of it, and what is seen behind the head."""

    name: str
    environment: Environment
    direction: np.ndarray  # (K, 3) float32 unit vectors toward the lamps
    colour: np.ndarray  # (K, 3) float32
    background: np.ndarray  # (S, S, 3) float32 linear


def harmonics_of(normals: np.ndarray) -> np.ndarray:
    """The nine real spherical harmonics (..., 9) of unit vectors (..., 3)."""
    x, y, z = np.moveaxis(normals, -1, 0)
    one = np.ones_like(x)
    return np.stack(
        [
            0.282095 * one,
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=-1,
    )


def sample_surroundings(rng: np.random.Generator, assets: Assets, wild: bool, size: int) -> Surroundings:
    """Draw an environment, its turn about the vertical axis and its tint; `size` is that of the background."""
    name = sorted(assets.environments)[rng.integers(len(assets.environments))]
    radiance = assets.environments[name].astype(np.float32)
    panorama = assets.panorama(name)
    # In a studio the light comes rather from the front.
    turns = rng.random(1 if wild else 3)
    turn = max(turns, key=lambda t: _light_on_face(_turned(radiance, t)) @ _LUMA)
    flip, tint = rng.random() < 0.5, np.exp(rng.normal(0, 0.06 if wild else 0.03, 3)).astype(np.float32)
    radiance = _turned(radiance, turn, flip)
    radiance /= max(float((radiance @ _LUMA * _solid_angles(*radiance.shape[:2])).sum() / (4 * np.pi)), 1e-6)
    # A camera's white balance takes away most of the light's colour.
    front = _light_on_face(radiance)
    tint = (front @ _LUMA / np.maximum(front, 1e-6)) ** np.float32(rng.uniform(0.6, 0.9)) * tint
    radiance *= tint
    rest, direction, colour = _lamps(radiance)
    environment = build_environment(rest)
    if panorama is None:
        panorama = radiance
    else:
        panorama = _turned(panorama, turn, flip) * tint
        panorama *= np.median(radiance @ _LUMA) / max(float(np.median(panorama @ _LUMA)), 1e-3)
    background = _background(rng, panorama, size)
    # A camera exposes for the face: what is behind it may be brighter than a white wall in its light, but not much.
    facing = np.array([0.0, 0.0, 1.0], np.float32)
    light = float((harmonics_of(facing) @ environment.harmonics + np.maximum(direction @ facing, 0) @ colour) @ _LUMA)
    background *= min(1.0, 1.3 * max(light, 0.05) / max(float((background @ _LUMA).mean()), 1e-6))
    if not wild:
        colour *= 0.6
    if rng.random() < 0.25:  # one hard lamp beside what is left of the surroundings
        side, height = np.radians(rng.uniform(-70, 70)), np.radians(rng.uniform(0, 50))
        toward = [np.sin(side) * np.cos(height), np.sin(height), np.cos(side) * np.cos(height)]
        environment = Environment(*(0.35 * v for v in (environment.harmonics, environment.rough, environment.mirror)))
        warm = rng.normal(0, 0.1)
        lamp = light * rng.uniform(0.4, 0.9) * np.array([1 + warm, 1.0, 1 - warm])
        direction = np.vstack([direction[:0], toward]).astype(np.float32)
        colour = np.vstack([colour[:0], lamp]).astype(np.float32)
    return Surroundings(name, environment, direction, colour, background)


def sky_and_ground(sky: np.ndarray, ground: np.ndarray) -> Environment:
    """The environment of a plain sky (3,) over a plain ground (3,)."""
    height = directions_of(64, 128)[..., 1:2]
    return build_environment((ground + (0.5 + 0.5 * height) * (sky - ground)).astype(np.float32))


def build_environment(radiance: np.ndarray) -> Environment:
    """Harmonics and blurred maps of a picture (H, W, 3) of the radiance from all directions."""
    directions, angles = directions_of(*radiance.shape[:2]), _solid_angles(*radiance.shape[:2])
    weighted = (radiance * angles[..., None]).reshape(-1, 3)
    harmonics = harmonics_of(directions).reshape(-1, 9).T @ weighted * _COSINE[:, None]
    coarse = cv2.resize(radiance, (48, 24), interpolation=cv2.INTER_AREA)
    toward, share = directions_of(24, 48).reshape(-1, 3), _solid_angles(24, 48).reshape(-1)
    targets = _square_directions(ROUGH_SIDE)
    lobe = np.exp(ROUGH_SHARPNESS * (targets.reshape(-1, 3) @ toward.T - 1)) * share
    rough = (lobe @ coarse.reshape(-1, 3)) / lobe.sum(1, keepdims=True)
    soft = cv2.GaussianBlur(radiance, (0, 0), MIRROR_BLUR_PX)
    mirror = _look_up(soft, _square_directions(MIRROR_SIDE))
    return Environment(
        harmonics.astype(np.float32), rough.reshape(targets.shape).astype(np.float32), mirror.astype(np.float32)
    )


def directions_of(height: int, width: int) -> np.ndarray:
    """Unit vectors (H, W, 3) of the pixels of a panorama; its middle is -z, its right half x > 0."""
    polar = (np.arange(height) + 0.5) / height * np.pi
    around = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    polar, around = np.meshgrid(polar, around, indexing="ij")
    return np.stack([np.sin(polar) * np.sin(around), np.cos(polar), -np.sin(polar) * np.cos(around)], axis=-1).astype(
        np.float32
    )


def _solid_angles(height: int, width: int) -> np.ndarray:
    polar = (np.arange(height) + 0.5) / height * np.pi
    return np.repeat(np.sin(polar)[:, None], width, 1).astype(np.float32) * np.float32(2 * np.pi**2 / height / width)


def _turned(panorama: np.ndarray, turn: float, flip: bool = False) -> np.ndarray:
    """A panorama turned by a share of a full circle, mirrored if asked."""
    rolled = np.roll(panorama, int(turn * panorama.shape[1]), axis=1)
    return rolled[:, ::-1] if flip else rolled


def _light_on_face(radiance: np.ndarray) -> np.ndarray:
    """Diffuse light (3,) on a face that looks at the camera, over pi."""
    weight = _solid_angles(*radiance.shape[:2]) * np.maximum(directions_of(*radiance.shape[:2])[..., 2], 0) / np.pi
    return (radiance * weight[..., None]).sum((0, 1))


def _lamps(radiance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A panorama of mean radiance 1 without its brightest spots, and these as lights: (H, W, 3), (K, 3), (K, 3)."""
    directions, angles = directions_of(*radiance.shape[:2]), _solid_angles(*radiance.shape[:2])
    luma = radiance @ _LUMA
    excess = np.maximum(1 - LAMP_FROM / np.maximum(luma, 1e-6), 0)[..., None] * radiance
    rest = radiance - excess
    toward, colours = [], []
    for _ in range(MOST_LAMPS):
        brightness = excess @ _LUMA * angles
        peak = directions.reshape(-1, 3)[brightness.argmax()]
        near = directions @ peak > np.cos(np.radians(LAMP_HALF_ANGLE_DEG))
        light = (excess * (angles * near)[..., None]).sum((0, 1)) / np.pi
        if light @ _LUMA < 0.05:
            break
        mean = (directions * (brightness * near)[..., None]).sum((0, 1))
        toward.append(mean / np.linalg.norm(mean))
        colours.append(light)
        excess = np.where(near[..., None], 0, excess)
    return (
        np.ascontiguousarray(rest),
        np.array(toward, np.float32).reshape(-1, 3),
        np.array(colours, np.float32).reshape(-1, 3),
    )


def _square_directions(side: int) -> np.ndarray:
    """Unit vectors (side + 2, side + 2, 3) of an octahedral map with a border; its middle is +z, its corners -z."""
    step = (np.arange(-1, side + 1) + 0.5) / side * 2 - 1
    u, v = np.meshgrid(step, step)
    # Beyond an edge the map goes on with what lies point-symmetrically along that edge.
    beyond_u, beyond_v = np.abs(u) > 1, np.abs(v) > 1
    u, v = np.where(beyond_u, np.sign(u) * 2 - u, u), np.where(beyond_u, -v, v)
    u, v = np.where(beyond_v, -u, u), np.where(beyond_v, np.sign(v) * 2 - v, v)
    z = 1 - np.abs(u) - np.abs(v)
    fold = np.maximum(-z, 0)
    x, y = u - np.where(u >= 0, fold, -fold), v - np.where(v >= 0, fold, -fold)
    vectors = np.stack([x, y, z], axis=-1)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _look_up(panorama: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Bilinear values (N, M, 3) of a panorama in directions (N, M, 3)."""
    height, width = panorama.shape[:2]
    around = np.arctan2(directions[..., 0], -directions[..., 2])
    polar = np.arccos(np.clip(directions[..., 1], -1, 1))
    x = ((around + np.pi) / (2 * np.pi) * width - 0.5).astype(np.float32)
    y = np.clip(polar / np.pi * height - 0.5, 0, height - 1).astype(np.float32)
    return cv2.remap(panorama, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _background(rng: np.random.Generator, panorama: np.ndarray, size: int) -> np.ndarray:
    """What a camera sees behind the head, out of focus, (S, S, 3)."""
    half = np.tan(np.radians(rng.uniform(25, 60)) / 2)
    step = ((np.arange(size) + 0.5) / size * 2 - 1) * half
    x, y = np.meshgrid(step, -step)
    tilt = np.radians(rng.uniform(-12, 8))
    rays = np.stack([x, y * np.cos(tilt) + np.sin(tilt), y * np.sin(tilt) - np.cos(tilt)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    seen = _look_up(np.ascontiguousarray(panorama), rays.astype(np.float32))
    return cv2.GaussianBlur(np.minimum(seen, 30.0), (0, 0), rng.uniform(0.006, 0.03) * size).astype(np.float32)
