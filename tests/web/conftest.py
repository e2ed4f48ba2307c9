"""A service with a small model, and files to send to it."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image
from small_service import TOKEN


@pytest.fixture(scope="session")
def small_weights(tiny_weights, tmp_path_factory) -> Path:
    """The small detector with its graph, so that processes start without torch."""
    from actionunits.detection.export import export_graph

    copy = shutil.copy(tiny_weights, tmp_path_factory.mktemp("served") / "small.safetensors")
    export_graph(Path(copy))
    return Path(copy)


@pytest.fixture(scope="session")
def resting_weights(tiny_weights, tmp_path_factory) -> Path:
    """A detector that finds every face at rest, with a little of every action unit."""
    import torch

    from actionunits.detection.export import export_graph
    from actionunits.training.checkpoint import load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(tiny_weights)
    head = checkpoint.model.image.head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([-2.4, -3.7]).repeat_interleave(len(head.bias) // 2))
    path = tmp_path_factory.mktemp("resting") / "resting.safetensors"
    neutral = dict.fromkeys(checkpoint.header["neutral_logit"], -2.6)
    save_checkpoint(path, checkpoint.model, {"neutral_logit": neutral})
    export_graph(path)
    return path


@pytest.fixture
def serve(small_weights, tmp_path):
    """Makes a client, signed in, of a service with these limits; all of them end with the test."""
    from contextlib import ExitStack

    from starlette.testclient import TestClient

    from actionunits.web.app import Service
    from actionunits.web.limits import Limits

    with ExitStack() as stack:

        def start(weights=small_weights, **limits) -> TestClient:
            service = Service({"aus": []}, {"weights": str(weights)}, Limits(**limits), TOKEN, folder=tmp_path)
            # Without the context manager there is no private folder.
            client = TestClient(service.app, "http://127.0.0.1:8321", headers={"Authorization": f"Bearer {TOKEN}"})
            return stack.enter_context(client)

        yield start


@pytest.fixture(scope="session")
def photo(astronaut) -> bytes:
    """A photograph of one face as JPEG."""
    file = io.BytesIO()
    Image.fromarray(astronaut).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="session")
def clip(mini_dir) -> bytes:
    """A video of one rendered face, 64 frames."""
    return (mini_dir / "studio" / "clips" / "S0-0003_T1.mp4").read_bytes()
