"""Light, camera, background, occluding objects and the camera's sensor: what surrounds a rendered head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from actionunits.synth.assets import Assets
from actionunits.synth.environment import Environment, sample_surroundings

SURROUNDED_SHARE = 0.75  # of the clips whose light and background come from an environment, where there are assets
SHOULDER, SOFT_SHOULDER = 0.7, 0.5  # brightness from which the tone curve bends

Look = Literal["studio", "wild"]


@dataclass(frozen=True)
class Lights:
    """Directional lights and ambient light; directions in camera space, x right, y up, z to the camera."""

    direction: np.ndarray  # (K, 3) float32 unit vectors toward the light
    colour: np.ndarray  # (K, 3) float32 linear
    sky: np.ndarray  # (3,) float32
    ground: np.ndarray  # (3,) float32


@dataclass(frozen=True)
class Sensor:
    """What the camera does to the light; constant over a clip."""

    exposure: float  # linear brightness that the face's mean is brought to
    white_balance: np.ndarray  # (3,)
    contrast: float
    saturation: float
    blur_px: float
    noise: float  # standard deviation of grey values, 0-255
    detail: float  # 1 keeps every pixel; 0.5 halves the resolution
    vignette: float
    jpeg_quality: int | None
    shoulder: float = SHOULDER


@dataclass(frozen=True)
class Scene:
    """Everything around the head in one clip."""

    lights: Lights
    sensor: Sensor
    background: np.ndarray  # (S, S, 3) float32 linear
    distance_cm: float
    fill: float  # part of the frame's width that 20 cm at the face take
    occluders: tuple[Occluder, ...]
    environment: Environment | None = None  # instead of the lights' sky and ground
    sources: tuple[str, ...] = ()  # the assets that it is made of


@dataclass(frozen=True)
class Occluder:
    """A hand or an object that comes into the picture for a while; lengths as fractions of 20 cm at the face."""

    shapes: tuple[tuple[np.ndarray, float], ...]  # poly-line (n, 2) and half width
    colour_srgb: np.ndarray  # (3,) 0-255
    rest: np.ndarray  # (2,) where it is at its closest, from the face's centre
    away: np.ndarray  # (2,) where it comes from
    begin_s: float
    end_s: float


def sample_scene(
    rng: np.random.Generator, look: Look, size: int, duration_s: float, assets: Assets | None = None
) -> Scene:
    """Draw the surroundings of one clip of `size` pixels; with assets, most are photographed."""
    wild = look == "wild"
    occluders: tuple[Occluder, ...] = ()
    if wild and rng.random() < 0.3:
        occluders = tuple(sample_occluder(rng, duration_s) for _ in range(rng.integers(1, 3)))
    scene = Scene(
        lights=sample_lights(rng, wild),
        sensor=sample_sensor(rng, wild),
        background=sample_background(rng, wild, size),
        distance_cm=float(np.exp(rng.uniform(np.log(40 if wild else 90), np.log(220)))),
        fill=float(rng.uniform(0.48, 0.8) if wild else rng.uniform(0.66, 0.78)),
        occluders=occluders,
    )
    if assets is None or rng.random() >= SURROUNDED_SHARE:
        return scene
    around = sample_surroundings(rng, assets, wild, size)
    height = around.environment.harmonics[1] * 0.488603
    return replace(
        scene,
        lights=Lights(
            around.direction,
            around.colour,
            sky=np.maximum(around.environment.harmonics[0] * 0.282095 + height, 0),
            ground=np.maximum(around.environment.harmonics[0] * 0.282095 - height, 0),
        ),
        background=around.background,
        sensor=replace(scene.sensor, shoulder=SOFT_SHOULDER),
        environment=around.environment,
        sources=(f"env/{around.name}",),
    )


def sample_lights(rng: np.random.Generator, wild: bool) -> Lights:
    """A key light, a fill light and a third from anywhere, over ambient light from sky and ground."""

    def toward(azimuth_deg: float, height_deg: float) -> np.ndarray:
        a, h = np.radians(azimuth_deg), np.radians(height_deg)
        return np.array([np.sin(a) * np.cos(h), np.sin(h), np.cos(a) * np.cos(h)])

    def tint(spread: float) -> np.ndarray:
        warm = rng.normal(0, spread)
        return np.array([1 + warm, 1 + 0.2 * rng.normal(0, spread), 1 - warm]).clip(0.4, 1.8)

    spread = 0.16 if wild else 0.05
    key_side = rng.uniform(-75, 75) if wild else rng.uniform(-40, 40)
    directions = [
        toward(key_side, rng.uniform(-10, 65) if wild else rng.uniform(15, 50)),
        toward(-key_side + rng.uniform(-30, 30), rng.uniform(-10, 40)),
        toward(rng.uniform(90, 270) if rng.random() < 0.5 else rng.uniform(-90, 90), rng.uniform(0, 60)),
    ]
    key = rng.uniform(0.3, 1.6) if wild else rng.uniform(0.4, 0.9)
    fill = key * (rng.uniform(0, 0.8) if wild else rng.uniform(0.3, 0.8))
    third = rng.uniform(0, 1.0) if wild and rng.random() < 0.5 else 0.0
    ambient = rng.uniform(0.25, 1.0) if wild else rng.uniform(0.5, 0.9)
    sky = ambient * tint(spread)
    return Lights(
        direction=np.array(directions, np.float32),
        colour=np.array([key * tint(spread), fill * tint(spread), third * tint(spread)], np.float32),
        sky=sky.astype(np.float32),
        ground=(sky * rng.uniform(0.3, 0.8)).astype(np.float32),
    )


def sample_sensor(rng: np.random.Generator, wild: bool) -> Sensor:
    """Exposure, colour, sharpness, noise and compression of one camera."""
    coarse = wild and rng.random() < 0.25
    return Sensor(
        exposure=float(np.exp(rng.uniform(np.log(0.1), np.log(0.5))) if wild else rng.uniform(0.18, 0.4)),
        white_balance=(1 + (0.1 if wild else 0.03) * rng.standard_normal(3)).astype(np.float32),
        contrast=float(rng.uniform(0.8, 1.25) if wild else rng.uniform(0.92, 1.1)),
        saturation=float(
            rng.choice([0.0, rng.uniform(0.5, 1.4)], p=[0.06, 0.94]) if wild else rng.uniform(0.8, 1.15)
        ),
        blur_px=float(rng.uniform(0, 1.2) if wild else rng.uniform(0, 0.6)),
        noise=float(rng.uniform(0, 7) if wild else rng.uniform(0, 2.5)),
        detail=float(rng.uniform(0.45, 0.9)) if coarse else 1.0,
        vignette=float(rng.uniform(0, 0.35) if wild else 0.0),
        jpeg_quality=int(rng.integers(35, 92)) if wild and rng.random() < 0.3 else None,
    )


def sample_background(rng: np.random.Generator, wild: bool, size: int) -> np.ndarray:
    """A plain backdrop, or clutter out of focus, (S, S, 3) float32 linear."""
    top, bottom = rng.uniform(0.05, 0.85, 3), rng.uniform(0.05, 0.85, 3)
    if not wild or rng.random() < 0.25:
        grey = rng.uniform(0.03, 0.8)
        top = grey * (1 + 0.12 * rng.standard_normal(3))
        bottom = top * rng.uniform(0.7, 1.1)
    ramp = np.linspace(0, 1, size)[:, None, None]
    picture: np.ndarray = np.repeat((top + ramp * (bottom - top)).clip(0.01, 1), size, axis=1).astype(np.float32)
    if wild:
        for _ in range(rng.integers(3, 26)):
            colour = tuple(float(v) for v in rng.uniform(0.01, 1, 3) ** 1.5)
            centre = rng.integers(-size // 8, size + size // 8, 2)
            extent = rng.integers(size // 40 + 1, size // 2, 2)
            corners = cv2.boxPoints(
                (
                    (float(centre[0]), float(centre[1])),
                    (float(extent[0]), float(extent[1])),
                    float(rng.uniform(0, 180)),
                )
            )
            if rng.random() < 0.6:
                cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
            else:
                cv2.ellipse(
                    picture, tuple(map(int, centre)), tuple(map(int, extent // 2)), 0, 0, 360, colour, -1, cv2.LINE_AA
                )
        picture *= 1 + 0.1 * cv2.resize(rng.standard_normal((24, 24)).astype(np.float32), (size, size))[..., None]
        picture = cv2.GaussianBlur(picture, (0, 0), max(0.4, rng.uniform(0, 0.03) * size))
    return np.clip(picture, 0, 2).astype(np.float32)


def sample_occluder(rng: np.random.Generator, duration_s: float) -> Occluder:
    """A hand with fingers, or a bar (cup, microphone, phone, scarf) of any colour."""
    begin = rng.uniform(-0.3, 0.8) * duration_s
    end = begin + rng.uniform(0.25, 0.9) * duration_s
    angle = rng.uniform(np.radians(20), np.radians(160))
    outward = np.array([np.cos(angle), np.sin(angle)])  # y down: comes from below or the side
    shapes: list[tuple[np.ndarray, float]] = []
    if rng.random() < 0.55:
        skin = np.array([(236, 200, 176), (196, 144, 112), (116, 76, 55), (82, 52, 39)])[rng.integers(4)]
        colour = skin * rng.uniform(0.75, 1.1)
        across = np.array([-outward[1], outward[0]])
        shapes.append((np.array([outward * 0.28, outward * 1.5]), 0.17))
        for k in range(4):
            foot = outward * 0.2 + across * (k - 1.5) * 0.085
            bend = across * rng.uniform(-0.04, 0.04)
            shapes.append(
                (np.array([foot, foot - outward * 0.16 + bend, foot - outward * rng.uniform(0.24, 0.34)]), 0.042)
            )
    else:
        colour = rng.uniform(10, 240, 3)
        turn = rng.uniform(0, np.pi)
        long = np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0.05, 0.5)
        shapes.append((np.array([-long, long]), float(rng.uniform(0.04, 0.16))))
    rest = rng.normal(0, 1, 2) * (0.22, 0.12) + (0.0, 0.16)
    return Occluder(tuple(shapes), colour, rest, rest + outward * 1.3, float(begin), float(end))


def draw_occluder(
    image: np.ndarray, occluder: Occluder, time_s: float, face_centre_px: np.ndarray, unit_px: float
) -> None:
    """Draw the occluder of this moment into image (S, S, 3) float32, 0-255; unit_px: 20 cm at the face."""
    if not occluder.begin_s <= time_s <= occluder.end_s:
        return
    edge = min(time_s - occluder.begin_s, occluder.end_s - time_s)
    near = min(1.0, edge / 0.4)
    place = occluder.away + (occluder.rest - occluder.away) * near * near * (3 - 2 * near)
    origin = face_centre_px + place * unit_px
    for line, half_width in occluder.shapes:
        points = np.round((origin + line * unit_px) * 16).astype(np.int32)
        for shade, inset in ((0.72, 1.0), (1.0, 0.72)):
            width = max(1, round(2 * half_width * inset * unit_px))
            colour = tuple(float(v) for v in occluder.colour_srgb * shade)
            cv2.polylines(image, [points], False, colour, width, cv2.LINE_AA, 4)


def expose(linear: np.ndarray, sensor: Sensor, gain: float) -> np.ndarray:
    """Grey values 0-255, (S, S, 3) float32, of linear light (S, S, 3) float32."""
    size = linear.shape[0]
    light = linear * (gain * sensor.white_balance)
    if sensor.vignette:
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        light *= (1 - sensor.vignette * np.clip(x * x + y * y, 0, 2) / 2).astype(np.float32)[..., None]
    # A shoulder keeps highlights from clipping hard.
    bend = sensor.shoulder
    light = np.where(light > bend, bend + (1 - bend) * np.tanh((light - bend) / (1 - bend)), np.maximum(light, 0))
    return (light.astype(np.float32) ** np.float32(1 / 2.2)) * np.float32(255)


def develop(grey: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Contrast, colour, blur, resolution, noise and compression: (S, S, 3) float32 0-255 to uint8."""
    size = grey.shape[0]
    if sensor.contrast != 1:
        grey = (grey - 118) * sensor.contrast + 118
    if sensor.saturation != 1:
        luma = grey @ np.array([0.299, 0.587, 0.114], np.float32)
        grey = luma[..., None] + sensor.saturation * (grey - luma[..., None])
    grey = grey.astype(np.float32)
    if sensor.blur_px > 0.15:
        grey = cv2.GaussianBlur(grey, (0, 0), sensor.blur_px)
    if sensor.detail < 1:
        small = max(16, round(size * sensor.detail))
        grey = cv2.resize(cv2.resize(grey, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    if sensor.noise > 0.2:
        grey = grey + sensor.noise * rng.standard_normal(grey.shape, dtype=np.float32)
    picture: np.ndarray = np.clip(grey + 0.5, 0, 255).astype(np.uint8)
    if sensor.jpeg_quality is not None:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality])
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture
