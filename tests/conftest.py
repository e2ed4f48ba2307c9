"""Fixtures; what the project does not carry is read from folders named in the environment, else tests skip."""

import os
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]


def folder_from(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    folder = Path(value)
    assert folder.is_dir(), f"{variable} names {folder}, which is not a folder"
    return folder


@pytest.fixture(scope="session")
def facekit_dir() -> Path:
    """Folder with ict_facekit.npz and the official FaceXModel folder."""
    return folder_from("ACTIONUNITS_FACEKIT")


@pytest.fixture(scope="session")
def samples_dir() -> Path:
    """Folder with real clips."""
    return folder_from("ACTIONUNITS_SAMPLES")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder with face_landmarker.task."""
    return folder_from("ACTIONUNITS_MODELS")


@pytest.fixture(scope="session")
def mini_dir() -> Path:
    """The committed data set of renders."""
    return REPOSITORY / "data" / "synthau-mini"


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A real photograph of one smiling, frontal face, (512, 512, 3) uint8 RGB."""
    from skimage.data import astronaut

    return astronaut()
