"""Fixtures; what the project does not carry comes from folders named in the environment, else tests skip."""

import os
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

REPOSITORY = Path(__file__).parents[1]
ISA_VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def pytest_configure(config: pytest.Config) -> None:
    """Each core has a process of tests; more threads in each would wait for one another."""
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded, and by processes of tests
        threadpool_limits(1)  # NumPy is loaded already


def pytest_report_header() -> str:
    """Which instructions the kernels of this machine use, so that a report of a failure can be read."""
    import torch

    limits = [f"{name}={os.environ[name]}" for name in ISA_VARIABLES if name in os.environ]
    found = torch.backends.cpu.get_cpu_capability()
    return f"kernels: torch {torch.__version__}, {found}, {', '.join(limits) or 'not limited by the environment'}"


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
def faceassets_dir() -> Path:
    """Folder of photographed skins, eyes and surroundings."""
    return folder_from("ACTIONUNITS_ASSETS")


@pytest.fixture(scope="session")
def samples_dir() -> Path:
    """Folder with real clips."""
    return folder_from("ACTIONUNITS_SAMPLES")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder with face_landmarker.task."""
    return folder_from("ACTIONUNITS_MODELS")


@pytest.fixture(scope="session")
def cases_dir() -> Path:
    """Folder with damaged and unusual files."""
    return folder_from("ACTIONUNITS_CASES")


@pytest.fixture(scope="session")
def mini_dir() -> Path:
    """The committed data set of renders."""
    return REPOSITORY / "data" / "synthau-mini"


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A real photograph of one smiling, frontal face, (512, 512, 3) uint8 RGB."""
    from skimage.data import astronaut

    return astronaut()


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a small, untrained detector of the 18 AUs: fast, and its numbers differ from AU to AU."""
    import torch

    from actionunits.aus import SYNTH_AUS, au_label
    from actionunits.models import find_model
    from actionunits.training.checkpoint import save_checkpoint

    torch.manual_seed(0)
    entry = find_model("resnet18")
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    thresholds = {au_label(au): 0.3 + 0.02 * k for k, au in enumerate(SYNTH_AUS)}
    neutral = {au_label(au): -2.0 + 0.1 * k for k, au in enumerate(SYNTH_AUS)}
    model = entry.model(entry.config(width=4, image_size=64), SYNTH_AUS)
    save_checkpoint(path, model, {"thresholds": thresholds, "neutral_logit": neutral})
    return path
