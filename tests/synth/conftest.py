"""People and clips to render; without the face model, tests that ask for them are skipped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
