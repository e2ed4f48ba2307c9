"""Where EAC-Net looks in somebody's picture, drawn."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import SMALL
from typer.testing import CliRunner

from actionunits.cli import app
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.models.batch import Batch
from actionunits.models.eacnet.attention import attention_map, enhance
from actionunits.reports.attention import attention_of, load_attentive, mosaic, picture_attention
from actionunits.training.checkpoint import save_checkpoint


def network(key="eacnet", **settings):
    torch.manual_seed(0)
    entry = find_model(key)
    return entry.model(entry.config(**SMALL[key] | settings), (4, 12)).eval()


def stored(folder, *args, **settings):
    path = folder / "model.safetensors"
    save_checkpoint(path, network(*args, **settings), {})
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    return path


def test_maps_differ_where_the_attention_map_is_above_zero_and_nowhere_far_from_it():
    model = network("eacnet", variant="enet")
    face = Batch(image=torch.rand(1, 3, 64, 64))
    found = attention_of(model, face)
    assert found.crop.shape == (64, 64, 3) and found.centers.shape == (20, 2)
    third = model.vgg.group(3, model.low_groups(face))
    weights = attention_map(model.centers(face))
    first, last = model.vgg.group(4, torch.nn.functional.max_pool2d(enhance(*third, weights), 2, 2))
    torch.testing.assert_close(torch.from_numpy(found.enhanced), enhance(first, last, weights)[0])
    assert found.near.shape == found.plain.shape[1:] and 0 < found.near.mean() < 1
    assert not np.array_equal(found.enhanced, found.plain)


def test_the_command_draws_anybodys_face(photo, tmp_path):
    out = tmp_path / "looks.png"
    weights = stored(tmp_path, "eacnet", image_size=96, magnification=1.5, middle_size=64)
    result = CliRunner().invoke(app, ["report", "attention", str(photo), "--model", str(weights), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert min(Image.open(out).size) > 300
    titles = [panel.get_title() for panel in picture_attention(str(photo), weights, 7).axes]
    assert titles[0] == "20 AU centres" and "the 7 channels that differ most" in titles


def test_what_has_no_face_and_what_has_no_attention_is_refused(tmp_path):
    empty = tmp_path / "wall.png"
    Image.new("RGB", (64, 64), "grey").save(empty)
    with pytest.raises(UserError, match="no face found"):
        picture_attention(str(empty), stored(tmp_path, "eacnet"), 4)
    with pytest.raises(UserError, match="holds an FVGG, which looks everywhere alike"):
        load_attentive(stored(tmp_path, "eacnet", variant="fvgg"))
    with pytest.raises(UserError, match="holds a drml; only EAC-Net"):
        load_attentive(stored(tmp_path, "drml"))


def test_a_mosaic_has_every_map_in_a_square_of_its_own():
    sheet = mosaic(np.arange(5 * 2 * 3).reshape(5, 2, 3))
    assert sheet.shape == (3 * 3 - 1, 3 * 4 - 1)
    np.testing.assert_allclose(sheet[:2, :3], np.linspace(0, 1, 6).reshape(2, 3))
    assert (sheet[3:5, 8:] == 0).all()  # the sixth place is empty
