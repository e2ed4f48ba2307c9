"""People and clips to render; without the face model, tests that ask for them are skipped."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from meshes import rasterised, sphere

from actionunits.synth import natural_light, raster, shading
from actionunits.synth.facekit import FaceKit, read_facekit
from actionunits.synth.head import build_head
from actionunits.synth.motion import ClipMotion
from actionunits.synth.person import Casting, Person
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene


@pytest.fixture(scope="session")
def kit(facekit_dir: Path) -> FaceKit:
    return read_facekit(facekit_dir)


@pytest.fixture(scope="session")
def casting(kit: FaceKit) -> Casting:
    return Casting(build_head(kit))


@pytest.fixture(scope="session")
def people(casting: Casting) -> list[Person]:
    return [casting.sample(np.random.default_rng((3, k))) for k in range(6)]


@pytest.fixture(scope="session")
def render(people: list[Person]) -> Callable[..., ClipRenderer]:
    """Renderer of one of the people in a studio (or wild) scene, moved as given."""

    def make(motion: ClipMotion, person: int = 0, look: str = "studio", size: int = 128) -> ClipRenderer:
        rng = np.random.default_rng((4, person))
        scene = sample_scene(rng, look, size, float(motion.time_s[-1]))
        return ClipRenderer(people[person], scene, motion, size, rng)

    return make


@pytest.fixture
def shade():
    """Shades a sphere of 10 cm, 60 cm before the camera; gives linear RGB (64, 64, 3) and where the sphere is.

    In an environment, `natural_light` shades it.
    """
    vertices, triangles = sphere(40, 80)
    camera = vertices * 10 + np.float32([0, 0, -60])
    points = np.empty_like(camera)
    points[:, 2] = -camera[:, 2]
    points[:, 0] = 31.5 + camera[:, 0] / points[:, 2] * 150
    points[:, 1] = 31.5 - camera[:, 1] / points[:, 2] * 150
    triangle_id, barycentric, _ = rasterised(points, triangles, size=64)
    normals = np.empty_like(camera)
    raster.vertex_normals(camera, triangles, normals)

    def call(
        kind,
        direction,
        light=1.0,
        sky=0.0,
        visible=1.0,
        wrap=0.0,
        gaze=(0, 0, 1.0),
        albedo=0.5,
        gloss=0.0,
        environment=None,
        eye_disc=None,
    ):
        count, out = len(vertices), np.zeros((64, 64, 3), np.float32)
        colours = np.full((10, 3), albedo, np.float32)
        if kind == raster.EYE_L:
            colours[kind] = (0.02, 0.05, 0.4)
        surfaces = shading.Surfaces(
            triangles=triangles,
            kind=np.full(len(triangles), kind, np.uint8),
            face_uv=np.full((len(triangles), 3, 2), 0.5, np.float32),
            normals=normals,
            camera_points=camera,
            model_points=vertices,
            light_visible=np.full((count, 1), visible, np.float32),
            openness=np.ones(count, np.float32),
            hair_cover=np.zeros(count, np.float32),
            hair_uv=np.zeros((count, 2), np.float32),
        )
        paint = shading.Paint(
            skin=np.full((8, 8, 4), albedo, np.float32),
            fold_profile=np.zeros((8, 8), np.float32),
            fold_group=np.zeros((8, 8), np.uint8),
            fold_weight=np.zeros(1, np.float32),
            strands=np.full((4, 4), 0.5, np.float32),
            colours=colours,
            eye_centre=np.zeros((2, 3), np.float32),
            gaze=np.array([gaze, gaze], np.float32),
            eye_angles=np.float32([np.cos(0.4), np.cos(0.36), np.cos(0.15), 0.7]),
            eye_disc=np.zeros((0, 0, 3), np.float32) if eye_disc is None else eye_disc,
            lid_height=np.full(2, 10, np.float32),
            gloss=gloss,
            exponent=14.0,
            wrap=wrap,
        )
        ambient = np.full(3, sky, np.float32)
        lamp = shading.Light(np.array([direction], np.float32), np.full((1, 3), light, np.float32), ambient, ambient)
        if environment is None:
            shading.shade(triangle_id, barycentric, surfaces, paint, lamp, out)
        else:
            natural_light.shade_naturally(triangle_id, barycentric, surfaces, paint, lamp, environment, 15.0, out)
        return out, triangle_id >= 0

    return call


@pytest.fixture
def assets_dir(tmp_path):
    """A folder of small pictures laid out as assets are: four skins, two eyes, two surroundings."""
    folder = tmp_path / "assets"
    rng = np.random.default_rng(0)
    for part in ("skins_cyl", "eyes", "env"):
        (folder / part).mkdir(parents=True)
    tones = {
        "valid_White_M_1": (200, 150, 130),
        "valid_Black_F_1": (100, 60, 45),
        "valid_White_M_2": (210, 160, 135),
        "makehuman_young_lightskinned_male_diffuse": (220, 170, 150),
    }
    for name, tone in tones.items():
        skin = np.full((128, 128, 3), tone, np.uint8)
        if name != "makehuman_young_lightskinned_male_diffuse":
            skin[:16] = rng.integers(0, 80, (16, 128, 1))  # hair
            skin[31:34, 40:88] = 30  # brows
        cv2.imwrite(str(folder / "skins_cyl" / f"{name}.jpg"), skin[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    eye = np.full((64, 64, 3), 220, np.uint8)
    cv2.circle(eye, (32, 32), 9, (40, 70, 90), -1)
    cv2.imwrite(str(folder / "eyes" / "valid_White_M_1.jpg"), eye)
    cv2.imwrite(str(folder / "eyes" / "makehuman_brown_eye.png"), eye)
    radiance = np.ones((2, 64, 128, 3), np.float16)
    radiance[1, 20, 10] = 4000  # a sun
    np.savez(folder / "env" / "environments.npz", names=["overcast", "sunny"], radiance_64x128=radiance)
    cv2.imwrite(str(folder / "env" / "pano_sunny.jpg"), np.full((64, 128, 3), 120, np.uint8))
    return folder
