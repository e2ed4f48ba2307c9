"""Checkpoints: they come back as they were, and nothing doubtful is loaded."""

import json
import os
import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from actionunits.errors import UserError
from actionunits.models import MODELS, find_model
from actionunits.models.batch import Batch
from actionunits.models.resnet18 import ResNet18Config
from actionunits.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from actionunits.weights.checkpoint_file import digest, read_header

AUS = (1, 2, 12)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = ResNet18Config(width=8, class_weighting="inverse", au_rates=(0.1, 0.2, 0.4))
    return find_model("resnet18").model(config, AUS).eval()


@pytest.fixture
def path(model, tmp_path):
    save_checkpoint(tmp_path / "m.safetensors", model, {"seed": 3, "thresholds": {"AU01": 0.25}})
    return tmp_path / "m.safetensors"


def with_header(path, change, target):
    """Copy of a checkpoint whose header was changed by hand."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["actionunits"])
    change(header)
    save_file(load_file(path), target, {"actionunits": json.dumps(header)})
    return target


def test_header_and_config_come_back(path, model):
    loaded = load_checkpoint(path)
    assert isinstance(loaded, Checkpoint) and loaded.aus == AUS
    assert loaded.model.config == model.config
    assert loaded.header["seed"] == 3 and loaded.header["thresholds"] == {"AU01": 0.25}
    assert loaded.header["model"] == "resnet18" and loaded.header == read_header(path)


def test_half_precision_halves_the_file_and_loads_as_float32(path, model, tmp_path):
    small = tmp_path / "half.safetensors"
    save_checkpoint(small, model, {}, stored_type="float16")
    assert os.path.getsize(small) < 0.6 * os.path.getsize(path)
    loaded = load_checkpoint(small).model
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    batch = Batch(image=torch.rand(2, 3, 112, 112))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(batch).au_logit, model(batch).au_logit, atol=0.02, rtol=0)


def test_integers_quarter_the_convolutions_and_load_as_float32(path, model, tmp_path):
    small = tmp_path / "int8.safetensors"
    save_checkpoint(small, model, {}, stored_type="int8")
    assert os.path.getsize(small) < 0.35 * os.path.getsize(path)
    loaded = load_checkpoint(small).model
    for before, after in zip(model.parameters(), loaded.parameters(), strict=True):
        assert after.dtype == torch.float32
        if before.ndim == 4:
            step = before.abs().amax((1, 2, 3), keepdim=True) / 127
            assert ((before - after).abs() <= 0.51 * step).all()
    batch = Batch(image=torch.rand(2, 3, 112, 112))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(batch).au_logit, model(batch).au_logit, atol=0.1, rtol=0)


def test_integers_without_their_steps_are_refused(model, tmp_path):
    small = tmp_path / "int8.safetensors"
    header = save_checkpoint(small, model, {}, stored_type="int8")
    tensors = load_file(small)
    name = next(name for name in tensors if name.endswith(".step"))
    del tensors[name]
    header["sha256"] = digest(header, {name: value.numpy() for name, value in tensors.items()})
    save_file(tensors, small, {"actionunits": json.dumps(header)})
    with pytest.raises(UserError, match="int8 without float32 steps"):
        load_checkpoint(small)


def test_channels_last_weights_are_stored_like_others(model, path, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", model.to(memory_format=torch.channels_last), {})
    assert read_header(tmp_path / "c.safetensors")["config"] == read_header(path)["config"]
    first, second = load_checkpoint(path).model, load_checkpoint(tmp_path / "c.safetensors").model
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_changed_byte_is_noticed(path, tmp_path):
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    places = [*range(9, 8 + length, 97), *range(8 + length, len(content), len(content) // 40), len(content) - 1]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0x04
        (tmp_path / "damaged.safetensors").write_bytes(damaged)
        with pytest.raises(UserError):
            load_checkpoint(tmp_path / "damaged.safetensors")


def test_a_changed_weight_is_named_as_such(path, tmp_path):
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "d.safetensors").write_bytes(damaged)
    with pytest.raises(UserError, match="checksum does not match"):
        load_checkpoint(tmp_path / "d.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_cut_off_file_is_refused(path, tmp_path, keep):
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"cut off|damaged"):
        load_checkpoint(tmp_path / "cut.safetensors")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda h: h.update(format=2), "format 2, this version reads 1"),
        (lambda h: h.update(model="resnet99"), "checksum"),
        (lambda h: h.pop("aus"), "lacks aus"),
    ],
)
def test_headers_changed_by_hand_are_refused(path, tmp_path, change, line):
    with pytest.raises(UserError, match=line):
        load_checkpoint(with_header(path, change, tmp_path / "changed.safetensors"))


def test_an_unknown_model_is_named(path, monkeypatch):
    monkeypatch.delitem(MODELS, "resnet18")
    with pytest.raises(UserError, match="unknown model 'resnet18'"):
        load_checkpoint(path)


def test_pickles_are_refused_by_content_and_by_name(path, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps({"weights": [1.0]}))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "b.safetensors")
    with zipfile.ZipFile(tmp_path / "c.safetensors", "w") as archive:
        archive.writestr("x", "y")
    (tmp_path / "d.pt").write_bytes(path.read_bytes())
    for name in ("a.safetensors", "b.safetensors", "c.safetensors", "d.pt"):
        with pytest.raises(UserError, match="pickle"):
            load_checkpoint(tmp_path / name)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("these are not weights, they are words")
    with pytest.raises(UserError, match="not a safetensors"):
        load_checkpoint(tmp_path / "text.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="no header of this program"):
        load_checkpoint(tmp_path / "foreign.safetensors")


def test_a_failed_save_leaves_the_old_file_alone(path, model):
    before = path.read_bytes()
    with pytest.raises(ValueError):
        save_checkpoint(path, model, {"scores": float("nan")})
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


def test_a_folder_that_cannot_be_written_is_one_line(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "m.safetensors", model, {})
