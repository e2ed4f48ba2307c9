"""A stored RE-Net learns to read one more action unit from labels alone."""

import numpy as np
import pytest
import torch
from drawn_faces import write_drawn_dataset
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.datasets.crops.load import load_labels
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.renet import add_au
from actionunits.scores.relations import relation_matrix
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.new_au import add_au_to_checkpoint

AUS = (1, 12, 16)  # no renders code AU16


@pytest.fixture
def made(tmp_path):
    write_drawn_dataset(tmp_path / "data", subjects=2, frames=40)
    torch.manual_seed(0)
    # The drawn AUs are unrelated but for chance: signed relations could cancel out.
    settings = {"relation_sum": "absolute", "relations": (1, 0.2, 0, 0.2, 1, 0, 0, 0, 1)}
    config = find_model("renet").config(image_size=32, width=2, **settings)
    model = find_model("renet").model(config, AUS)
    torch.nn.init.normal_(model.norms.scale)
    data = {"names": ["other"], "training_subjects": ["C1"]}
    save_checkpoint(
        tmp_path / "m.safetensors", model, {"data": data, "thresholds": {"AU01": 0.3}, "scores": {"f1": 1}}
    )
    return tmp_path


def test_a_checkpoint_gains_an_au_by_its_relations_in_the_labels(made, monkeypatch):
    told = []

    def noting(model, au, relations):
        told.append(relations)
        return add_au(model, au, relations)

    monkeypatch.setattr("actionunits.training.new_au.add_au", noting)
    add_au_to_checkpoint(made / "m.safetensors", 5, [made / "data"], made / "out.safetensors")
    labels = load_labels(made / "data").of_aus((1, 12, 5))
    wanted = relation_matrix(labels.au_present, labels.au_present_valid)[2]
    assert np.allclose(told[0], [wanted[0], wanted[1], 0.0], atol=1e-5)
    loaded, before = load_checkpoint(made / "out.safetensors"), load_checkpoint(made / "m.safetensors")
    assert loaded.aus == (1, 12, 16, 5)
    assert loaded.header["thresholds"] == {"AU01": 0.3, "AU05": 0.5}
    assert loaded.header["data"]["training_subjects"] == ["C1"] and "scores" not in loaded.header
    batch = Batch(torch.rand(3, 3, 32, 32))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(batch).au_logit[:, :3], before.model(batch).au_logit)


def test_the_command_writes_it(made):
    words = (
        "transfer",
        made / "m.safetensors",
        "--au",
        25,
        "--data",
        made / "data",
        "--out",
        made / "out.safetensors",
    )
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0 and "4 action units" in result.output, (result.output, result.exception)


def test_what_cannot_be_added_is_one_line(made):
    out = made / "out.safetensors"
    with pytest.raises(UserError, match="does not code AU18"):
        add_au_to_checkpoint(made / "m.safetensors", 18, [made / "data"], out)
    with pytest.raises(UserError, match="knows AU12 already"):
        add_au_to_checkpoint(made / "m.safetensors", 12, [made / "data"], out)
    plain = find_model("hog").model(find_model("hog").config(image_size=32), AUS)
    save_checkpoint(made / "hog.safetensors", plain, {})
    with pytest.raises(UserError, match="holds a hog; only renet takes new action units"):
        add_au_to_checkpoint(made / "hog.safetensors", 5, [made / "data"], out)
    assert not out.exists()
