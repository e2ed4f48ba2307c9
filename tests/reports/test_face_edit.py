"""Generated faces: edited pictures and the grid of pairs, and what is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_crops import random_people

from actionunits.datasets.crops.crop_data import stored_size
from actionunits.datasets.crops.load import load_data
from actionunits.datasets.sampling.augment import center_crop
from actionunits.datasets.sampling.sequences import PairSampler
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.reports import displacements, face_edit
from actionunits.reports.displacements import displacement_lengths, length_histogram
from actionunits.reports.face_edit import edit_face, pair_figure, two_movements
from actionunits.reports.image_file import save_figure
from actionunits.training.checkpoint import save_checkpoint
from actionunits.weights.locate import find_weights

CLIPS = sorted((Path(__file__).parents[2] / "data" / "synthau-mini" / "studio" / "clips").glob("*_T1.mp4"))


def write_model(path, moving=True, **settings):
    torch.manual_seed(0)
    entry = find_model("tcae")
    model = entry.model(entry.config(**({"image_size": 32, "width": 4, "embedding": 8} | settings)), ())
    if not moving:
        for decoder in (model.au_decoder, model.pose_decoder):
            torch.nn.init.zeros_(decoder.last.weight)
            torch.nn.init.zeros_(decoder.last.bias)
    save_checkpoint(path, model, {})
    return path


def read(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_what_is_kept_decides_which_movement_is_applied(tmp_path):
    model, still = write_model(tmp_path / "a.safetensors"), write_model(tmp_path / "b.safetensors", moving=False)
    for name, weights, keep in (("pose", model, "pose"), ("aus", model, "aus"), ("still", still, "pose")):
        edit_face(CLIPS[0], CLIPS[1], keep, weights, tmp_path / f"{name}.png", size=96)
    pose, aus, plain = (read(tmp_path / f"{name}.png") for name in ("pose", "aus", "still"))
    assert pose.shape == (96, 96, 3)
    # Without movement it is the source's crop; each movement changes it, and the two differ.
    assert plain.std() > 20
    assert np.abs(pose - plain).mean() > 1 and np.abs(aus - plain).mean() > 1 and np.abs(pose - aus).mean() > 1


def test_the_released_network_moves_a_frame_towards_another_one(tmp_path):
    """In few frames of people whom it has not seen: with both movements more than with either alone."""
    names = [f"synthau-studio-0/S0-000{k}" for k in range(3)]
    model = two_movements(find_weights("tcae"))
    size = model.config.image_size
    data = load_data([CLIPS[0].parents[1]], stored_size(size), subjects=names, every=10, cache=tmp_path)
    batch = center_crop(data.batch(PairSampler((data.subject, data.clip), 12, 0).batch_indices(0)), size, data.margin)
    with torch.inference_mode():
        pair = model.pair(batch.image, batch.target)
    made = (batch.image, pair.au_changed, pair.pose_changed, pair.reconstruction)
    still, face, head, both = (float((picture - batch.target).abs().mean()) for picture in made)
    assert both < min(face, head) < still


def test_the_grid_has_seven_pictures_for_every_pair(tmp_path, monkeypatch):
    data = random_people(80, 4, "P", 3)
    monkeypatch.setattr(face_edit, "load_data", lambda *args, **options: data)
    save_figure(pair_figure(write_model(tmp_path / "a.safetensors"), [tmp_path], pairs=3), tmp_path / "grid.png")
    height, width, _ = read(tmp_path / "grid.png").shape
    assert width == 7 * (160 + 12) + 12 and 3 * 160 < height < 3 * 160 + 120


def test_lengths_of_displacements_are_means_over_the_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(displacements, "load_data", lambda *args, **options: random_people(80, 4, "P", 3))
    path = write_model(tmp_path / "a.safetensors")
    model = face_edit.two_movements(path)
    for decoder, x in ((model.au_decoder, 0.03), (model.pose_decoder, 0.15)):
        torch.nn.init.zeros_(decoder.last.weight)
        decoder.last.bias.data = torch.tensor([x, 4 / 3 * x, 0]).atanh()  # everywhere 5/3 x long
    save_checkpoint(path, model, {})
    found = displacement_lengths(path, [tmp_path], pairs=70)
    np.testing.assert_allclose(found.au, np.full(70, 0.05), rtol=1e-5)
    np.testing.assert_allclose(found.pose, np.full(70, 0.25), rtol=1e-5)
    assert found.ratio == pytest.approx(5) and "ratio 5.0" in str(found)
    (axes,) = length_histogram(found).axes
    assert [text.get_text() for text in axes.get_legend().texts] == [
        "AU displacements, mean 0.0500",
        "pose displacements, mean 0.2500",
    ]
    still = displacement_lengths(write_model(tmp_path / "b.safetensors", moving=False), [tmp_path], pairs=3)
    assert len(still.au) == 3 and still.ratio == np.inf


def test_what_cannot_be_edited_is_told_in_one_line(tmp_path):
    model = write_model(tmp_path / "a.safetensors")
    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((90, 90, 3), 120, np.uint8)).save(grey)
    out = tmp_path / "out.png"
    with pytest.raises(UserError, match=r"no face found in .*grey\.png"):
        edit_face(CLIPS[0], grey, "pose", model, out)
    with pytest.raises(UserError, match="must be pose or aus"):
        edit_face(CLIPS[0], CLIPS[1], "hair", model, out)
    with pytest.raises(UserError, match="between 16 and 2048"):
        edit_face(CLIPS[0], CLIPS[1], "pose", model, out, size=5)
    with pytest.raises(UserError, match="pictures end in"):
        edit_face(CLIPS[0], CLIPS[1], "pose", model, tmp_path / "out.gif")
    fabnet = write_model(tmp_path / "f.safetensors", variant="fabnet")
    with pytest.raises(UserError, match="does not tell movements of the face"):
        edit_face(CLIPS[0], CLIPS[1], "pose", fabnet, out)
    assert not out.exists()
