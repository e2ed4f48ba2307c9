"""The released weights keep giving what they gave: a fixed batch tightly, a real photograph through the whole path.

python tests/detection/test_golden.py    # after a new release: writes golden/resnet18.json anew
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from actionunits.detection.detector import Detector
from actionunits.models.batch import Batch
from actionunits.training.checkpoint import load_checkpoint
from actionunits.weights.locate import find_weights

GOLDEN = Path(__file__).parent / "golden" / "resnet18.json"


def fixed_batch(size: int) -> Batch:
    """Two smooth pictures, the second with a mesh that is a jittered grid."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    picture = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x) * np.cos(7 * y)])
    k = np.arange(478)
    mesh = np.stack([0.3 + 0.4 * (k % 22) / 21, 0.2 + 0.6 * (k // 22) / 21, 0.05 * np.sin(k)], axis=1)
    return Batch(
        image=torch.tensor(np.stack([picture, picture[::-1]]), dtype=torch.float32),
        mesh=torch.tensor(np.stack([mesh, mesh]), dtype=torch.float32),
        mesh_valid=torch.tensor([False, True]),
    )


def outputs() -> dict:
    checkpoint = load_checkpoint(find_weights("resnet18"))
    with torch.inference_mode():
        output = checkpoint.model(fixed_batch(checkpoint.model.config.image_size))
    return {
        "sha256": checkpoint.header["sha256"],
        "au_logit": np.round(output.au_logit.numpy().astype(float), 5).tolist(),
        "au_intensity": np.round(output.au_intensity.numpy().astype(float), 5).tolist(),
    }


def test_released_weights_give_the_frozen_outputs():
    frozen, now = json.loads(GOLDEN.read_text()), outputs()
    assert now["sha256"] == frozen["sha256"], "other weights: run this file to freeze their outputs"
    # Convolutions of other processors differ in the last bits of float32.
    np.testing.assert_allclose(now["au_logit"], frozen["au_logit"], atol=2e-3)
    np.testing.assert_allclose(now["au_intensity"], frozen["au_intensity"], atol=2e-3)


@pytest.fixture(scope="module")
def astronaut_prediction(tmp_path_factory):
    from PIL import Image
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    result = Detector().detect(path)
    (frame,) = result.frames
    (prediction,) = frame.predictions
    return prediction


@pytest.mark.parametrize(("au", "present"), [(12, True), (25, True), (4, False), (15, False)])
def test_an_open_smile_is_read_from_a_real_photograph(astronaut_prediction, au, present):
    k = astronaut_prediction.aus.index(au)
    assert bool(astronaut_prediction.au_present[k]) == present
    assert (astronaut_prediction.au_intensity[k] >= 1) == present


def test_an_unseen_render_is_read(mini_dir):
    """AU12, the clearest action, follows its exact intensity over an unseen clip of each look."""
    import pandas as pd

    for look in ("studio", "wild"):
        frames = pd.read_parquet(mini_dir / look / "frames.parquet", columns=["clip", "AU12_r"])
        spread = frames.groupby("clip")["AU12_r"].std()
        clip = spread.idxmax()
        truth = frames.loc[frames["clip"] == clip, "AU12_r"].to_numpy()
        table = Detector(max_faces=1).detect(mini_dir / look / clip).table
        assert np.corrcoef(table["AU12_r"].fillna(0), truth)[0, 1] > 0.7


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(outputs(), indent=1) + "\n")
